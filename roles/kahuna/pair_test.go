package kahuna

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/lease"
	"kowabunga/core/nodes"
	"kowabunga/roles/kahuna/pair"
	"kowabunga/store"
)

// port is a free port of this machine.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// primary starts a Kahuna that can have a standby.
func primary(t *testing.T, dir string, change ...func(*Config)) *running {
	t.Helper()
	address := port(t)
	return start(t, dir, append(change, func(c *Config) { c.Listen = address })...)
}

// standby starts the standby of a Kahuna.
func (r *running) standby(dir string, change ...func(*Config)) *running {
	r.t.Helper()
	address := port(r.t)
	return start(r.t, dir, append(change, func(c *Config) {
		c.Listen, c.StandbyOf, c.PairKeyFile = address, r.url, filepath.Join(r.s.cfg.secrets(), "pair-key")
	})...)
}

// patienceOfPairs bounds waits for what takes leases and snapshots. Nothing waits for its end.
const patienceOfPairs = 30 * time.Second

// within waits longer than until, for what takes leases to end.
func (r *running) within(what string, limit time.Duration, is func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %v: %s\n%s", limit, what, r.logs.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *running) inSync() bool {
	st := r.status()
	return st.Right && len(st.Record.Sync) == 2
}

// alone tells whether it acts and needs nobody else for a write.
func (r *running) alone() bool {
	st := r.status()
	return st.Right && len(st.Record.Sync) == 1
}

// handTo hands over to the other one, which acts then. A handoff that does not come about in its time, as on a
// busy machine, leaves all as it was, and is ordered again.
func (r *running) handTo(other *running) {
	r.t.Helper()
	r.within("the other one acts after a handoff", patienceOfPairs, func() bool {
		if r.inSync() {
			_, _ = r.s.handoff(r.t.Context())
		}
		return other.s.acts()
	})
}

func (r *running) status() lease.Status { return r.s.pair.driver.Status() }

// same fails unless two Kahunas hold the same.
func same(t *testing.T, a, b *running) {
	t.Helper()
	if x, y := a.s.store.Tip(), b.s.store.Tip(); x != y {
		t.Errorf("one ends at %d %.8x, the other at %d %.8x", x.Index, x.Hash, y.Index, y.Hash)
	}
	for _, r := range []*running{a, b} {
		report, err := r.s.store.Check(t.Context())
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("the store is not sound: %v %+v", err, report)
		}
	}
}

func (r *running) names() string {
	var out []string
	for o := range r.s.store.View().All("region") {
		out = append(out, o.Base().Name)
	}
	return strings.Join(out, " ")
}

// A standby is made with one option and the pair's key, follows, answers like the primary, takes over in a
// handoff, and the other way round.
func TestStandbyFollowsAndTakesOver(t *testing.T) {
	a := primary(t, t.TempDir())
	a.made("/region", `{"name":"before","domain":"before.example"}`)
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	b.key = a.key
	a.made("/region", `{"name":"during","domain":"during.example"}`)
	b.made("/region", `{"name":"proxied","domain":"proxied.example"}`)
	var seen []string
	if status := b.ask("GET", "/api/v1/region", "", &seen); status != 200 || len(seen) != 3 {
		t.Errorf("the standby answers a list with %d: %v", status, seen)
	}
	answer, _ := b.send("GET", "/api/v1/region", b.key, "", nodes.StaleHeader, "yes")
	lag, err := nodes.ParseLag(answer.Header.Get(nodes.LagHeader))
	if answer.StatusCode != 200 || err != nil || lag.Index == 0 {
		t.Errorf("a stale read: %s %v %v", answer.Status, lag, err)
	}
	all, err := nodes.Parse(answer.Header.Get(nodes.Header))
	if err != nil || nodes.Primary(all) != a.url || len(all) != 2 {
		t.Errorf("the answer names %v, %v", all, err)
	}
	a.handTo(b)
	a.made("/region", `{"name":"through","domain":"through.example"}`)
	b.made("/region", `{"name":"after","domain":"after.example"}`)
	b.within("the old primary is in sync", patienceOfPairs, b.inSync)
	b.made("/region", `{"name":"last","domain":"last.example"}`)
	a.within("the old primary shows all", patienceOfPairs, func() bool { return a.names() == b.names() && a.s.store.Tip() == b.s.store.Tip() })
	same(t, a, b)
	b.handTo(a)
	b.made("/region", `{"name":"back","domain":"back.example"}`)
}

// A primary that is stopped hands over; both can be stopped and started, and nothing is lost.
func TestNodesStopAndStart(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a := primary(t, dirs[0])
	b := a.standby(dirs[1])
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	b.key = a.key
	a.made("/region", `{"name":"one","domain":"one.example"}`)
	a.stop()
	b.within("the standby acts", patienceOfPairs, func() bool { return b.s.acts() })
	b.made("/region", `{"name":"two","domain":"two.example"}`)
	first := a.s.cfg.Listen
	a = start(t, dirs[0], func(c *Config) { c.Listen = first })
	b.within("the old primary is in sync again", patienceOfPairs, b.inSync)
	b.stop()
	a.within("the first acts", patienceOfPairs, func() bool { return a.s.acts() })
	a.made("/region", `{"name":"three","domain":"three.example"}`)
	if a.names() != "one two three" && len(strings.Fields(a.names())) != 3 {
		t.Errorf("there is %q", a.names())
	}
	a.stop()
	if _, err := store.Check(t.Context(), store.Options{Dir: a.s.cfg.data(), Tables: tables()}); err != nil {
		t.Log(err)
	}
}

// A standby that is too far behind gets a snapshot, at its beginning and later, and can take over from it.
func TestStandbyBeginsWithSnapshot(t *testing.T) {
	short := func(c *Config) { c.Journal.Size = 1 }
	a := primary(t, t.TempDir(), short)
	for i := range 40 {
		a.made("/region", `{"name":"r%d","domain":"r%[1]d.example"}`, i)
	}
	a.within("the journal is cut", patienceOfPairs, func() bool { return a.s.store.Status().Cut.Index > 10 })
	dir := t.TempDir()
	b := a.standby(dir)
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	listen := b.s.cfg.Listen
	b.stop()
	for i := range 40 {
		a.made("/region", `{"name":"s%d","domain":"s%[1]d.example"}`, i)
	}
	b = start(t, dir, func(c *Config) { c.Listen = listen })
	a.within("the standby is in sync again", patienceOfPairs, a.inSync)
	b.within("the standby shows all", patienceOfPairs, func() bool { return a.s.store.Tip() == b.s.store.Tip() })
	same(t, a, b)
	b.key = a.key
	a.handTo(b)
	b.made("/region", `{"name":"last","domain":"last.example"}`)
	if n := len(strings.Fields(b.names())); n != 81 {
		t.Errorf("there are %d regions", n)
	}
}

// The data may know of a higher epoch than the promises: a release without them has run on the directory.
func TestEpochAboveAllThatTheDataKnows(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	a.made("/region", `{"name":"one","domain":"one.example"}`)
	key, o := a.s.cfg.sealingKey(), store.Options{Dir: a.s.cfg.data(), Tables: tables()}
	a.stop()
	var err error
	if o.SealKey, err = readKey(key); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s, err := store.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, dir)
	b.made("/region", `{"name":"two","domain":"two.example"}`)
}

// A request that was passed on to a node which says nothing more is answered when another one acts, and the
// answer names that one.
func TestRequestPassedOnToAStuckNode(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	arrived, over := make(chan struct{}), make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-over }))
	defer stuck.Close()
	defer close(over)
	b.s.relays.to(stuck.URL, b.s)
	b.s.relays.all[a.url] = b.s.relays.all[stuck.URL]
	answers := make(chan *http.Response, 1)
	go func() {
		r, _ := http.NewRequest("GET", b.url+"/api/v2/regions", nil)
		r.Header.Set("X-API-Key", a.key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	<-arrived
	if err := a.s.pair.driver.Order(t.Context(), lease.Handoff{}); err != nil {
		t.Fatal(err)
	}
	answer := <-answers
	if answer == nil {
		return
	}
	answer.Body.Close()
	all, err := nodes.Parse(answer.Header.Get(nodes.Header))
	if answer.StatusCode != 503 || answer.Header.Get(nodes.OutcomeHeader) != nodes.Unknown || err != nil || nodes.Primary(all) != b.url {
		t.Errorf("%s, outcome %q, nodes %v %v", answer.Status, answer.Header.Get(nodes.OutcomeHeader), all, err)
	}
}

// A node that went on alone, was off when a person promoted the other one, and comes back: it follows, and
// keeps as a fork what the other one never had.
func TestOverruledNodeFollows(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a := primary(t, dirs[0])
	b := a.standby(dirs[1])
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	key := a.key
	first, second := a.s.cfg.Listen, b.s.cfg.Listen
	b.stop()
	a.made("/region", `{"name":"overruled","domain":"overruled.example"}`)
	a.stop()
	b = start(t, dirs[1], func(c *Config) { c.Listen = second })
	b.key = key
	if err := b.s.pair.driver.Order(t.Context(), lease.Promote{LoseAfter: 1}); err != nil {
		t.Fatal(err)
	}
	b.within("the promoted one acts", patienceOfPairs, b.s.acts)
	b.made("/region", `{"name":"kept","domain":"kept.example"}`)
	a = start(t, dirs[0], func(c *Config) { c.Listen = first })
	b.within("the overruled one is in sync", patienceOfPairs, b.inSync)
	a.within("it shows the same", patienceOfPairs, func() bool { return a.names() == "kept" && a.s.store.Tip() == b.s.store.Tip() })
	same(t, a, b)
	forks, err := filepath.Glob(filepath.Join(a.s.cfg.data(), pair.ForkDir, "*.fork"))
	if err != nil || len(forks) == 0 {
		t.Fatalf("there are the forks %v, %v", forks, err)
	}
	found := false
	for _, path := range forks {
		fork, err := store.ReadFork(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range fork.Records {
			found = found || r.Cause.What == "create region" || strings.Contains(r.Cause.What, "egion")
		}
	}
	if !found {
		t.Errorf("no fork of %v has the write that was overruled", forks)
	}
}
