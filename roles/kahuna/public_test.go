package kahuna

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/acme/acmetest"
)

// A whole Kahuna with a public name gets its certificate from a real authority, serves with it, sends plain
// HTTP there, and starts again with what it has.
func TestPublicName(t *testing.T) {
	const name = "cloud.example.com"
	authority := acmetest.New(t, 90*24*time.Hour)
	c := prepared(t, t.TempDir())
	c.PlainHTTP, c.HTTPListen = false, "127.0.0.1:0"
	c.ACME = ACME{Name: name, Directory: authority.Directory, Agree: true, Roots: authority.RootFile}
	c.Log.Level = "debug"
	serve := func() (s *Server, stop func()) {
		s, err := open(c, quiet(), new(slog.LevelVar))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ready, done := make(chan struct{}), make(chan error, 1)
		go func() {
			done <- s.Run(ctx, func(state string) {
				if state == "READY=1" {
					close(ready)
				}
			})
		}()
		select {
		case <-ready:
		case err := <-done:
			t.Fatal(err)
		}
		return s, func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	client := func(s *Server) *http.Client {
		return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: authority.Roots},
				DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
					if strings.HasSuffix(to, ":80") {
						return new(net.Dialer).DialContext(ctx, network, s.plain.String())
					}
					return new(net.Dialer).DialContext(ctx, network, s.address.String())
				}}}
	}
	get := func(s *Server, url string) *http.Response {
		deadline := time.Now().Add(time.Minute)
		for {
			answer, err := client(s).Get(url)
			if err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				return answer
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	s, stop := serve()
	authority.Serve(s.plain, s.address)
	if got := get(s, "https://"+name+"/healthz"); got.StatusCode != 200 || got.TLS.PeerCertificates[0].VerifyHostname(name) != nil {
		t.Errorf("%d", got.StatusCode)
	}
	if got := get(s, "http://"+name+"/docs/?x=1"); got.StatusCode != 308 || !strings.HasPrefix(got.Header.Get("Location"), "https://"+name+":") || !strings.HasSuffix(got.Header.Get("Location"), "/docs/?x=1") {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := get(s, "http://other.example.com/healthz"); got.StatusCode != 421 {
		t.Errorf("%d", got.StatusCode)
	}
	w := httptest.NewRecorder()
	s.health(true).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if end := s.tls.leaf().NotAfter.Unix(); time.Until(time.Unix(end, 0)) < 89*24*time.Hour || !strings.Contains(w.Body.String(), fmt.Sprintf("\nkowabunga_certificate_not_after_seconds %s\n", strconv.FormatFloat(float64(end), 'g', -1, 64))) {
		t.Errorf("the certificate ends at %d: %s", end, w.Body)
	}
	stop()
	authority.Stop()
	s, stop = serve()
	defer stop()
	if got := get(s, "https://"+name+"/healthz"); got.StatusCode != 200 {
		t.Errorf("%d", got.StatusCode)
	}
	if got := get(s, "http://"+name+"/api/v1/login"); got.StatusCode != 308 {
		t.Errorf("%d", got.StatusCode)
	}
	if files, _ := filepath.Glob(filepath.Join(c.tls(), "*.pem")); len(files) != 0 {
		t.Errorf("a local CA was made: %v", files)
	}
}

func TestPublicNameConfig(t *testing.T) {
	good := ACME{Name: "cloud.example.com", Agree: true}
	for name, c := range map[string]struct {
		spoil func(*Config)
		field string
	}{
		"none":                     {func(c *Config) { c.ACME = ACME{} }, ""},
		"good":                     {func(*Config) {}, ""},
		"capitals":                 {func(c *Config) { c.ACME.Name = "Cloud.Example.COM" }, ""},
		"a label":                  {func(c *Config) { c.ACME.Name = "cloud" }, "acme.name"},
		"an address":               {func(c *Config) { c.ACME.Name = "192.0.2.1" }, "acme.name"},
		"a URL":                    {func(c *Config) { c.ACME.Name = "https://cloud.example.com" }, "acme.name"},
		"a port":                   {func(c *Config) { c.ACME.Name = "cloud.example.com:443" }, "acme.name"},
		"a wildcard":               {func(c *Config) { c.ACME.Name = "*.example.com" }, "acme.name"},
		"a dash":                   {func(c *Config) { c.ACME.Name = "-cloud.example.com" }, "acme.name"},
		"no name":                  {func(c *Config) { c.ACME.Name = "" }, "acme.name"},
		"not agreed":               {func(c *Config) { c.ACME.Agree = false }, "acme.agree"},
		"plain":                    {func(c *Config) { c.PlainHTTP = true }, "acme.name"},
		"with another certificate": {func(c *Config) { c.TLSCert, c.TLSKey = "a", "b" }, "acme.name"},
	} {
		config := Config{ACME: good}
		c.spoil(&config)
		f := fault.From(config.checkACME())
		if (f == nil) != (c.field == "") || f != nil && f.Field != c.field {
			t.Errorf("%s: %v", name, f)
		}
	}
	for listen, want := range map[string]string{":443": "https://cloud.example.com", ":8443": "https://cloud.example.com:8443", "192.0.2.1:443": "https://cloud.example.com"} {
		if got := (&Config{Listen: listen, ACME: good}).publicURL(); got != want {
			t.Errorf("%s: %s", listen, got)
		}
	}
}
