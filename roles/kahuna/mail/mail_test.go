package mail

import (
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
)

func now() time.Time { return time.Date(2030, 5, 17, 12, 0, 0, 123e6, time.UTC) }

func TestLettersBecomeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	s, err := Open("file:"+dir, "Kowabunga <cloud@example.org>", now)
	if err != nil {
		t.Fatal(err)
	}
	text := "Grüße,\n\nein sehr langer Satz: " + strings.Repeat("käse ", 60) + "\n.\nend\n"
	to := mail.Address{Name: `Eve "the" Müller, Ltd`, Address: "eve@example.org"}
	for range 2 {
		if err := s.Send(t.Context(), Letter{To: to, Subject: "Schlüssel", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, entry := range files {
		info, _ := entry.Info()
		if info.Mode().Perm() != 0o600 || !strings.HasPrefix(entry.Name(), "20300517T120000.123Z-") || !strings.HasSuffix(entry.Name(), ".eml") {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
		raw, _ := os.ReadFile(filepath.Join(dir, entry.Name()))
		for i, line := range strings.SplitAfter(string(raw), "\n") {
			if line != "" && !strings.HasSuffix(line, "\r\n") || len(line) > 80 && i > 9 {
				t.Errorf("line %d: %q", i, line)
			}
		}
		m, err := mail.ReadMessage(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(quotedprintable.NewReader(m.Body))
		if got := strings.ReplaceAll(string(body), "\r\n", "\n"); got != text {
			t.Errorf("text came back as %q", got)
		}
		got, err := m.Header.AddressList("To")
		if err != nil || *got[0] != to {
			t.Errorf("to %v, %v", got, err)
		}
		if subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); subject != "Schlüssel" {
			t.Errorf("subject %q", subject)
		}
		if at, err := m.Header.Date(); err != nil || !at.Equal(now().Truncate(time.Second)) {
			t.Errorf("date %v, %v", at, err)
		}
	}
}

// A name cannot add a header or a recipient.
func TestLettersCannotBeExtended(t *testing.T) {
	dir := t.TempDir()
	s, err := Open("file:"+dir, "cloud@example.org", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Letter{
		{To: mail.Address{Name: "Eve\r\nBcc: mal@example.org", Address: "eve@example.org"}},
		{To: mail.Address{Address: "eve@example.org\nBcc: mal@example.org"}},
		{To: mail.Address{Address: "eve@example.org"}, Subject: "x\r\n\r\nbody"},
		{},
	} {
		if err := s.Send(t.Context(), l); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files", len(files))
	}
}

func TestAFailedLetterLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	s, err := Open("file:"+dir, "cloud@example.org", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), Letter{To: mail.Address{Address: "eve@example.org"}}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestTargetsAreChecked(t *testing.T) {
	if s, err := Open("", "", now); s != nil || err != nil {
		t.Errorf("no mail: %v, %v", s, err)
	}
	for _, target := range []string{"smtp://mail.example.org:25", "file:", "dir", "http://x"} {
		if _, err := Open(target, "cloud@example.org", now); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := Open("file:"+t.TempDir(), "nobody", now); !fault.Is(err, fault.Invalid) {
		t.Errorf("a sender without an address: %v", err)
	}
}
