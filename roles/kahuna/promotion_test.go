package kahuna

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// cable is the way to a Kahuna, which can be cut.
type cable struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// newCable makes a way to an address.
func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, to: to}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { c.carry(from) })
		}
	})
	t.Cleanup(func() { c.sever(); l.Close(); work.Wait() })
	return c
}

func (c *cable) url() string { return "http://" + c.listener.Addr().String() }

func (c *cable) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer to.Close()
	c.mu.Lock()
	if c.cut {
		c.mu.Unlock()
		return
	}
	c.conns = append(c.conns, from, to)
	c.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(from, to); from.Close() })
	_, _ = io.Copy(to, from)
	to.Close()
	back.Wait()
}

// sever ends what goes over the cable, now and later.
func (c *cable) sever() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, one := range c.conns {
		one.Close()
	}
}

// While agents say that the lease of another Kahuna lasts, nobody is promoted: a person is wrong who states
// that it is off, because only the cable between the two is cut. Once it is off, the same statement counts.
func TestNoPromotionWhileAgentsTellOfALease(t *testing.T) {
	first, second := port(t), port(t)
	toA, toB := newCable(t, first), newCable(t, second)
	a := start(t, t.TempDir(), apart, func(c *Config) { c.Listen, c.PairURL = first, toA.url() })
	b := start(t, t.TempDir(), apart, func(c *Config) {
		c.Listen, c.PairURL, c.StandbyOf, c.PairKeyFile = second, toB.url(), toA.url(), filepath.Join(a.s.cfg.secrets(), "pair-key")
	})
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	b.key = a.key
	var agents []model.ID
	names := []string{"w0", "w1", "w2"}
	for _, name := range names {
		agents = append(agents, a.witness(name, b))
	}
	a.within("three agents are witnesses", patienceOfPairs, func() bool { return len(a.named()) == 3 })
	connected := func() bool {
		return !slices.ContainsFunc(agents, func(id model.ID) bool { m, _ := b.s.fleet.Live().Get(string(id)); return !m.Connected })
	}
	b.until("all are connected to the standby", connected)

	toA.sever()
	toB.sever()
	a.within("the one that acts goes on alone", patienceOfPairs, a.alone)
	a.made("/region", `{"name":"alone","domain":"alone.example"}`)
	statement := "the Kahuna at " + toA.url() + " is off"
	b.within("agents alone tell of the lease", patienceOfPairs, func() bool {
		out := b.says("Refused", "promote", "--dry-run")
		silent := func(name string) bool { return !strings.Contains(out, "agent "+name+": "+toA.url()+" has a lease for") }
		return !slices.ContainsFunc(names, silent) && !strings.Contains(out, "was heard") && !strings.Contains(out, "is connected")
	})
	b.refuses(toA.url()+" has a lease for", "promote", "--lose-after", "1", "--other-is-off", statement)
	if b.s.acts() || exists(b.s.cfg.lossMark()) || !a.s.acts() {
		t.Fatal("a refused promotion did something")
	}

	a.stop()
	b.within("no agent tells of a lease", patienceOfPairs, func() bool {
		out, err := b.command("promote", "--dry-run")
		return err == nil && !strings.Contains(out, "Refused") && connected() // who cannot be reached is no witness of what follows
	})
	if b.s.acts() {
		t.Fatal("one that lacks a write acts without a person")
	}
	b.says("Records may be lost", "promote", "--lose-after", "1", "--other-is-off", statement)
	b.within("it acts", patienceOfPairs, b.s.acts)
	if st := b.status(); len(st.Record.All()) != 3 {
		t.Errorf("it goes on with %d witnesses", len(st.Record.All()))
	}
}

// A Kahuna that lost what it promised commands nobody, says so, and acts once a person states that the
// other one is off. Its data is all there, and agents have to report before anything is allocated.
func TestPromotionOfOneThatLostWhatItPromised(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a := primary(t, dirs[0])
	b := a.standby(dirs[1])
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	key, first, second, old := a.key, a.s.cfg.Listen, b.s.cfg.Listen, a.s.nodeID()
	b.stop()
	a.made("/region", `{"name":"kept","domain":"kept.example"}`)
	a.stop()
	if err := os.Remove(filepath.Join(a.s.cfg.data(), "voter.json")); err != nil {
		t.Fatal(err)
	}

	a = start(t, dirs[0], func(c *Config) { c.Listen = first })
	a.key = key
	if a.s.nodeID() == old {
		t.Error("it is the node that it was, and does not know what that promised")
	}
	p := a.pairOf()
	if p.Role != "restored" || p.Right || a.s.acts() || len(p.TakeOver) != 1 || !strings.Contains(p.TakeOver[0], "until a person promotes it") {
		t.Errorf("%+v", p)
	}
	a.says("restored: it commands nobody until it is promoted (kowabunga kahuna promote)", "status")
	if status := a.ask("POST", "/api/v1/region", `{"name":"no","domain":"no.example"}`, nil); status != 503 {
		t.Errorf("a write is answered %d", status)
	}
	end := itoa(int(a.status().End.Index))
	a.says("the other Kahuna is off", "promote", "--dry-run")
	a.refuses("say exactly", "promote", "--lose-after", end, "--other-is-off", "yes")
	a.says("Records may be lost", "promote", "--lose-after", end, "--other-is-off", "the other Kahuna is off")
	a.within("it acts", patienceOfPairs, a.s.acts)
	a.made("/region", `{"name":"after","domain":"after.example"}`)
	if !strings.Contains(a.names(), "kept") {
		t.Errorf("it has %q", a.names())
	}
	if !holding.Lost(a.s.store.View()) && !strings.Contains(a.logs.String(), "all agents reported") {
		t.Error("nothing tells that records may be lost")
	}

	// The other one was off, as was stated. It does not know the node that acts, and has to be made anew.
	b = start(t, dirs[1], func(c *Config) { c.Listen = second })
	a.within("the other one is connected", patienceOfPairs, func() bool { return a.s.pair.transport.Reaches(lease.NodeID(b.s.nodeID())) })
	b.says("NOT in the sync set", "status")
	if b.s.acts() || !a.s.acts() {
		t.Error("the other one acts")
	}
	b.stop()
	b = a.standby(t.TempDir())
	a.within("one that is made anew has everything", patienceOfPairs, func() bool { return a.inSync() && b.s.store.Tip() == a.s.store.Tip() })
	same(t, a, b)
}
