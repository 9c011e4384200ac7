package world

import (
	"time"

	"kowabunga/core/lease"
)

// chaos strikes with faults: of each run some kinds are chosen, and how often they come.
type chaos struct {
	w      *World
	kinds  []faultKind
	mean   time.Duration // between two
	over   bool
	struck int
	hurts  []func() // what mends each fault that is not mended yet
}

// faultKind is a way to fail. Strike does it and returns what mends it, nil when nothing has to be.
type faultKind struct {
	name   string
	strike func(w *World) (mend func())
}

func newChaos(w *World) *chaos {
	c := &chaos{w: w}
	means := []time.Duration{time.Second, 3 * time.Second, 8 * time.Second, 20 * time.Second, 60 * time.Second}
	c.mean = means[w.rng.IntN(len(means))]
	for len(c.kinds) == 0 {
		for _, k := range faultKinds {
			if w.rng.IntN(5) < 2 {
				c.kinds = append(c.kinds, k)
			}
		}
	}
	for _, k := range rareKinds {
		if w.rng.IntN(8) == 0 || k.name == "restore" && w.apart {
			c.kinds = append(c.kinds, k)
		}
	}
	return c
}

func (c *chaos) begin() {
	for _, k := range c.kinds {
		c.w.say("world", "may: %s", k.name)
	}
	c.next()
}

func (c *chaos) next() {
	wait := time.Duration(c.w.rng.ExpFloat64() * float64(c.mean))
	c.w.after(wait, func() {
		if c.over {
			return
		}
		c.strike()
		c.next()
	})
}

// spans are how long faults last.
var spans = [][2]time.Duration{{10 * time.Millisecond, 2 * time.Second}, {time.Second, 8 * time.Second}, {5 * time.Second, 15 * time.Second}, {10 * time.Second, 60 * time.Second}, {60 * time.Second, 150 * time.Second}}

func (c *chaos) strike() {
	k := c.kinds[c.w.rng.IntN(len(c.kinds))]
	mend := k.strike(c.w)
	c.struck++
	if mend == nil {
		return
	}
	c.hurts = append(c.hurts, mend)
	at := len(c.hurts) - 1
	s := spans[c.w.rng.IntN(len(spans))]
	c.w.after(c.w.between(s[0], s[1]), func() {
		if c.hurts[at] != nil {
			c.hurts[at] = nil
			mend()
		}
	})
}

// end mends everything.
func (c *chaos) end() {
	c.over = true
	for i, mend := range c.hurts {
		if mend != nil {
			c.hurts[i] = nil
			mend()
		}
	}
	c.w.mendAll()
	for _, h := range c.w.hosts {
		h.disk.mend()
		h.wake()
	}
	for _, n := range c.w.nodes[:2] {
		n.resume()
		n.start()
	}
	for _, a := range c.w.agents {
		a.resume()
		a.start()
	}
}

// resume lets a paused process go on.
func (p *process) resume() {
	p.paused = false
	p.goOn()
}

// voters are the places of nodes and agents, without clients.
func (w *World) someone() endpoint {
	if x := w.rng.IntN(4); x < 3 || len(w.agents) == 0 {
		return w.nodes[w.rng.IntN(2)]
	}
	return w.agents[w.rng.IntN(len(w.agents))]
}

func (w *World) placeOf(e endpoint) place {
	switch e := e.(type) {
	case *node:
		return e.at
	case *agent:
		return e.at
	case *client:
		return e.at
	}
	return 0
}

func processOf(e endpoint) *process {
	switch e := e.(type) {
	case *node:
		return &e.process
	case *agent:
		return &e.process
	}
	return nil
}

// faultKinds are all the ways to fail that chance chooses from.
var faultKinds = []faultKind{
	{"cut one way", func(w *World) func() { return w.harm(false, func(l *link) { l.cut = true }, "cut") }},
	{"cut both ways", func(w *World) func() { return w.harm(true, func(l *link) { l.cut = true }, "cut") }},
	{"stall", func(w *World) func() { return w.harm(true, func(l *link) { l.stalled = true }, "stalled") }},
	{"stall one way", func(w *World) func() { return w.harm(false, func(l *link) { l.stalled = true }, "stalled") }},
	{"isolate", isolate},
	{"split", split},
	{"bad network", badNetwork},
	{"kill", func(w *World) func() {
		e := w.someone()
		w.kill(e, "is killed")
		return func() { w.start(e) }
	}},
	{"quick restart", func(w *World) func() {
		e := w.someone()
		w.kill(e, "is killed and starts again")
		w.start(e)
		return nil
	}},
	{"power loss", func(w *World) func() {
		e := w.someone()
		w.kill(e, "loses power")
		processOf(e).host.boot()
		return func() { w.start(e) }
	}},
	{"pause", func(w *World) func() {
		e := w.someone()
		p := processOf(e)
		w.say(p.name, "is paused")
		p.paused = true
		return func() {
			w.say(p.name, "goes on")
			p.resume()
		}
	}},
	{"sleep", func(w *World) func() {
		e := w.someone()
		p := processOf(e)
		w.say(p.name, "is suspended")
		p.host.sleep()
		return func() {
			w.say(p.name, "wakes up")
			p.host.wake()
		}
	}},
	{"hung disk", func(w *World) func() {
		p := processOf(w.someone())
		w.say(p.name, "has a hung disk")
		p.host.disk.hung = true
		return func() { w.mendDisk(p) }
	}},
	{"full disk", func(w *World) func() {
		p := processOf(w.someone())
		w.say(p.name, "has a full disk")
		p.host.disk.full = true
		return func() { w.mendDisk(p) }
	}},
	{"slow disk", func(w *World) func() {
		p := processOf(w.someone())
		p.host.disk.slow = w.between(20*time.Millisecond, 3*time.Second)
		w.say(p.name, "has a disk that takes up to %v", p.host.disk.slow)
		return func() { w.mendDisk(p) }
	}},
	{"wall clock jumps", func(w *World) func() {
		p := processOf(w.someone())
		p.host.wall += w.between(-time.Hour, time.Hour)
		return nil
	}},
	{"image a witness", func(w *World) func() {
		a := w.agents[w.rng.IntN(len(w.agents))]
		w.kill(a, "is installed anew")
		a.host.boot()
		a.image()
		return func() { w.start(a) }
	}},
	{"change witnesses", func(w *World) func() { otherWitnesses(w); return nil }},
	{"change witnesses in a split", func(w *World) func() { otherWitnesses(w); return split(w) }},
	{"restart many witnesses", restartSome},
	{"part the nodes", partNodes},
	{"handoff", func(w *World) func() {
		if p := w.primary(); p != nil {
			w.say("world", "asks %s to hand over", p.name)
			p.run(func() { p.step(lease.Handoff{}) })
		}
		return nil
	}},
	{"orderly restart", func(w *World) func() {
		n := w.nodes[w.rng.IntN(2)]
		n.run(func() {
			w.say(n.name, "is asked to end")
			n.step(lease.Shutdown{})
			n.later(time.Second, func() {
				n.kill("ends")
				w.after(500*time.Millisecond, n.start)
			})
		})
		return nil
	}},
	{"change mode", func(w *World) func() {
		p := w.primary()
		if p == nil {
			return nil
		}
		w.say("world", "asks %s for asynchronous mode", p.name)
		p.run(func() { p.step(lease.SetMode{Mode: lease.Async}) })
		return func() { w.synchronous() }
	}},
}

// synchronous asks for synchronous mode until it is there.
func (w *World) synchronous() {
	if p := w.primary(); p != nil {
		if p.replica.Status(p.host.clock()).Record.Mode == lease.Sync {
			return
		}
		p.run(func() { p.step(lease.SetMode{Mode: lease.Sync}) })
	}
	w.after(time.Second, w.synchronous)
}

func (w *World) mendDisk(p *process) {
	w.say(p.name, "has a sound disk again")
	p.host.disk.mend()
}

func (w *World) kill(e endpoint, why string) {
	switch e := e.(type) {
	case *node:
		e.kill(why)
	case *agent:
		e.kill(why)
	}
}

func (w *World) start(e endpoint) {
	switch e := e.(type) {
	case *node:
		e.start()
	case *agent:
		e.start()
	}
}

// harm does something to the way between two, in one direction or in both.
func (w *World) harm(both bool, how func(*link), word string) func() {
	from := w.someone()
	to := from
	for to == from {
		to = w.someone()
	}
	a, b := w.placeOf(from), w.placeOf(to)
	arrow := "->"
	how(w.link(a, b))
	if both {
		how(w.link(b, a))
		arrow = "-"
	}
	w.say("world", "%s%s%s is %s", from.title(), arrow, to.title(), word)
	return func() {
		w.mend(a, b)
		if both {
			w.mend(b, a)
		}
		w.say("world", "%s%s%s is sound again", from.title(), arrow, to.title())
	}
}

// parties are the places of all but clients.
func (w *World) parties() []place {
	var out []place
	for _, n := range w.nodes {
		out = append(out, n.at)
	}
	for _, a := range w.agents {
		out = append(out, a.at)
	}
	return out
}

func isolate(w *World) func() {
	e := w.someone()
	at := w.placeOf(e)
	for _, o := range w.parties() {
		if o != at {
			w.link(at, o).cut, w.link(o, at).cut = true, true
		}
	}
	w.say("world", "%s is cut off from all", e.title())
	return func() {
		for _, o := range w.parties() {
			if o != at {
				w.mend(at, o)
				w.mend(o, at)
			}
		}
		w.say("world", "%s is back in the network", e.title())
	}
}

// split divides all into two halves that do not hear each other; sometimes only in one direction.
func split(w *World) func() {
	all := w.parties()
	side := make([]bool, len(all))
	names := ""
	for i := range all {
		if side[i] = w.rng.IntN(2) == 0; side[i] {
			names += " " + w.places[all[i]].title()
		}
	}
	both := w.rng.IntN(3) > 0
	each := func(do func(a, b place)) {
		for i, a := range all {
			for j, b := range all {
				if i != j && side[i] && !side[j] {
					do(a, b)
					if both {
						do(b, a)
					}
				}
			}
		}
	}
	each(func(a, b place) { w.link(a, b).cut = true })
	w.say("world", "the network splits: %s on one side, two-way %v", names, both)
	return func() {
		each(w.mend)
		w.say("world", "the split is over")
	}
}

// badNetwork loses, repeats and delays messages everywhere.
func badNetwork(w *World) func() {
	drop, twice, slow := w.rng.IntN(400), w.rng.IntN(300), w.between(0, 1500*time.Millisecond)
	all := w.parties()
	for _, a := range all {
		for _, b := range all {
			if l := w.link(a, b); a != b && !l.cut {
				l.drop, l.twice, l.slow = drop, twice, slow
			}
		}
	}
	w.say("world", "the network loses %d and repeats %d of 1000, delays up to %v", drop, twice, slow)
	return func() {
		for _, a := range all {
			for _, b := range all {
				l := w.link(a, b)
				l.drop, l.twice, l.slow = 0, 0, 0
			}
		}
		w.say("world", "the network is good again")
	}
}
