package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func matchLine(text, pattern string) bool {
	return regexp.MustCompile("(?m)" + pattern).MatchString(text)
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]Size{"0": 0, "4096": 4096, "64KiB": 64 * KiB, "1 MiB": MiB, "20gib": 20 * GiB, "2TiB": 2 * TiB, "1_000": 1000, "7B": 7} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q is %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1", "1.5GiB", "1GB", "1G", "GiB", "9223372036854775808", "9000000TiB"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q was accepted as %d", in, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"90s": 90 * time.Second, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%q is %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5", "d", "1w", "106752d", "9999999999999d"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q was accepted as %v", in, got)
		}
	}
}

func TestWrittenFormsReadBack(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := ParseSize(size.String()); err != nil || got != size {
			t.Fatalf("size %d written %s read %d, %v", size, size, got, err)
		}
		d := time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		if got, err := ParseDuration(formatDuration(d)); err != nil || got != d {
			t.Fatalf("duration %d written %s read %d, %v", d, formatDuration(d), got, err)
		}
		items := rapid.SliceOf(rapid.StringMatching(`[!-~]([ -~]*[!-~])?`)).Draw(t, "list")
		if got := splitList(joinList(items)); strings.Join(got, "\x00") != strings.Join(items, "\x00") {
			t.Fatalf("list %q written %s read %q", items, joinList(items), got)
		}
		text := rapid.String().Draw(t, "text")
		s, c := New("x"), struct{ Name string }{}
		s.String(&c.Name, "name", "", "")
		rendered, err := s.render(map[string]string{"name": text})
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.decode(rendered)
		if err != nil || len(found.problems) > 0 {
			t.Fatalf("%q written\n%s\nis refused: %v %v", text, rendered, err, found.problems)
		}
		if got := found.tree["name"]; got != text {
			t.Fatalf("%q written\n%s\nread %q", text, rendered, got)
		}
	})
}

// Whatever stands in a file, reading it ends with values or a fault. The corpus is in testdata/fuzz.
func FuzzFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		s := sampleSet(&sample{})
		s.file = "x.yaml"
		found, err := s.decode(text)
		if err != nil && fault.CodeOf(err) != fault.Malformed {
			t.Errorf("code of %v", err)
		}
		for _, p := range found.problems {
			if p.text == "" {
				t.Error("a problem without words")
			}
		}
	})
}

func TestNearest(t *testing.T) {
	words := []string{"listen", "log-level", "log-format", "url", "mail", "admin-email"}
	for in, want := range map[string]string{"listn": "listen", "lsiten": "listen", "LISTEN": "listen", "loglevel": "log-level", "email": "mail", "format": "log-format", "zzz": "", "u": "", "adminemail": "admin-email", "url ": "url"} {
		if got := Nearest(in, words); got != want {
			t.Errorf("nearest to %q is %q, want %q", in, got, want)
		}
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) Secret {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // against the umask
			t.Fatal(err)
		}
		return Secret{path}
	}
	for _, s := range []Secret{file("a", "s3cret\n", 0o600), file("b", "s3cret\r\n", 0o400), file("c", "s3cret", 0o640)} {
		if got, err := s.Read(nil); err != nil || got != "s3cret" {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
	if got, err := (Secret{"-"}).Read(strings.NewReader("from input\n")); err != nil || got != "from input" {
		t.Errorf("standard input: %q, %v", got, err)
	}
	for _, c := range []struct {
		secret Secret
		code   fault.Code
		words  string
	}{
		{file("open", "s3cret", 0o644), fault.Denied, "chmod 0600 "},
		{file("writable", "s3cret", 0o602), fault.Denied, "0602"},
		{file("empty", "\n", 0o600), fault.Invalid, "is empty"},
		{file("lines", "s3cret\ns3cret\n", 0o600), fault.Invalid, "more than one line"},
		{file("big", strings.Repeat("s3cret", 20000), 0o600), fault.Invalid, "larger than 64 KiB"},
		{Secret{filepath.Join(dir, "none")}, fault.NotFound, "does not exist"},
		{Secret{dir}, fault.Invalid, "not a regular file"},
		{Secret{}, fault.Invalid, "no file was named"},
	} {
		got, err := c.secret.Read(nil)
		if got != "" || !fault.Is(err, c.code) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %q, %v; want %s, %q", c.secret, got, err, c.code, c.words)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestLogHidesSecrets(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := Log{Format: "json", Level: "warn"}.Logger(&out, level)
	log.Info("not shown")
	log.Warn("call", "api_key", "k1", "user_id", "u1", slog.Group("mail", "Password", "p1"), "key-file", "/run/x", "token_id", "t1")
	var entry map[string]any
	if err := json.Unmarshal(out.Bytes(), &entry); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if entry["api_key"] != Masked || entry["mail"].(map[string]any)["Password"] != Masked || entry["user_id"] != "u1" || entry["key-file"] != "/run/x" || entry["token_id"] != "t1" {
		t.Errorf("logged %v", entry)
	}
	out.Reset()
	level.Set(slog.LevelDebug)
	log.Debug("shown")
	if !strings.Contains(out.String(), "shown") {
		t.Error("the level cannot be changed later")
	}
}
