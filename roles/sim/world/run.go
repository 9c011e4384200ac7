package world

import (
	"fmt"
	"io"
	"time"

	"kowabunga/core/lease"
)

// settling is how long everything may take to come together once no fault strikes any more.
const settling = 60 * time.Second

// Outcome is how a run ended.
type Outcome struct {
	Seed      uint64        `json:"seed"`
	Length    time.Duration `json:"length"` // nanoseconds of virtual time
	Violation *Violation    `json:"violation,omitempty"`
	Sum       uint64        `json:"sum"` // over all that happened
	Messages  int           `json:"messages"`
	Records   int           `json:"records"` // published
	Epochs    uint64        `json:"epochs"`
	Faults    int           `json:"faults"`
}

// Random runs a world of chance for a length of virtual time, then lets everything come together.
func Random(seed uint64, length time.Duration, flaws lease.Flaws, out io.Writer) Outcome {
	w := newWorld(Options{Seed: seed, Flaws: flaws, Out: out})
	w.opts.Witnesses = 3 + 2*w.rng.IntN(4)
	w.opts.Agents = w.opts.Witnesses + w.rng.IntN(3)
	w.opts.Clients = 2 + w.rng.IntN(3)
	w.apart = w.rng.IntN(8) == 0
	w.build()
	c := newChaos(w)
	if w.violation == nil {
		w.live(c, length)
	}
	o := Outcome{Seed: seed, Length: w.now, Violation: w.violation, Sum: w.trace.sum, Messages: w.messages, Records: len(w.truth.published), Faults: c.struck}
	for _, n := range w.nodes[:2] {
		o.Epochs = max(o.Epochs, n.durable.Voter.Promised.Epoch.Counter)
	}
	return o
}

func (w *World) live(c *chaos, length time.Duration) {
	for _, cl := range w.clients {
		cl.live()
	}
	w.care()
	w.service.served = w.now
	w.service.watch()
	c.begin()
	w.runUntil(w.now + length)
	c.end()
	w.say("world", "no more faults")
	if w.violation != nil {
		return
	}
	w.settle()
}

// settle lets everything come together and sees that it does.
func (w *World) settle() {
	began := w.now
	w.runUntil(w.now + settling - 10*time.Second)
	for _, c := range w.clients {
		c.asleep = true
	}
	w.resting = true
	if !w.runWhile(began+settling, func() bool { return !w.together() || w.clientsWait() || !w.workDone() }) {
		w.broken("after faults stop, all comes together within a minute", "%s", w.missing())
		return
	}
	w.runUntil(w.now + 2*time.Second)
	for _, n := range w.nodes[:2] {
		if !n.shown.equal(w.nodes[0].shown) {
			w.broken("replicas converge", "%s shows other objects than %s", n.name, w.nodes[0].name)
		}
	}
	if n := uint64(len(w.truth.published)); w.truth.acked > n {
		w.broken("what was acknowledged is there", "record %d was acknowledged, and %d are published", w.truth.acked, n)
	}
}

func (w *World) clientsWait() bool {
	for _, c := range w.clients {
		if c.busy != nil {
			return true
		}
	}
	return false
}

// missing says what keeps a cluster from being together.
func (w *World) missing() string {
	text := ""
	for _, n := range w.nodes {
		if !n.up {
			text += fmt.Sprintf("%s is down; ", n.name)
			continue
		}
		s := n.replica.Status(n.host.clock())
		if n.ops != nil {
			text += "left to do: " + n.ops.left() + "; "
		}
		text += fmt.Sprintf("%s is %s %s, published %d of %d, right %v, record %s, pending %d, missing %q; ", n.name, s.Role, s.Phase, s.Published.Index, s.End.Index, s.Right, s.Record, len(s.Pending), s.Missing)
	}
	return text
}

// retained is how many published records retention leaves in a log.
const retained = 40

// care is what the people and the services of a cluster do: they replace witnesses that were installed
// anew, and cut old records from the log.
func (w *World) care() {
	w.after(2*time.Second, func() {
		if p := w.primary(); p != nil && !p.paused && !p.host.asleep {
			w.replaceWitnesses(p)
			if end := p.published.Index; end > p.log.cut.Index+150 && w.rng.IntN(8) == 0 {
				for _, n := range w.nodes {
					if n.up && n.published.Index > retained {
						n.log.forget(n.published.Index - retained)
					}
				}
			}
		}
		w.care()
	})
}

func (w *World) replaceWitnesses(p *node) {
	r := p.replica.Status(p.host.clock()).Record
	if r == nil || len(r.Witnesses) != 1 {
		return
	}
	for _, x := range r.Witnesses[0] {
		if g := w.agent(x.Agent); g.identity != x.Identity {
			p.step(lease.SetWitnesses{Witnesses: w.present(len(r.Witnesses[0]))})
			return
		}
	}
}

func (w *World) workDone() bool {
	p := w.primary()
	return p != nil && p.ops != nil && p.ops.left() == ""
}
