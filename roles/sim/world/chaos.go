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
