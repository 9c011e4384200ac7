package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api"
)

// event is one server-sent event.
type event struct{ name, id, data string }

// listener reads an event stream.
type listener struct {
	t      testing.TB
	resp   *http.Response
	lines  *bufio.Scanner
	cancel func()
}

// listen opens a stream; it ends with the test or after a minute.
func (w *world) listen(query string, headers ...string) *listener {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, "GET", w.server.URL+"/api/v2/events"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", masterKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.server.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	l := &listener{t: w.t, resp: resp, lines: bufio.NewScanner(resp.Body), cancel: cancel}
	l.lines.Buffer(nil, 1<<20)
	w.t.Cleanup(l.close)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("%d %s", resp.StatusCode, body)
	}
	// The greeting tells that the stream begins; what is written from now on is in it.
	if !l.lines.Scan() || !strings.HasPrefix(l.lines.Text(), "retry:") {
		w.t.Fatalf("no greeting: %q", l.lines.Text())
	}
	return l
}

func (l *listener) close() {
	l.cancel()
	l.resp.Body.Close()
}

// next reads the next event that carries data; ok is false at the end of the stream.
func (l *listener) next() (e event, ok bool) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.data != "" {
				return e, true
			}
		}
	}
	return e, false
}

// about reads on to the change event that mentions text.
func (l *listener) about(text string) event {
	l.t.Helper()
	for {
		e, ok := l.next()
		if !ok {
			l.t.Fatalf("the stream ended before %q", text)
		}
		if e.name == "change" && strings.Contains(e.data, text) {
			return e
		}
	}
}

func TestEventsTellWhatHappensAndResume(t *testing.T) {
	w := newWorld(t)
	l := w.listen("")
	id := w.must("POST", "/api/v1/region", `{"name":"eu"}`, "X-Request-Id", "req-1")["id"].(string)
	made := l.about(id)
	got := decode(t, made.data)
	change := got["changes"].([]any)[0].(map[string]any)
	if got["request"] != "req-1" || got["actor"] != "master key" || change["verb"] != "create" || change["kind"] != "region" || change["object"].(map[string]any)["name"] != "eu" {
		t.Errorf("%s", made.data)
	}
	w.must("PUT", "/api/v1/region/"+id, `{"name":"eu2"}`)
	if e := l.about(id); !strings.Contains(e.data, `"verb":"update"`) || !strings.Contains(e.data, "eu2") {
		t.Errorf("%+v", e)
	}
	l.close()
	w.must("DELETE", "/api/v1/region/"+id, "")
	// Whoever comes back gets what he missed, exactly once and in order.
	for _, again := range []*listener{w.listen("", "Last-Event-ID", made.id), w.listen("?from=" + made.id)} {
		first, second := again.about(id), again.about(id)
		if !strings.Contains(first.data, `"verb":"update"`) || !strings.Contains(second.data, `"verb":"delete"`) || !strings.Contains(second.data, "eu2") {
			t.Errorf("after the resume:\n%s\n%s", first.data, second.data)
		}
	}
	for _, odd := range []string{"?from=x", "?from=-1", "?from=99999999"} {
		if a := w.do("GET", "/api/v2/events"+odd, ""); a.status != 400 {
			t.Errorf("%s: %d %s", odd, a.status, a.body)
		}
	}
}

func TestEventsShowOnlyWhatTheCallerMaySee(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	member, stranger := w.listen("", "X-API-Key", w.key(ids["reader"])), w.listen("?from=0", "X-API-Key", w.key(ids["stranger"]))
	w.must("PUT", "/api/v1/project/"+ids["project"], fmt.Sprintf(`{"name":"web","description":"changed","root_password":"another-Hunter-3","teams":[%q],"regions":[%q]}`, ids["team"], ids["region"]))
	if e := member.about(ids["project"]); strings.Contains(e.data, "unter") || !strings.Contains(e.data, "changed") {
		t.Errorf("to a member: %s", e.data)
	}
	admin := w.listen("?from=0")
	for e, ok := admin.next(); ok; e, ok = admin.next() {
		if strings.Contains(e.data, "unter") || strings.Contains(e.data, "s3cret") || strings.Contains(e.data, "passwordHash") {
			t.Errorf("a secret in an event: %s", e.data)
		}
		if strings.Contains(e.data, "changed") {
			break
		}
	}
	w.must("PUT", "/api/v1/region/"+ids["region"], `{"name":"eu","description":"last"}`)
	for e, ok := stranger.next(); ok; e, ok = stranger.next() {
		if strings.Contains(e.data, ids["project"]) || strings.Contains(e.data, ids["kaktus"]) || strings.Contains(e.data, "ann@") {
			t.Errorf("to a stranger: %s", e.data)
		}
		if strings.Contains(e.data, "last") {
			break
		}
	}
}

// A key that is revoked ends the stream it opened.
func TestEventsEndWithTheCredentials(t *testing.T) {
	w := newWorld(t)
	w.api.LimitEvents(4, 4, time.Minute, time.Minute, 5*time.Millisecond)
	user := w.id("/api/v1/user", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	l := w.listen("", "X-API-Key", w.key(user))
	w.must("DELETE", "/api/v1/user/"+user, "")
	for {
		e, ok := l.next()
		if !ok {
			t.Fatal("the stream ended without a reason")
		}
		if e.name == "denied" {
			return
		}
	}
}

func TestEventStreamsAreBoundedAndEndAtShutdown(t *testing.T) {
	w := newWorld(t)
	w.api.LimitEvents(1, 4, time.Minute, time.Minute, time.Second)
	l := w.listen("")
	if a := w.do("GET", "/api/v2/events", ""); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a second stream: %d %s", a.status, a.body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.server.Config.Shutdown(ctx); err != nil {
		t.Fatalf("the stream holds up the shutdown: %v", err)
	}
	if e, ok := l.next(); !ok || e.name != "end" {
		t.Errorf("%+v", e)
	}
}

// firehose is a journal with no end.
type firehose struct {
	size  int
	ended *sync.WaitGroup
	err   error
}

func (f firehose) Watch(ctx context.Context, after uint64) iter.Seq2[api.Record, error] {
	region := &model.Region{}
	region.ID, region.Name, region.Description = "aaaaaaaaaaaaaaaaaaaaaaaa", "eu", strings.Repeat("x", f.size)
	return func(yield func(api.Record, error) bool) {
		defer f.ended.Done()
		for i := after + 1; ctx.Err() == nil; i++ {
			if f.err != nil {
				yield(api.Record{}, f.err)
				return
			}
			if !yield(api.Record{Index: i, Changes: []api.Change{{Kind: model.KindRegion, ID: region.ID, After: region}}}, nil) {
				return
			}
		}
	}
}

// A client that does not read is dropped, costs a bounded buffer until then and holds up nobody.
func TestSlowListenersAreDropped(t *testing.T) {
	var ended sync.WaitGroup
	ended.Add(1)
	w := newWorld(t, func(c *api.Config) { c.Journal = firehose{1 << 16, &ended, nil} })
	w.api.LimitEvents(4, 4, 20*time.Millisecond, 50*time.Millisecond, time.Minute)
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v2/events?from=0 HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n", masterKey)
	ended.Wait() // nothing was read, and the server has let go
}

func TestDroppedListenersAreToldWhy(t *testing.T) {
	var ended sync.WaitGroup
	ended.Add(1)
	w := newWorld(t, func(c *api.Config) { c.Journal = firehose{16, &ended, nil} })
	// No patience at all: who is slower than a journal that is made up on the spot is too slow.
	w.api.LimitEvents(4, 1, time.Nanosecond, time.Minute, time.Minute)
	l := w.listen("?from=0")
	var last event
	for e, ok := l.next(); ok; e, ok = l.next() {
		last = e
	}
	if last.name != "dropped" || decode(t, last.data)["last"] == nil {
		t.Errorf("%+v", last)
	}
	ended.Wait()
}

func TestGoneIsSaid(t *testing.T) {
	var ended sync.WaitGroup
	ended.Add(1)
	w := newWorld(t, func(c *api.Config) {
		c.Journal = firehose{1, &ended, fault.New(fault.NotFound, "the journal does not reach back that far")}
	})
	l := w.listen("?from=0")
	if e, ok := l.next(); !ok || e.name != "gone" || !strings.Contains(e.data, "reach back") {
		t.Errorf("%+v", e)
	}
	ended.Wait()
}
