package world

import (
	"fmt"
	"time"

	"kowabunga/core/lease"
)

// build makes a cluster of two nodes with agents and clients, and lets it come together.
func (w *World) build() {
	a := w.newNode("A", w.newHost("A"))
	b := w.newNode("B", w.newHost("B"))
	for i := range w.opts.Agents {
		name := fmt.Sprint(i + 1)
		w.newAgent(name, w.newHost(name))
	}
	for i := range w.opts.Clients {
		w.newClient(fmt.Sprintf("client%d", i+1))
	}
	if w.apart {
		w.newNode("C", w.newHost("C")).apart = true
	}
	a.founded()
	b.joins(a)
	for _, g := range w.agents {
		g.start()
	}
	a.start()
	if !w.runWhile(w.now+10*time.Second, func() bool { return !a.serving }) {
		w.broken("the first node serves", "%s does not", a.name)
		return
	}
	first := w.present(w.opts.Witnesses)
	if w.set != nil {
		first = nil
		for _, name := range w.set {
			first = append(first, w.agent(name).witness())
		}
	}
	a.step(lease.SetWitnesses{Witnesses: first})
	b.start()
	if !w.runWhile(w.now+20*time.Second, func() bool { return !w.together() }) {
		w.broken("two nodes come together", "they do not")
	}
}

// present are the first few agents as they are now.
func (w *World) present(count int) []lease.Witness {
	out := []lease.Witness{}
	for _, g := range w.agents[:min(count, len(w.agents))] {
		out = append(out, g.witness())
	}
	return out
}

// together tells whether there is a primary whose record is settled, names all present witnesses and has,
// in synchronous mode, the other node in sync.
func (w *World) together() bool {
	p := w.primary()
	if p == nil {
		return false
	}
	s := p.replica.Status(p.host.clock())
	if len(s.Pending) > 0 || len(s.Record.Witnesses) != 1 || len(s.Record.Nodes) != 2 || s.Record.Mode == lease.Sync && len(s.Record.Sync) != 2 {
		return false
	}
	for _, x := range s.Record.All() {
		if g := w.agent(x.Agent); g == nil || g.identity != x.Identity {
			return false
		}
	}
	for _, n := range w.nodes {
		if !n.apart && (!n.up || n.published != p.published) {
			return false
		}
	}
	return true
}
