package cli_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"kowabunga/core/nodes"
	"kowabunga/roles/cli/client"
)

// A login at one of two Kahunas remembers both; a command goes to the other when the first is gone, and the
// next one goes there at once. What is written meanwhile is written once.
func TestContextKnowsBothKahunas(t *testing.T) {
	w := newWorld(t, shortDir(t))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("KOWABUNGA_CREDENTIALS", "")
	key := filepath.Join(w.dir, "key")
	w.write("key", masterKey)
	// The first Kahuna passes on to the second and tells of both. It dies over the first write: that is
	// done, and the answer does not get out.
	there, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	var first *httptest.Server
	var dead atomic.Bool
	onward := httputil.NewSingleHostReverseProxy(there)
	onward.Transport = w.browser.Transport
	onward.ModifyResponse = func(answer *http.Response) error {
		answer.Header.Set(nodes.Header, nodes.Format([]nodes.Node{{URL: first.URL}, {URL: w.url}}))
		if answer.Request.Method != http.MethodGet {
			dead.Store(true)
		}
		if dead.Load() {
			return errors.New("dead")
		}
		return nil
	}
	onward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	first = httptest.NewServer(onward)
	t.Cleanup(first.Close)

	must := func(args ...string) string {
		t.Helper()
		out, errs, code := run(t.Context(), "", args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, errs)
		}
		return out
	}
	addresses := func() string {
		t.Helper()
		c, err := client.Contexts{}.Read("eu")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(c.Addresses(), " ")
	}
	must("login", first.URL, "--api-key-file", key, "--ca", filepath.Join(w.dir, "ca.pem"), "--context", "eu")
	if got, want := addresses(), first.URL+" "+w.url; got != want {
		t.Errorf("after the login it has %s, want %s", got, want)
	}
	must("region", "create", "eu")
	if got, want := addresses(), w.url+" "+first.URL; got != want {
		t.Errorf("after the first has died it has %s, want %s", got, want)
	}
	if out := must("region", "list", "-o", "name"); out != "region/eu\n" {
		t.Errorf("there are %q", out)
	}
	if out := must("context", "show"); !strings.Contains(out, w.url+" "+first.URL) {
		t.Errorf("it shows %s", out)
	}
}
