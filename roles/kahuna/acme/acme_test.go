package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/roles/kahuna/acme/acmetest"
)

const name = "cloud.example.com"

// site is a server with its two ports and the certificate's owner.
type site struct {
	plain, secure net.Listener
	ours          *Authority
	events        chan string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{events: make(chan string, 64)}
	var err error
	if s.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if s.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.plain.Close(), s.secure.Close() })
	return s
}

// newAuthority starts an authority that looks for challenges at the site.
func newAuthority(t *testing.T, s *site, life time.Duration) *acmetest.Authority {
	t.Helper()
	a := acmetest.New(t, life)
	a.Serve(s.plain.Addr(), s.secure.Addr())
	return a
}

// serve starts answering.
func (s *site) serve(t *testing.T, c Config) {
	t.Helper()
	c.Name, c.Agreed, c.Email, c.Log = name, true, "ops@example.com", slog.New(slog.DiscardHandler)
	c.event = func(name string, data map[string]any) {
		if renewal, _ := data["renewal"].(bool); renewal {
			name += " again"
		}
		if strings.HasPrefix(name, "cert_") || name == "cached_managed_cert" {
			s.events <- name
		}
	}
	var err error
	if s.ours, err = New(c); err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })}
	redirects := &http.Server{Handler: s.ours.Handler("https://" + name + ":8443")}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		_ = web.Serve(tls.NewListener(s.secure, &tls.Config{GetCertificate: s.ours.GetCertificate, NextProtos: []string{"http/1.1", Protocol}}))
	}()
	go func() { _ = redirects.Serve(s.plain) }()
	t.Cleanup(func() {
		stop()
		s.ours.Close()
		_ = web.Close()
		_ = redirects.Close()
	})
	if err := s.ours.Manage(ctx); err != nil {
		t.Fatal(err)
	}
}

// await reads events until one is as named.
func (s *site) await(t *testing.T, name string) {
	t.Helper()
	for {
		select {
		case got := <-s.events:
			if got == name {
				return
			}
			t.Log(got)
		case <-time.After(time.Minute):
			t.Fatalf("%s has not happened", name)
		}
	}
}

// certificate is what clients are shown, checked against the authority's root.
func (s *site) certificate(t *testing.T, roots *x509.CertPool) (*x509.Certificate, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", s.secure.Addr().String(), &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func TestCertificateFromAnAuthority(t *testing.T) {
	for _, c := range []struct {
		challenge     string
		plain, secure bool
	}{{"http-01", true, false}, {"tls-alpn-01", false, true}, {"either", true, true}} {
		t.Run(c.challenge, func(t *testing.T) {
			s := newSite(t)
			a := newAuthority(t, s, 90*24*time.Hour)
			dir := t.TempDir()
			own := Config{Directory: a.Directory, Roots: a.RootFile, Dir: dir}
			if c.plain {
				own.HTTP = s.plain.Addr()
			}
			if c.secure {
				own.HTTPS = s.secure.Addr()
			}
			s.serve(t, own)
			s.await(t, "cert_obtained")
			s.await(t, "cached_managed_cert")
			shown, err := s.certificate(t, a.Roots)
			if err != nil {
				t.Fatal(err)
			}
			if err := shown.VerifyHostname(name); err != nil {
				t.Error(err)
			}
			// A third of its life is not left, so that a look at it changes nothing.
			if err := s.ours.cache.RenewManagedCertificates(t.Context()); err != nil {
				t.Error(err)
			}
			if again, err := s.certificate(t, a.Roots); err != nil || !again.Equal(shown) {
				t.Errorf("another certificate: %v", err)
			}
			// The private key and the account's are for their owner alone.
			_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
				if err == nil && info.Mode().Perm()&0o077 != 0 && strings.HasSuffix(path, ".key") {
					t.Errorf("%s has mode %s", path, info.Mode())
				}
				return err
			})
		})
	}
}

// When a certificate is due another takes its place, without a handshake failing in between, and a restart
// uses what is there.
func TestRenewal(t *testing.T) {
	s := newSite(t)
	a := newAuthority(t, s, time.Hour)
	own := Config{Directory: a.Directory, Roots: a.RootFile, Dir: t.TempDir(), HTTP: s.plain.Addr(), HTTPS: s.secure.Addr(),
		check: 10 * time.Millisecond, window: 0.9999, unasked: true} // due 360 ms after it is made
	s.serve(t, own)
	s.await(t, "cached_managed_cert")
	first, err := s.certificate(t, a.Roots)
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, "cert_obtained again")
	second := first
	for second.Equal(first) {
		if second, err = s.certificate(t, a.Roots); err != nil {
			t.Fatal(err)
		}
	}
	if !second.NotAfter.After(first.NotAfter) {
		t.Errorf("renewed until %s after %s", second.NotAfter, first.NotAfter)
	}
	s.ours.Close()

	a.Stop()
	again := newSite(t)
	own.check, own.window, own.HTTP, own.HTTPS = time.Hour, 0, again.plain.Addr(), again.secure.Addr()
	again.serve(t, own)
	again.await(t, "cached_managed_cert")
	if kept, err := again.certificate(t, a.Roots); err != nil || kept.NotAfter.Before(second.NotAfter) {
		t.Errorf("after a restart: %v", err)
	}
}

// The authority is asked when to renew (RFC 9773); a certificate of a few seconds is due at once.
func TestRenewalWhenTheAuthoritySays(t *testing.T) {
	s := newSite(t)
	a := newAuthority(t, s, 4*time.Second)
	s.serve(t, Config{Directory: a.Directory, Roots: a.RootFile, Dir: t.TempDir(), HTTP: s.plain.Addr(), HTTPS: s.secure.Addr(), check: 10 * time.Millisecond})
	s.await(t, "cert_obtained")
	s.await(t, "cert_obtained again")
	s.await(t, "cert_obtained again")
}

// An authority that does not answer leaves handshakes without a certificate, and is asked again.
func TestAuthorityAway(t *testing.T) {
	s := newSite(t)
	a := newAuthority(t, s, time.Hour)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	s.serve(t, Config{Directory: "https://" + gone.Addr().String() + "/dir", Roots: a.RootFile, Dir: t.TempDir(), HTTP: s.plain.Addr(), HTTPS: s.secure.Addr()})
	s.await(t, "cert_failed")
	if _, err := s.certificate(t, a.Roots); err == nil {
		t.Error("there is a certificate")
	}
	if err := s.ours.Load(t.Context()); err == nil {
		t.Error("a certificate was loaded")
	}
}

func TestPlainHTTPOnlyRedirects(t *testing.T) {
	ours, err := New(Config{Name: name, Directory: "https://127.0.0.1:1/dir", Dir: t.TempDir(), HTTP: &net.TCPAddr{Port: 80}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	h := ours.Handler("https://" + name + ":8443/")
	for _, c := range []struct {
		method, host, target string
		status               int
		location             string
	}{
		{"GET", name, "/", 308, "https://cloud.example.com:8443/"},
		{"GET", "Cloud.Example.COM.:80", "/api/v2/regions?limit=1&x=%2F", 308, "https://cloud.example.com:8443/api/v2/regions?limit=1&x=%2F"},
		{"POST", name, "/api/v1/login", 308, "https://cloud.example.com:8443/api/v1/login"},
		{"GET", name, "//evil.example/x", 308, "https://cloud.example.com:8443//evil.example/x"},
		{"GET", name, "/.well-known/acme-challenge/nothing", 404, ""},
		{"GET", name, "/.well-known/acme-challenge/../../../etc/passwd", 404, ""},
		{"GET", "other.example.com", "/", 421, ""},
		{"GET", "other.example.com", "/.well-known/acme-challenge/nothing", 421, ""},
		{"GET", "127.0.0.1", "/", 421, ""},
		{"GET", "", "/", 421, ""},
	} {
		r := httptest.NewRequest(c.method, "http://x"+c.target, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s %s%s: %d %s", c.method, c.host, c.target, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestRootsThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, roots := range []string{file, file + ".gone"} {
		if _, err := New(Config{Name: name, Roots: roots, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "roots") {
			t.Errorf("%s: %v", roots, err)
		}
	}
}
