package world

import (
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"kowabunga/core/lease"
)

// Options is what a world is made of.
type Options struct {
	Seed      uint64
	Witnesses int // of the first record
	Agents    int // all, witnesses among them
	Clients   int
	Mode      lease.Mode
	Timers    lease.Timers
	Flaws     lease.Flaws
	Out       io.Writer // where lines go as they come; may be nil
	Sound     bool      // chance changes nothing but delays; for scripts
}

// World is one run.
type World struct {
	opts      Options
	now       time.Duration
	seq       uint64
	agenda    agenda
	rng       *rand.Rand
	trace     trace
	hosts     []*host
	places    []endpoint
	links     []link
	nodes     []*node
	agents    []*agent
	clients   []*client
	truth     truth
	service   service
	promoted  bool    // a person did, once
	script    *script // nil in random runs
	violation *Violation
	messages  int
	second    time.Duration // the present one, for counting messages
	inSecond  int
	loseAll   bool     // crashes keep no write that was under way
	resting   bool     // nobody wants anything new
	set       []string // names of the first witnesses, when not the first few agents
	apart     bool     // there is a third node, for restores
}

func newWorld(o Options) *World {
	if o.Timers == (lease.Timers{}) {
		o.Timers = lease.DefaultTimers()
	}
	if o.Mode == "" {
		o.Mode = lease.Sync
	}
	w := &World{opts: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6b6f7761))}
	w.trace.out = o.Out
	w.service.w = w
	w.truth = truth{w: w, requests: map[string]uint64{}, obeyed: map[string]lease.Epoch{}, admitted: map[string]bool{}, effects: map[string]int{}}
	return w
}

func (w *World) stopsInSleep() bool { return w.opts.Flaws.Has(lease.FlawLeaseFromReply) }

// after does something once some time has passed.
func (w *World) after(d time.Duration, do func()) {
	w.seq++
	w.agenda.push(happening{w.now + max(d, 0), w.seq, do})
}

// runUntil lets time pass, until a moment or until a rule is broken.
func (w *World) runUntil(end time.Duration) {
	for w.violation == nil && len(w.agenda) > 0 && w.agenda[0].at <= end {
		h := w.agenda.pop()
		w.now = h.at
		h.do()
	}
	w.now = max(w.now, end)
}

// runWhile lets time pass while a condition holds, at most till end; it tells whether it does not hold
// any more.
func (w *World) runWhile(end time.Duration, holds func() bool) bool {
	for w.violation == nil {
		if !holds() {
			return true
		}
		if len(w.agenda) == 0 || w.agenda[0].at > end {
			w.now = max(w.now, end)
			return false
		}
		h := w.agenda.pop()
		w.now = h.at
		h.do()
	}
	return false
}

func (w *World) say(who, format string, args ...any) { w.trace.say(w.now, who, format, args...) }

// between draws a duration.
func (w *World) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

func (w *World) node(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (w *World) agent(name string) *agent {
	for _, a := range w.agents {
		if a.name == name {
			return a
		}
	}
	return nil
}

// place finds where a message is to go.
func (w *World) find(a lease.Address) (place, bool) {
	if a.Node != "" {
		for _, n := range w.nodes {
			if n.durable.Node == a.Node {
				return n.at, true
			}
		}
		return 0, false
	}
	for _, g := range w.agents {
		if g.name == a.Witness.Agent {
			return g.at, true
		}
	}
	return 0, false
}

// primary is the node that acts, if there is one.
func (w *World) primary() *node {
	i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.serving && n.acts() })
	if i < 0 {
		return nil
	}
	return w.nodes[i]
}
