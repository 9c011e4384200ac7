package mail

import (
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
)

var noon = time.Date(2030, 5, 17, 12, 0, 0, 123e6, time.UTC)

// parts takes a message apart: its header, its text and its HTML.
func parts(t testing.TB, raw []byte) (mail.Header, string, string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the letter is %q, %v", kind, err)
	}
	var out []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("a part is %v", p.Header)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	if len(out) != 2 {
		t.Fatalf("%d parts", len(out))
	}
	return m.Header, out[0], out[1]
}

func TestLettersBecomeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	s, err := Open(Target{URL: "file:" + dir, From: "Kowabunga <cloud@example.org>"})
	if err != nil {
		t.Fatal(err)
	}
	text := "Grüße,\n\nein sehr langer Satz: " + strings.Repeat("käse ", 60) + "\n.\nend\n"
	m := Message{ID: "6b004e3b21c7205b99a74b3f", At: noon, To: mail.Address{Name: `Eve "the" Müller, Ltd`, Address: "eve@example.org"},
		Subject: "Schlüssel", Text: text, HTML: "<p>Grüße &amp; so</p>\n"}
	for range 2 { // a repeat is the same file
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	other := m
	other.ID = "6b004e3b21c7205b99a74b40"
	if err := s.Send(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, entry := range files {
		info, _ := entry.Info()
		if info.Mode().Perm() != 0o600 || !strings.HasPrefix(entry.Name(), "20300517T120000.123Z-6b00") || !strings.HasSuffix(entry.Name(), ".eml") {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
		raw, _ := os.ReadFile(filepath.Join(dir, entry.Name()))
		for i, line := range strings.SplitAfter(string(raw), "\n") {
			if line != "" && !strings.HasSuffix(line, "\r\n") || len(line) > 80 && i > 12 {
				t.Errorf("line %d: %q", i, line)
			}
		}
		header, plain, rich := parts(t, raw)
		if plain != text || rich != m.HTML {
			t.Errorf("text came back as %q, HTML as %q", plain, rich)
		}
		got, err := header.AddressList("To")
		if err != nil || *got[0] != m.To {
			t.Errorf("to %v, %v", got, err)
		}
		if subject, _ := new(mime.WordDecoder).DecodeHeader(header.Get("Subject")); subject != "Schlüssel" {
			t.Errorf("subject %q", subject)
		}
		if at, err := header.Date(); err != nil || !at.Equal(noon.Truncate(time.Second)) {
			t.Errorf("date %v, %v", at, err)
		}
		if id := header.Get("Message-ID"); !strings.HasPrefix(id, "<6b004e3b21c7205b99a74b") || !strings.HasSuffix(id, "@example.org>") || header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%v", header)
		}
	}
}

// A repeat is known for what it is: the bytes are the same.
func TestTheSameLetterIsTheSameMail(t *testing.T) {
	m := Message{ID: "6b004e3b21c7205b99a74b3f", At: noon, To: mail.Address{Address: "eve@example.org"}, Subject: "S", Text: "t\n", HTML: "<p>t</p>\n"}
	from := mail.Address{Address: "cloud@example.org"}
	first, err := encode(from, m)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := encode(from, m); string(first) != string(second) {
		t.Errorf("%s\n%s", first, second)
	}
}

// A name cannot add a header or a recipient.
func TestLettersCannotBeExtended(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Target{URL: "file:" + dir, From: "cloud@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []Message{
		{ID: "a", To: mail.Address{Name: "Eve\r\nBcc: mal@example.org", Address: "eve@example.org"}},
		{ID: "b", To: mail.Address{Address: "eve@example.org\nBcc: mal@example.org"}},
		{ID: "c", To: mail.Address{Address: "eve@example.org"}, Subject: "x\r\n\r\nbody"},
		{ID: "d", To: mail.Address{Address: "no address"}},
		{},
	} {
		if err := s.Send(t.Context(), m); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files", len(files))
	}
}

func TestAFailedLetterLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	s, err := Open(Target{URL: "file:" + dir, From: "cloud@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), Message{ID: "a", To: mail.Address{Address: "eve@example.org"}}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestTargetsAreChecked(t *testing.T) {
	if s, err := Open(Target{}); s != nil || err != nil {
		t.Errorf("no mail: %v, %v", s, err)
	}
	secret := func() (string, error) { return "s3cret", nil }
	for target, want := range map[string]relay{
		"smtp://mail.example.org":                  {host: "mail.example.org", port: 587, tls: tlsUpgrade},
		"smtp://mail.example.org:2525/":            {host: "mail.example.org", port: 2525, tls: tlsUpgrade},
		"smtp://kw@mail.example.org":               {host: "mail.example.org", port: 587, tls: tlsUpgrade, user: "kw"},
		"smtp://kw%40example.org@mail.example.org": {host: "mail.example.org", port: 587, tls: tlsUpgrade, user: "kw@example.org"},
		"smtps://mail.example.org":                 {host: "mail.example.org", port: 465, tls: tlsFirst},
		"smtp://127.0.0.1":                         {host: "127.0.0.1", port: 25, tls: tlsNone},
		"smtp://[::1]:26":                          {host: "::1", port: 26, tls: tlsNone},
		"smtp://localhost?tls=starttls":            {host: "localhost", port: 25, tls: tlsUpgrade},
		"smtp://10.0.0.1?tls=none":                 {host: "10.0.0.1", port: 587, tls: tlsNone},
	} {
		s, err := Open(Target{URL: target, From: "cloud@example.org", Password: secret})
		r, ok := s.(*relay)
		if err != nil || !ok || r.host != want.host || r.port != want.port || r.tls != want.tls || r.user != want.user {
			t.Errorf("%s: %+v, %v", target, r, err)
		}
	}
	for _, target := range []string{"file:", "dir", "http://x", "smtp:", "smtp://", "smtp://x:99999", "smtp://x:0", "smtp://u:s3cret@x", "smtp://x/path", "smtp://x?tls=maybe",
		"smtp://x?tls=none&tls=starttls", "smtp://x?ssl=no", "smtps://x?tls=none", "smtp://x#f", "smtp://%zz"} {
		if _, err := Open(Target{URL: target, From: "cloud@example.org", Password: secret}); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := Open(Target{URL: "smtp://user@x", From: "cloud@example.org"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a user without a password: %v", err)
	}
	if _, err := Open(Target{URL: "file:" + t.TempDir(), From: "nobody"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a sender without an address: %v", err)
	}
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"smtp://u@h:25?tls=none", "smtps://h", "smtp://[::1]", "file:x", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if strings.HasPrefix(target, "file:") {
			return
		}
		s, err := Open(Target{URL: target, From: "cloud@example.org", Password: func() (string, error) { return "p", nil }})
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
		if r, ok := s.(*relay); ok && (r.host == "" || r.port < 1 || r.port > 65535) {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzCompose(f *testing.F) {
	f.Add("Eve", "eve@example.org", "Hello", "text\n.\n")
	f.Add("E\r\nBcc: x@y", "e@x", "S\n", "")
	f.Fuzz(func(t *testing.T, name, address, subject, text string) {
		raw, err := encode(mail.Address{Address: "cloud@example.org"}, Message{ID: "a", At: noon, To: mail.Address{Name: name, Address: address}, Subject: subject, Text: text})
		if err != nil {
			return
		}
		m, err := mail.ReadMessage(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatalf("%v: %q", err, raw)
		}
		to, err := m.Header.AddressList("To")
		if err != nil || len(to) != 1 || m.Header.Get("Bcc") != "" || m.Header.Get("Cc") != "" {
			t.Fatalf("%v, %v, %q", to, err, raw)
		}
	})
}
