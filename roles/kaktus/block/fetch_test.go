package block

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// W-KAK-3: a template source does not reach what only this host may reach.
func TestWKAK3ForbiddenAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "0.0.0.0": true, "::": true,
		"169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true, "::ffff:100.100.100.200": true, "::ffff:169.254.169.254": true, "::ffff:127.0.0.1": true,
		"64:ff9b::a9fe:a9fe": true, "fd00:ec2::254": true, "100.100.100.200": true, "168.63.129.16": true,
		"224.0.0.1": true, "255.255.255.255": true, "ff02::1": true,
		"10.0.0.1": false, "192.0.2.1": false, "2001:db8::1": false, "64:ff9b::c000:201": false,
	} {
		if got := forbidden(netip.MustParseAddr(addr), nil); got != want {
			t.Errorf("forbidden(%s) = %v", addr, got)
		}
	}
	if forbidden(netip.MustParseAddr("127.0.0.1"), loopback) || !forbidden(netip.MustParseAddr("169.254.169.254"), loopback) {
		t.Error("the list of allowed addresses is not what is allowed")
	}
}

func TestWKAK3LoopbackIsNotDownloadedFrom(t *testing.T) {
	asked := false
	url := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	s := open(t, t.TempDir(), func(c *Config) { c.Import.Allow = nil })
	for _, source := range []string{url, strings.Replace(url, "127.0.0.1", "localhost", 1), strings.Replace(url, "127.0.0.1", "[::ffff:7f00:1]", 1)} {
		if _, err := fetch(s, source); !fault.Is(err, fault.Denied) || !strings.Contains(fault.From(err).Public(), "import.allow") {
			t.Errorf("%s: %v", source, err)
		}
	}
	if asked {
		t.Error("the server was asked")
	}
	empty(t, s)
}

func TestRedirects(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "import", "secret"), []byte{0xeb, 1}, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		to   string
		code fault.Code
	}{
		"to a file":         {"file://" + dir + "/import/secret", fault.Denied},
		"to metadata":       {"http://169.254.169.254/latest", fault.Denied},
		"in circles":        {"/image", fault.Invalid},
		"to another scheme": {"ftp://example.com/x", fault.Denied},
	}
	for name, c := range cases {
		_, err := fetch(s, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, c.to, http.StatusFound) }))
		if !fault.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty(t, s)
	image := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(disk(1000)) })
	if _, err := fetch(s, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, image, http.StatusFound) })); err != nil {
		t.Errorf("an ordinary redirect: %v", err)
	}
}

func TestSecretsInSourcesStayInside(t *testing.T) {
	s := open(t, t.TempDir())
	gone := serve(t, http.NotFound)
	for _, source := range []string{
		strings.Replace(gone, "://", "://me:topsecret@", 1) + "?sig=topsecret#topsecret",
		"http://me:topsecret@127.0.0.1:1/x?sig=topsecret",
		"http://me:topsecret@[::/x",
		"gopher://me:topsecret@h/",
	} {
		_, err := fetch(s, source)
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%v", err)
		}
	}
}

func TestFileSources(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	in, out := filepath.Join(dir, "import"), filepath.Join(dir, "outside")
	if err := os.MkdirAll(filepath.Join(in, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(in, "sub", "good"), out} {
		if err := os.WriteFile(path, disk(1000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"leads-out": out, "leads-in": "sub/good", "dir-out": dir} {
		if err := os.Symlink(to, filepath.Join(in, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(in, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in, "nothing"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]fault.Code{
		"file://" + out:                        fault.Denied,
		"file://" + in + "/../outside":         fault.Denied,
		"file://" + in + "/sub/../../outside":  fault.Denied,
		"file://" + in + "/%2e%2e/outside":     fault.Denied,
		"file://" + in + "/leads-out":          fault.Denied,
		"file://" + in + "/dir-out/outside":    fault.Denied,
		"file://" + in:                         fault.Denied,
		"file://elsewhere" + in + "/sub/good":  fault.Denied,
		"file:" + strings.TrimPrefix(out, "/"): fault.Invalid,
		"file://" + in + "/absent":             fault.NotFound,
		"file://" + in + "/pipe":               fault.Invalid,
		"file://" + in + "/sub":                fault.Invalid,
		"file://" + in + "/nothing":            fault.Invalid,
		"ftp://example.com/x":                  fault.Invalid,
		in + "/sub/good":                       fault.Invalid,
		"":                                     fault.Invalid,
		"http:///x":                            fault.Invalid,
	}
	for source, code := range cases {
		if _, err := fetch(s, source); !fault.Is(err, code) {
			t.Errorf("%.80s: got %v, want %s", source, err, code)
		}
	}
	empty(t, s)
	for _, good := range []string{"file://" + in + "/sub/good", "file://localhost" + in + "/leads-in"} {
		if _, err := fetch(s, good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
