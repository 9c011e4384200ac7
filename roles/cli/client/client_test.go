package client

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/fault"
	"kowabunga/core/operation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server and a client of it.
func serve(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := New(Credentials{URL: s.URL, Key: "k", From: "here"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func problem(w http.ResponseWriter, status int, code, field, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"about:blank","title":"x","status":%d,"detail":%q,"code":%q,"field":%q,"request":"r-1"}`, status, detail, code, field)
}

// The server's refusal reaches the caller whole: code, field, words and the id to find it by.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		answer func(w http.ResponseWriter)
		code   fault.Code
		field  string
		says   string
	}{
		{func(w http.ResponseWriter) { problem(w, 422, "invalid", "vcpus", "is too many") }, fault.Invalid, "vcpus", "is too many (request r-1)"},
		{func(w http.ResponseWriter) { problem(w, 507, "exhausted", "", "no host is free") }, fault.Exhausted, "", "no host is free (request r-1)"},
		{func(w http.ResponseWriter) { problem(w, 503, "fenced", "", "old") }, fault.Fenced, "", "old"},
		{func(w http.ResponseWriter) { problem(w, 404, "made-up", "", "gone") }, fault.NotFound, "", "gone"},
		{func(w http.ResponseWriter) {
			w.WriteHeader(502)
			io.WriteString(w, "<html>nginx secret-page")
		}, fault.Unavailable, "", "502 Bad Gateway, which is not Kahuna's way to answer; check the url in here (request r-1)"},
		{func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://evil.example/")
			w.WriteHeader(302)
		}, fault.Internal, "", "302 Found"},
	} {
		api := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "r-1")
			c.answer(w)
		})
		_, err := api.Do(t.Context(), Request{Op: "try", Path: "/x"})
		f := fault.From(err)
		if f == nil || f.Code != c.code || f.Field != c.field || f.Op != "try" || !strings.Contains(f.Message, c.says) {
			t.Errorf("%+v, want %s %q", f, c.code, c.says)
		}
		if strings.Contains(err.Error(), "secret-page") {
			t.Errorf("a foreign page was shown: %v", err)
		}
	}
}

// A request that breaks on the way is sent again under the same ids, so that it is carried out once; one
// that may not be repeated is not.
func TestBrokenConnections(t *testing.T) {
	var seen atomic.Int64
	ids := make(chan string, 8)
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ids <- r.Header.Get("Idempotency-Key") + " " + r.Header.Get("X-Request-Id")
		if seen.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusCreated)
	})
	a, err := api.Do(t.Context(), Request{Op: "create", Method: http.MethodPost, Path: "/x", Body: []byte("{}"), Once: true})
	if err != nil || a.Status != 201 {
		t.Fatalf("%v, %v", a, err)
	}
	if first, second := <-ids, <-ids; first != second || strings.HasPrefix(first, " ") {
		t.Errorf("sent as %q and again as %q", first, second)
	}
	seen.Store(0)
	_, err = api.Do(t.Context(), Request{Op: "start", Method: http.MethodPatch, Path: "/x"})
	if !fault.Is(err, fault.Unavailable) || seen.Load() != 1 {
		t.Errorf("%v after %d attempts", err, seen.Load())
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	s.Config.ErrorLog = nil
	defer s.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		url, says string
	}{{gone.URL, "nobody listens at " + gone.URL}, {s.URL, "shows a certificate of an unknown CA; name the certificate of its local CA with --ca"}} {
		api, err := New(Credentials{URL: c.url, Key: "k", From: "here"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = api.Do(t.Context(), Request{Op: "try", Path: "/x"})
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	api, err := New(Credentials{URL: s.URL, Key: "k", CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	if _, err := api.Do(t.Context(), Request{Path: "/x"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("with its CA: %v", err)
	}
	if _, err := New(Credentials{URL: s.URL, CA: []byte("nothing")}); err == nil {
		t.Error("a file without a certificate was taken as a CA")
	}
}

// An operation is followed through a restart of the server to its end.
func TestFollow(t *testing.T) {
	var looks atomic.Int64
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch looks.Add(1) {
		case 1:
			io.WriteString(w, `{"id":"o","state":"running","steps":[{"name":"import image","state":"started"}],"progress":{"done":1,"total":4,"unit":"bytes"}}`)
		case 2:
			problem(w, 503, "unavailable", "", "stopping")
		default:
			io.WriteString(w, `{"id":"o","name":"create x","state":"failed","fault":{"code":"exhausted","message":"no room"}}`)
		}
	})
	var states []operation.State
	o, err := api.Follow(t.Context(), "o", func(o *Operation) { states = append(states, o.State) })
	if err != nil || len(states) != 2 || looks.Load() != 3 {
		t.Fatalf("%v after %d looks: %v", states, looks.Load(), err)
	}
	if f := fault.From(o.Failure()); f.Code != fault.Exhausted || f.Op != "create x" || f.Message != "no room (operation o)" {
		t.Errorf("%+v", f)
	}
	looks.Store(0)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = api.Follow(ctx, "o", func(*Operation) { cancel(fault.New(fault.Cancelled, "stopped")) })
	if !fault.Is(err, fault.Cancelled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestItemsReadsAllPages(t *testing.T) {
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			io.WriteString(w, `{"items":[1,2],"next":"c"}`)
			return
		}
		io.WriteString(w, `{"items":[3]}`)
	})
	items, err := api.Items(t.Context(), "list", "/x", nil)
	if err != nil || len(items) != 3 {
		t.Errorf("%s, %v", items, err)
	}
}

// Each event is seen once and in order, across a connection that breaks; the end of the credentials ends
// it for good.
func TestWatchGoesOnWhereItStopped(t *testing.T) {
	var opened atomic.Int64
	from := make(chan string, 4)
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from <- r.URL.RawQuery
		event := func(n int) { fmt.Fprintf(w, "event: change\nid: %d\ndata: {\"index\":%d}\n\n", n, n) }
		if opened.Add(1) == 1 {
			event(1)
			io.WriteString(w, ": alive\nid: 7\n\n")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		event(8)
		io.WriteString(w, "event: denied\ndata: {\"code\":\"unauthenticated\",\"detail\":\"the credentials are no longer valid\",\"last\":8}\n\n")
	})
	var seen []uint64
	broken := 0
	err := api.Watch(t.Context(), Watching{Last: 5, Follow: true, Broken: func(error) { broken++ }}, func(c *Change) error {
		seen = append(seen, c.Index)
		return nil
	})
	if !fault.Is(err, fault.Unauthenticated) || fmt.Sprint(seen) != "[1 8]" || broken != 1 {
		t.Errorf("saw %v, %d breaks, %v", seen, broken, err)
	}
	if first, second := <-from, <-from; first != "follow=true&last=5" || second != "follow=true&from=7" {
		t.Errorf("asked %q, then %q", first, second)
	}
}

func TestStream(t *testing.T) {
	s := NewStream(strings.NewReader("\ufeff\n: hello\r\n\r\ndata: a\rdata:b\nid: 5\n\nevent: change\n\ndata\n\nevent:end\ndata: {}\n\ndata: cut short\n"))
	for _, want := range []string{"message a\nb", "message ", "end {}"} {
		e, err := s.Next()
		if got := e.Name + " " + string(e.Data); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) || s.Last != "5" {
		t.Errorf("%v after %q", err, s.Last)
	}
}

func FuzzStream(f *testing.F) {
	for _, text := range []string{"data: a\n\n", "event: change\nid: 4\ndata: {\ndata: }\r\n\r\n", ":\r\r\n", "id: \x00\n\n", "data"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := NewStream(strings.NewReader(text))
		for n := 0; ; n++ {
			e, err := s.Next()
			if err != nil {
				return
			}
			if n > len(text) || len(e.Data) > len(text) || strings.ContainsAny(e.Name+s.Last, "\r\n") {
				t.Fatalf("event %d is %q %q", n, e.Name, e.Data)
			}
		}
	})
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", `{"url":"https://kahuna.test:8443/","apiKey":"abc"}`, 0o600)
	other := write("other.pem", "OTHER", 0o644)
	named := write("named.json", `{"url":"https://kahuna.test","apiKey":"abc","ca":"other.pem"}`, 0o600)
	inline := write("inline.json", `{"url":"https://kahuna.test","apiKey":"abc","ca":"-----BEGIN CERTIFICATE-----"}`, 0o600)

	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv(CredentialsVariable, "")
	t.Setenv(CAVariable, "")
	if _, err := (Source{}).Load(); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), filepath.Join(dir, "config", "kowabunga", "credentials.json")) {
		t.Errorf("without any: %v", err)
	}
	c, err := Source{File: good}.Load()
	if err != nil || c.URL != "https://kahuna.test:8443" || c.Key != "abc" || c.CA != nil {
		t.Errorf("%+v, %v", c, err)
	}
	write("ca.pem", "BESIDE", 0o644)
	for _, want := range []struct {
		source Source
		env    string
		ca     string
	}{
		{Source{File: good}, "", "BESIDE"},
		{Source{File: named}, "", "OTHER"},
		{Source{File: inline}, "", "-----BEGIN CERTIFICATE-----"},
		{Source{File: inline}, other, "OTHER"},
		{Source{File: good, CA: other}, filepath.Join(dir, "ca.pem"), "OTHER"},
	} {
		t.Setenv(CAVariable, want.env)
		if c, err := want.source.Load(); err != nil || string(c.CA) != want.ca {
			t.Errorf("%+v trusts %q, %v; want %q", want.source, c.CA, err, want.ca)
		}
	}
	t.Setenv(CAVariable, "")
	t.Setenv(CredentialsVariable, named)
	if c, err := (Source{}).Load(); err != nil || c.From != named {
		t.Errorf("from the environment: %+v, %v", c, err)
	}
	for text, says := range map[string]string{
		`{"url":"https://x"}`:                                "apiKey: is missing",
		`{"url":"https://x","apiKey":"a b"}`:                 "apiKey: holds blanks",
		`{"url":"http://kahuna.test","apiKey":"s3cret"}`:     "readable over the network",
		`{"url":"ftp://x","apiKey":"a"}`:                     "must be https://",
		`{"url":"https://u:p@x","apiKey":"a"}`:               "must be https://",
		`{"url":"https://x","apiKey":"a","key":"s3cret"}`:    "is not of the form",
		`{"url":"https://x","apiKey":"a","ca":"absent.pem"}`: "absent.pem cannot be read: no such file",
		`apiKey: s3cret`:                                     "is not of the form",
	} {
		_, err := Source{File: write("bad.json", text, 0o600)}.Load()
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	for _, url := range []string{"http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"} {
		if _, err := (Source{File: write("local.json", `{"url":"`+url+`","apiKey":"a"}`, 0o600)}).Load(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	open := write("open.json", `{"url":"https://x","apiKey":"a"}`, 0o644)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Source{File: open}).Load(); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "chmod 0600 "+open) {
		t.Errorf("a file everybody can read: %v", err)
	}
	if _, err := (Source{Dir: dir}).Load(); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "kowabunga kahuna serve --dir "+dir) {
		t.Errorf("a directory without a server: %v", err)
	}
	if _, err := (Source{Dir: dir, File: good}).Load(); !fault.Is(err, fault.Invalid) {
		t.Errorf("two servers at once: %v", err)
	}
}

// A login on a device waits as the server wants it and ends with its answer.
func TestAwaitDevice(t *testing.T) {
	for _, c := range []struct {
		answers []string
		code    fault.Code
		waited  string
	}{
		{[]string{"authorization_pending", "slow_down", "authorization_pending", ""}, "", "5s 10s 10s"},
		{[]string{"authorization_pending", "access_denied"}, fault.Denied, "5s"},
		{[]string{"expired_token"}, fault.Unauthenticated, ""},
		{[]string{"unavailable", ""}, "", "5s"},
		{[]string{"invalid"}, fault.Invalid, ""},
	} {
		asked := 0
		api := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch {
			case r.URL.Path == "/api/v2/device":
				io.WriteString(w, `{"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://x/device","expires_in":600}`)
			case string(body) != `{"device_code":"dc"}`:
				problem(w, 422, "invalid", "device_code", string(body))
			default:
				answer := c.answers[asked]
				asked++
				switch answer {
				case "":
					io.WriteString(w, `{"jwt":"token"}`)
				case "unavailable":
					problem(w, 503, answer, "", "stopping")
				case "invalid":
					problem(w, 422, answer, "device_code", "wrong")
				default:
					problem(w, 400, answer, "", answer)
				}
			}
		})
		d, err := api.BeginDevice(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var waited []string
		got, err := api.AwaitDevice(t.Context(), d, func(_ context.Context, pause time.Duration) error {
			waited = append(waited, pause.String())
			return nil
		})
		if fault.CodeOf(err) != c.code || (err == nil) != (got == "token") || strings.Join(waited, " ") != c.waited {
			t.Errorf("%v: %q, %v, waited %v", c.answers, got, err, waited)
		}
	}
}
