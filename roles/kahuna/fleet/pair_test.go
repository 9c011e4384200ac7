package fleet

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
)

var errResting = fault.New(fault.Unavailable, "this Kahuna rests")

// couple is two Kahunas with one list of both.
type couple struct {
	mu  sync.Mutex
	all []agentproto.Kahuna
}

// kahuna is one of the two.
type kahuna struct {
	*rig
	node string
	key  ed25519.PrivateKey

	mu       sync.Mutex
	refuse   error // of the next admission
	unsaved  error // of the next report
	admitted []string
	answers  []agentproto.Announced
}

func (c *couple) list() []agentproto.Kahuna {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

func (c *couple) start(t *testing.T, node string, change ...func(*Config)) *kahuna {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, node)
	k := &kahuna{node: node, key: ed25519.NewKeyFromSeed(seed)}
	k.rig = newRig(t, append(change, func(c2 *Config) {
		c2.Node, c2.Kahunas = node, c.list
		c2.Epoch = func() agentproto.Epoch { return agentproto.Epoch{Counter: k.counter.Load(), Node: node} }
		c2.AnnounceBackoff = func(int) time.Duration { return time.Millisecond }
	})...)
	k.url = "http://" + k.proxy.addr()
	c.mu.Lock()
	c.all = append(c.all, agentproto.Kahuna{ID: node, Address: k.url, Key: k.key.Public().(ed25519.PublicKey)})
	c.mu.Unlock()
	return k
}

// rise wins an epoch.
func (k *kahuna) rise(counter uint64) {
	k.counter.Store(counter)
	e := agentproto.Epoch{Counter: counter, Node: k.node}
	k.fleet.Rise(Reign{Epoch: e,
		Announce: func() lease.Announce {
			return lease.Announce{Certificate: lease.Certify(lease.Won, e, k.key), Record: &lease.Record{Epoch: e}}
		},
		Admit: func(_ context.Context, id string, hello agentproto.Hello) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			if err := k.refuse; err != nil {
				k.refuse = nil
				return err
			}
			k.admitted = append(k.admitted, id+" "+hello.Identity)
			return nil
		},
		Report: func(context.Context, string, agentproto.Announced) (err error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			err, k.unsaved = k.unsaved, nil
			return err
		},
		Answered: func(_ string, a agentproto.Announced) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.answers = append(k.answers, a)
		}})
}

func (k *kahuna) answered() []agentproto.Announced {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.answers)
}

func (k *kahuna) admissions() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.admitted)
}

func (k *kahuna) connected(id string) {
	k.t.Helper()
	wait(k.t, id+" connected to "+k.node, func() bool { m, _ := k.fleet.Live().Get(id); return m.Connected })
}

// agent is one that keeps what it must on disk and dials both.
func (k *kahuna) agent(other *kahuna, methods agent.Methods, change ...func(*agent.Config)) (*agent.Agent, func()) {
	k.t.Helper()
	return k.rig.agent(hostA, methods, append([]func(*agent.Config){func(c *agent.Config) {
		c.URL, c.StateDir = k.url, k.t.TempDir()
		if other != nil {
			c.URL += "," + other.url
		}
	}}, change...)...)
}

// counted is a method that counts.
func counted(n *atomic.Int64) agent.Method {
	return agent.Method{Handle: agent.Handle(func(context.Context, *agent.Call, agentproto.Empty) (int64, error) { return n.Add(1), nil })}
}

// TestTakeOver: of two Kahunas that an agent is connected to only the one that announced what it won
// commands; the other one's session stays, for the day it wins again.
func TestTakeOver(t *testing.T) {
	var c couple
	a, b := c.start(t, "a"), c.start(t, "b")
	var calls atomic.Int64
	ag, _ := a.agent(b, agent.Methods{"do": counted(&calls)})
	a.connected(hostA)
	b.connected(hostA)
	for _, k := range []*kahuna{a, b} {
		got := <-k.call([]string{hostA}, "do", CallOptions{})
		if !errors.Is(got.err, ErrOffline) || calls.Load() != 0 {
			t.Fatalf("before anybody won: %+v", got)
		}
		if m, _ := k.fleet.Live().Get(hostA); m.Online || !m.Leased || !k.fleet.Live().Up(hostA) || k.fleet.Counters().Online != 0 || k.fleet.Counters().Connected != 1 {
			t.Errorf("%s shows %+v", k.node, m)
		}
		if k.seen.count("connect") != 0 {
			t.Error("the agent is reported before it can be commanded")
		}
	}

	a.rise(1)
	a.online(hostA)
	if b.fleet.Live().Online(hostA) {
		t.Error("online at the standby")
	}
	if m, _ := a.fleet.Live().Get(hostA); m.Hello.Blank || m.Hello.Obeyed.Node != "a" {
		t.Errorf("the hello says %+v", m.Hello)
	}
	if got := over(t, "the answer", a.call([]string{hostA}, "do", CallOptions{Request: "1"})); got.err != nil || got.n != 1 {
		t.Fatalf("%+v", got)
	}
	wait(t, "the report", func() bool { return a.seen.count("connect") == 1 })

	b.rise(2)
	b.online(hostA)
	if got := over(t, "the answer", b.call([]string{hostA}, "do", CallOptions{Request: "2"})); got.err != nil || got.n != 2 {
		t.Fatalf("%+v", got)
	}
	// a was paused, and does not know yet.
	if got := over(t, "the answer", a.call([]string{hostA}, "do", CallOptions{Request: "3"})); !fault.Is(got.err, fault.Fenced) || calls.Load() != 2 {
		t.Fatalf("the former primary commands: %+v", got)
	}
	a.fleet.Rest(errResting)
	a.connected(hostA)
	if a.fleet.Live().Online(hostA) || a.fleet.Counters().Connects != 1 || b.fleet.Counters().Connects != 1 {
		t.Error("not one session with each")
	}
	if got := over(t, "the answer", a.call([]string{hostA}, "do", CallOptions{})); !errors.Is(got.err, ErrOffline) {
		t.Errorf("%+v", got)
	}
	a.rise(1) // late, again
	wait(t, "a refusal", func() bool {
		m := a.fleet.members[hostA]
		a.fleet.mu.Lock()
		defer a.fleet.mu.Unlock()
		return m.session.refuses == a.fleet.command && !m.session.attended
	})
	if a.fleet.Live().Online(hostA) {
		t.Error("an old Kahuna thinks that it commands")
	}

	b.fleet.Rest(errResting)
	a.rise(3)
	a.online(hostA)
	if got := over(t, "the answer", a.call([]string{hostA}, "do", CallOptions{Request: "4"})); got.err != nil || got.n != 3 {
		t.Fatalf("%+v", got)
	}
	wait(t, "the second report", func() bool { return a.seen.count("connect") == 2 })
	if n := a.seen.count("disconnect") + b.seen.count("disconnect"); n != 0 {
		t.Errorf("%d reports of an end", n)
	}
	for _, k := range []*kahuna{a, b} {
		if got := k.admissions(); !slices.Equal(got, []string{hostA + " " + ag.Identity()}) {
			t.Errorf("%s admitted %v", k.node, got)
		}
	}
}

// TestNewAgentIsAdmitted before it is commanded, and what it reports recorded, again and again while that
// cannot be.
func TestNewAgentIsAdmitted(t *testing.T) {
	var c couple
	a := c.start(t, "a")
	a.refuse = fault.New(fault.Unavailable, "the disk is slow")
	a.unsaved = fault.New(fault.Unavailable, "the disk is slow")
	a.rise(1)
	ag, _ := a.agent(nil, nil)
	a.online(hostA)
	got := a.answered()
	if n := len(a.admissions()); n != 2 || a.unsaved != nil || len(got) != 1 || got[0].Identity != ag.Identity() || got[0].Epoch.Counter != 1 {
		t.Errorf("admitted %v, answered %v", a.admissions(), got)
	}
}

// TestWhatKeepsAnAgentFromObeying is shown for as long as it does, with the host's own words.
func TestWhatKeepsAnAgentFromObeying(t *testing.T) {
	var c couple
	a := c.start(t, "a")
	var back atomic.Bool
	a.rise(1)
	a.agent(nil, agent.Methods{agentproto.MethodInventory: {Handle: func(context.Context, *agent.Call) (any, error) {
		if !back.Load() {
			return nil, fault.New(fault.Unavailable, "libvirt is not reachable on this host")
		}
		return agentproto.Empty{}, nil
	}}})
	wait(t, "the reason", func() bool {
		m, _ := a.fleet.Live().Get(hostA)
		return strings.HasSuffix(m.Objects, "libvirt is not reachable on this host")
	})
	if m, _ := a.fleet.Live().Get(hostA); m.Online || !m.Connected {
		t.Errorf("it was not obeyed, and shows %+v", m)
	}
	back.Store(true)
	a.online(hostA)
	if m, _ := a.fleet.Live().Get(hostA); m.Objects != "" {
		t.Errorf("it obeys, and shows %q", m.Objects)
	}
}

// TestStatesFollowTheAnnouncement: what was wanted before the agent could be commanded reaches it then, and
// it is not told again what it says it holds.
func TestStatesFollowTheAnnouncement(t *testing.T) {
	var c couple
	a := c.start(t, "a")
	var applied applied
	ag, _ := a.agent(nil, nil, keeping(t.TempDir(), &applied))
	a.connected(hostA)
	a.fleet.Push(hostA, state(1)) // nobody may want anything yet
	a.refuse = fault.New(fault.Unavailable, "the disk is slow")
	a.rise(1)
	a.fleet.Push(hostA, state(2))
	wait(t, "the state", func() bool { return a.seen.count("status "+hostA+" kaktus applied") >= 1 })
	before, _ := a.fleet.Live().Get(hostA)
	a.proxy.cut()
	wait(t, "the next session", func() bool { m, _ := a.fleet.Live().Get(hostA); return m.Online && m.conn != before.conn })
	wait(t, "the state", func() bool { return a.seen.count("status "+hostA+" kaktus applied") >= 2 })
	if applied.count() != 1 || applied.last() != 2 || a.fleet.Counters().Pushes != 1 {
		t.Errorf("applied %v", applied.got)
	}
	if m, _ := a.fleet.Live().Get(hostA); m.Hello.Identity != ag.Identity() {
		t.Errorf("%+v", m)
	}
}

// TestStuckWork is named by the answer, and by another one when it ended.
func TestStuckWork(t *testing.T) {
	var c couple
	a, b := c.start(t, "a"), c.start(t, "b")
	started, release := make(chan struct{}), make(chan struct{})
	a.agent(b, agent.Methods{"deaf": {Handle: func(context.Context, *agent.Call) (any, error) {
		close(started)
		<-release
		return 1, nil
	}}}, func(c *agent.Config) { c.EndGrace, c.EndPatience = time.Millisecond, time.Millisecond })
	a.rise(1)
	a.online(hostA)
	pending := a.call([]string{hostA}, "deaf", CallOptions{Request: "op/0/do/1"})
	over(t, "the call", started)
	b.connected(hostA)
	b.rise(2)
	b.online(hostA)
	if got := b.answered(); len(got) != 1 || len(got[0].Stuck) != 1 || got[0].Stuck[0].Request != "op/0/do/1" {
		t.Fatalf("%+v", got)
	}
	close(release)
	wait(t, "the second answer", func() bool { got := b.answered(); return len(got) == 2 && len(got[1].Stuck) == 0 })
	over(t, "the call's end", pending)
	if b.seen.count("connect") != 1 {
		t.Error("the agent is reported twice")
	}
}

// TestTell: agents learn of a Kahuna that joined, over their session or when they come.
func TestTell(t *testing.T) {
	var c couple
	a := c.start(t, "a")
	a.rise(1)
	ag, _ := a.agent(nil, nil)
	a.online(hostA)
	b := c.start(t, "b")
	a.fleet.Tell(agentproto.KahunaList{Epoch: agentproto.Epoch{Counter: 1, Node: "a"}, Kahunas: c.list()})
	b.connected(hostA)
	// What it was welcomed with does not make it forget b when a is elected again.
	a.fleet.Rest(errResting)
	a.rise(2)
	a.online(hostA)
	b.connected(hostA)
	b.rise(3)
	b.online(hostA)
	if ag.Obeyed().Node != "b" {
		t.Error(ag.Obeyed())
	}
}

// TestStrangerIsNotObeyed, nor asked for ever.
func TestStrangerIsNotObeyed(t *testing.T) {
	var c couple
	a := c.start(t, "a")
	a.key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	a.rise(1)
	a.agent(nil, nil)
	wait(t, "a refusal", func() bool {
		a.fleet.mu.Lock()
		defer a.fleet.mu.Unlock()
		m := a.fleet.members[hostA]
		return m != nil && m.session != nil && m.session.refuses == a.fleet.command
	})
	if a.fleet.Live().Online(hostA) {
		t.Error("online")
	}
}

// TestAgentOfTheReleaseBefore knows nothing of won epochs: it is online at once, as ever, and reported to who
// begins to command.
func TestAgentOfTheReleaseBefore(t *testing.T) {
	var c couple
	a := c.start(t, "a")
	conn := a.dialBare(hostA, func(h *agentproto.Hello) { h.Methods = []string{"do"} })
	conn.Start(old{})
	a.connected(hostA)
	if m, _ := a.fleet.Live().Get(hostA); !m.Online || m.Leased {
		t.Errorf("%+v", m)
	}
	before := a.seen.count("connect")
	a.rise(1)
	wait(t, "the report", func() bool { return a.seen.count("connect") == before+1 })
	if got := over(t, "the answer", a.call([]string{hostA}, "do", CallOptions{})); got.err != nil || got.n != 1 {
		t.Errorf("%+v", got)
	}
	if got := a.answered(); len(a.admissions()) != 0 || len(got) != 1 || got[0].Identity != "bare" {
		t.Errorf("admitted %v, answered %v", a.admissions(), got)
	}
}

// old is an agent's end that answers 1 to whatever is not about epochs.
type old struct{ mute }

func (old) Call(_ context.Context, method string, _ json.RawMessage) (any, error) {
	if strings.HasPrefix(method, "lease.") {
		return nil, link.UnknownMethod(method)
	}
	return 1, nil
}
