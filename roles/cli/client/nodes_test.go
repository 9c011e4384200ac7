package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/nodes"
	"kowabunga/core/operation"
)

// pair is two servers of one cloud, and a client that knows the first, or both.
type pair struct {
	a, b *httptest.Server
	api  *Client
	mu   sync.Mutex
	seen []string // "a POST key-or-dash request-id"
}

// newPair starts two servers; do answers for both, and is told which one is asked.
func newPair(t *testing.T, both bool, do func(p *pair, node string, w http.ResponseWriter, r *http.Request)) *pair {
	t.Helper()
	p := &pair{}
	handler := func(node string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			p.seen = append(p.seen, fmt.Sprint(node, " ", r.Method, " ", r.Header.Get("Idempotency-Key"), " ", r.Header.Get("X-Request-Id")))
			p.mu.Unlock()
			do(p, node, w, r)
		}
	}
	p.a, p.b = httptest.NewServer(handler("a")), httptest.NewServer(handler("b"))
	t.Cleanup(p.a.Close)
	t.Cleanup(p.b.Close)
	c := Credentials{URL: p.a.URL, Key: "k", From: "here"}
	if both {
		c.Nodes = []string{p.a.URL, p.b.URL}
	}
	var err error
	if p.api, err = New(c); err != nil {
		t.Fatal(err)
	}
	p.api.retry = time.Millisecond
	t.Cleanup(p.api.Close)
	return p
}

// tell has an answer name the nodes and which of them acts.
func (p *pair) tell(w http.ResponseWriter, primary string) {
	w.Header().Set(nodes.Header, nodes.Format([]nodes.Node{{URL: p.a.URL, Primary: primary == "a"}, {URL: p.b.URL, Primary: primary == "b"}}))
}

// asked is which nodes were asked, in order.
func (p *pair) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out strings.Builder
	for _, line := range p.seen {
		out.WriteByte(line[0])
	}
	return out.String()
}

var (
	read  = Request{Op: "read", Path: "/x"}
	write = Request{Op: "write", Method: http.MethodPost, Path: "/x", Body: []byte("{}")}
	keyed = Request{Op: "write", Method: http.MethodPost, Path: "/x", Body: []byte("{}"), Once: true}
)

// Where a request goes after a node did not answer it as it should, and whether it goes there at all: what
// may have been carried out and cannot be repeated is never sent again.
func TestFailover(t *testing.T) {
	refusing := func(outcome string) func(*pair, http.ResponseWriter) {
		return func(_ *pair, w http.ResponseWriter) {
			if outcome != "" {
				w.Header().Set(nodes.OutcomeHeader, outcome)
			}
			problem(w, 503, "unavailable", "", "there is no primary")
		}
	}
	for name, c := range map[string]struct {
		first  func(p *pair, w http.ResponseWriter)
		asked  map[string]string // by request: read, write, keyed
		failed string            // the request that fails
	}{
		"nothing was begun": {refusing(nodes.None), map[string]string{"read": "ab", "write": "ab", "keyed": "ab"}, ""},
		"unknown outcome":   {refusing(nodes.Unknown), map[string]string{"read": "ab", "write": "a", "keyed": "ab"}, "write"},
		"an answer":         {refusing(""), map[string]string{"read": "a", "write": "a", "keyed": "a"}, "read write keyed"},
		"the connection breaks": {func(*pair, http.ResponseWriter) { panic(http.ErrAbortHandler) },
			map[string]string{"read": "ab", "write": "a", "keyed": "ab"}, "write"},
		"a proxy has no server": {func(_ *pair, w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
			map[string]string{"read": "ab", "write": "a", "keyed": "ab"}, "write"},
		"a redirect": {func(p *pair, w http.ResponseWriter) {
			w.Header().Set("Location", p.b.URL+"/api/v2/x")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, map[string]string{"read": "ab", "write": "ab", "keyed": "ab"}, ""},
		"a redirect to somebody": {func(_ *pair, w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/api/v2/x")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, map[string]string{"read": "a", "write": "a", "keyed": "a"}, "read write keyed"},
	} {
		for what, r := range map[string]Request{"read": read, "write": write, "keyed": keyed} {
			p := newPair(t, true, func(p *pair, node string, w http.ResponseWriter, _ *http.Request) {
				if node == "a" {
					c.first(p, w)
				}
			})
			_, err := p.api.Do(t.Context(), r)
			if got := p.asked(); got != c.asked[what] || (err != nil) != strings.Contains(c.failed, what) {
				t.Errorf("%s: a %s asked %s: %v", name, what, got, err)
			}
			if first := p.api.Nodes()[0]; err == nil && first != p.b.URL {
				t.Errorf("%s: after a %s the node that did not answer is first again", name, what)
			}
			if len(p.seen) == 2 && p.seen[0][1:] != p.seen[1][1:] {
				t.Errorf("%s: a %s was sent as %q and then as %q", name, what, p.seen[0], p.seen[1])
			}
		}
	}
}

// A node that is down costs no request, not even one that must not be repeated.
func TestDeadNode(t *testing.T) {
	for _, r := range []Request{read, write} {
		p := newPair(t, true, func(*pair, string, http.ResponseWriter, *http.Request) {})
		p.a.Close()
		if _, err := p.api.Do(t.Context(), r); err != nil || p.asked() != "b" {
			t.Errorf("%s: asked %q, %v", r.Op, p.asked(), err)
		}
	}
}

// A node that stands still is left for the other, unless that would do something twice.
func TestStuckNode(t *testing.T) {
	for _, r := range []Request{read, keyed} {
		held := make(chan struct{})
		p := newPair(t, true, func(_ *pair, node string, _ http.ResponseWriter, _ *http.Request) {
			if node == "a" {
				<-held
			}
		})
		p.api.slow = 200 * time.Millisecond
		_, err := p.api.Do(t.Context(), r)
		close(held)
		if err != nil || !strings.HasSuffix(p.asked(), "b") {
			t.Errorf("%s: asked %q, %v", r.Op, p.asked(), err)
		}
	}
}

// While a node stands still, the other one may say nothing either at first, having passed the request on to that
// one. From then on it says that none acts, and is the one to ask, since it will act; the first one is asked
// again only once its lease must be over, and never for long.
func TestOneThatStandsStill(t *testing.T) {
	silent, none, done := fate{begun: true, silent: true}, fate{waits: true}, fate{answered: true}
	for what, c := range map[string]struct {
		still time.Duration
		a, b  []fate // one after the other, the last again and again
		want  string // who is asked, and for how many seconds
	}{
		"the other one refuses, then acts":       {still, []fate{silent}, []fate{none, none, none, none, done}, "a4 b4 b8 b60 b60 b60"},
		"the other one says nothing at first":    {still, []fate{silent}, []fate{silent, none, none, done}, "a4 b4 a8 b8 b60 b60"},
		"its lease is over, and nobody acts yet": {0, []fate{silent}, []fate{none, none, none, none, done}, "a4 b4 b8 a8 b60 a8 b60 a8 b60"},
		"it was only slow":                       {0, []fate{silent, silent, done}, []fate{none}, "a4 b4 b8 a8 b60 a8"},
	} {
		p := newPair(t, true, nil)
		p.api.still = c.still
		var asked []string
		err := p.api.try(t.Context(), true, func(base string, patience time.Duration) (fate, error) {
			name, answers := "a", &c.a
			if base == p.b.URL {
				name, answers = "b", &c.b
			}
			asked = append(asked, fmt.Sprintf("%s%.0f", name, patience.Seconds()))
			became := (*answers)[0]
			if len(*answers) > 1 {
				*answers = (*answers)[1:]
			}
			if became.answered {
				return became, nil
			}
			return became, fault.New(fault.Unavailable, "nothing comes of it")
		})
		if got := strings.Join(asked, " "); err != nil || got != c.want {
			t.Errorf("%s: asked %s, %v; want %s", what, got, err, c.want)
		}
	}
}

// A node that could not answer and acts by itself by now, as after a take-over, is asked again before any
// other: that may stand still.
func TestNodeThatActsByNow(t *testing.T) {
	for outcome, asked := range map[string]map[string]string{nodes.None: {"read": "aa", "write": "aa"}, nodes.Unknown: {"read": "aa", "write": "a"}} {
		for what, r := range map[string]Request{"read": read, "write": write} {
			first := true
			p := newPair(t, true, func(p *pair, node string, w http.ResponseWriter, _ *http.Request) {
				p.tell(w, "a")
				if first {
					w.Header().Set(nodes.OutcomeHeader, outcome)
					problem(w, 503, "unavailable", "", "the other node did not answer")
				}
				first = false
			})
			if _, err := p.api.Do(t.Context(), r); p.asked() != asked[what] || (err == nil) != (p.asked() == "aa") {
				t.Errorf("outcome %s: a %s asked %s: %v", outcome, what, p.asked(), err)
			}
		}
	}
}

// A client asks the node that acts, and not the other one, which would pass its requests on; but not one
// that does not answer.
func TestAskTheOneThatActs(t *testing.T) {
	p := newPair(t, true, func(p *pair, _ string, w http.ResponseWriter, _ *http.Request) { p.tell(w, "b") })
	for range 3 {
		if _, err := p.api.Do(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	if p.asked() != "abb" {
		t.Errorf("asked %q", p.asked())
	}
	p.b.Close()
	for range 2 {
		if _, err := p.api.Do(t.Context(), read); err != nil {
			t.Fatal(err)
		}
		if first := p.api.Nodes()[0]; first != p.a.URL {
			t.Errorf("%s is asked first", first)
		}
	}
	if p.asked() != "abbaa" {
		t.Errorf("asked %q", p.asked())
	}
}

// While no node acts a request waits for one, and the person is told once; after the longest time a
// take-over needs it fails and says what each node said.
func TestWaitForAPrimary(t *testing.T) {
	asked := 0
	p := newPair(t, true, func(p *pair, node string, w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 6 {
			p.tell(w, "")
			w.Header().Set(nodes.OutcomeHeader, nodes.None)
			problem(w, 503, "unavailable", "", "node "+node+" is not the primary")
		}
	})
	told := 0
	p.api.Waiting = func(error) { told++ }
	if _, err := p.api.Do(t.Context(), write); err != nil || p.asked() != "ababab" || told != 1 {
		t.Errorf("asked %q, told %d times, %v", p.asked(), told, err)
	}
	asked, p.api.takeover = -1<<20, 0
	_, err := p.api.Do(t.Context(), write)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "none of the 2 Kahunas") || !strings.Contains(err.Error(), "node a is") || !strings.Contains(err.Error(), "node b is") {
		t.Errorf("%v", err)
	}
}

// A client that knows one address learns the others from answers, goes to the primary that is named while
// the node asked may not act, and forgets nodes that are no more; but never the address it was given.
func TestLearnNodes(t *testing.T) {
	p := newPair(t, false, func(p *pair, node string, w http.ResponseWriter, _ *http.Request) {
		p.tell(w, "b")
		if node == "a" {
			w.Header().Set(nodes.OutcomeHeader, nodes.None)
			problem(w, 503, "unavailable", "", "the primary is the other")
		}
	})
	if _, err := p.api.Do(t.Context(), write); err != nil || p.asked() != "ab" {
		t.Errorf("asked %q, %v", p.asked(), err)
	}
	known := &addresses{given: "https://a", known: []string{"https://old", "https://a"}}
	for _, c := range []struct{ told, want string }{
		{`"https://b";primary`, "[https://a https://b]"},
		{`"https://b", "http://127.0.0.1:1", "http://c"`, "[https://a https://b]"}, // who gets the key is not weakened
		{`nonsense`, "[https://a https://b]"},
		{``, "[https://a https://b]"},
		{`"https://c"`, "[https://a https://c]"},
	} {
		known.learn("https://a", http.Header{nodes.Header: {c.told}})
		if got := fmt.Sprint(known.all()); got != c.want {
			t.Errorf("after %s: %s, want %s", c.told, got, c.want)
		}
	}
}

// An operation and the events are followed across a take-over, each event once.
func TestLongWaitsOutliveAPrimary(t *testing.T) {
	from := make(chan string, 8)
	p := newPair(t, false, func(p *pair, node string, w http.ResponseWriter, r *http.Request) {
		p.tell(w, node)
		from <- node + " " + r.URL.Query().Get("from")
		if node == "a" {
			io.WriteString(w, "event: change\nid: 1\ndata: {\"index\":1}\n\n")
			http.NewResponseController(w).Flush()
			<-r.Context().Done() // it stands still: no sign of life
			return
		}
		io.WriteString(w, "event: change\nid: 2\ndata: {\"index\":2}\n\n")
	})
	p.api.silence = 50 * time.Millisecond
	var seen []uint64
	enough := errors.New("enough")
	err := p.api.Watch(t.Context(), Watching{Last: 1, Follow: true, Broken: func(error) { p.a.Listener.Close() }}, func(c *Change) error {
		if seen = append(seen, c.Index); len(seen) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(seen, []uint64{1, 2}) {
		t.Errorf("saw %v, %v", seen, err)
	}
	if first, second := <-from, <-from; first != "a " || second != "b 1" {
		t.Errorf("the streams began %q and %q", first, second)
	}

	p = newPair(t, false, func(p *pair, node string, w http.ResponseWriter, r *http.Request) {
		p.tell(w, node)
		switch {
		case node == "b":
			io.WriteString(w, `{"id":"o","state":"succeeded"}`)
		case p.asked() == "a":
			io.WriteString(w, `{"id":"o","state":"running"}`)
		default:
			panic(http.ErrAbortHandler)
		}
	})
	o, err := p.api.Follow(t.Context(), "o", func(*Operation) {})
	if err != nil || o.State != operation.Succeeded || !strings.HasPrefix(p.asked(), "aa") || !strings.HasSuffix(p.asked(), "ab") {
		t.Errorf("asked %s: %+v, %v", p.asked(), o, err)
	}
}
