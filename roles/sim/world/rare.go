package world

import (
	"time"

	"kowabunga/core/lease"
)

// rareKinds are what happens in few runs, because it changes what must hold.
var rareKinds = []faultKind{
	{"promote", func(w *World) func() {
		n, other := w.nodes[0], w.nodes[1]
		if w.rng.IntN(2) == 0 {
			n, other = other, n
		}
		if !w.well(&n.process) || w.primary() == n || other.off || n.off || w.promoted {
			return nil
		}
		w.kill(other, "is off, says a person")
		other.off, w.promoted = true, true
		w.promote(n, w.present(3))
		w.awaitPromoted(n, other, w.now+10*time.Second)
		return nil
	}},
	{"restore", func(w *World) func() {
		if !w.apart || w.nodes[2].up {
			return nil
		}
		c, of := w.nodes[2], w.nodes[w.rng.IntN(2)]
		w.restore(c, of)
		c.start()
		return func() { c.kill("is taken down again") }
	}},
}

// awaitPromoted keeps the other node off until the promoted one serves, and counts losses as over once
// both are together again.
func (w *World) awaitPromoted(n, other *node, again time.Duration) {
	w.after(time.Second, func() {
		switch {
		case w.primary() == n && other.off:
			other.off = false
			w.say(other.name, "comes back with an empty disk")
			other.joins(n)
			other.start()
		case other.off && w.now >= again && w.well(&n.process):
			w.promote(n, w.present(3))
			again = w.now + 10*time.Second
		case !other.off && w.primary() != nil && !named(w.primary(), other):
			p := w.primary()
			p.run(func() { p.step(lease.Adopt{Node: other.self()}) })
		case !other.off && w.together():
			w.truth.lossy = false
			return
		}
		w.awaitPromoted(n, other, again)
	})
}

// named tells whether a primary's record names another node.
func named(p, other *node) bool {
	_, ok := p.replica.Status(p.host.clock()).Record.Node(other.durable.Node)
	return ok || p == other
}

// restartSome restarts most of the witnesses at once, as a power cut of a zone does.
func restartSome(w *World) func() {
	var down []*agent
	for _, g := range w.agents {
		if w.rng.IntN(3) > 0 {
			w.kill(g, "loses power with others")
			g.host.boot()
			down = append(down, g)
		}
	}
	start := func() {
		for _, g := range down {
			g.start()
		}
	}
	if w.rng.IntN(2) == 0 {
		w.after(w.between(0, 2*time.Second), start)
		return nil
	}
	return start
}

// partNodes cuts the two nodes from each other, and sometimes one of them from some of the witnesses.
func partNodes(w *World) func() {
	a, b := w.nodes[0].at, w.nodes[1].at
	w.link(a, b).cut, w.link(b, a).cut = true, true
	one := w.nodes[w.rng.IntN(2)]
	deaf := w.rng.IntN(2) == 0 // it is heard, and hears nothing
	var from []place
	if w.rng.IntN(2) == 0 {
		for _, g := range w.agents {
			if w.rng.IntN(3) > 0 {
				from = append(from, g.at)
				w.link(g.at, one.at).cut = true
				if !deaf {
					w.link(one.at, g.at).cut = true
				}
			}
		}
	}
	w.say("world", "A and B do not hear each other; %s is cut off from %d witnesses, one way %v", one.name, len(from), deaf)
	return func() {
		w.mend(a, b)
		w.mend(b, a)
		for _, g := range from {
			w.mend(g, one.at)
			w.mend(one.at, g)
		}
		w.say("world", "A and B hear each other")
	}
}

// otherWitnesses has the primary ask for other witnesses.
func otherWitnesses(w *World) {
	if p := w.primary(); p != nil {
		n := 3 + 2*w.rng.IntN(4)
		all := w.present(len(w.agents))
		w.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		w.say("world", "asks %s for %d other witnesses", p.name, min(n, len(all)))
		p.run(func() { p.step(lease.SetWitnesses{Witnesses: all[:min(n, len(all))]}) })
	}
}
