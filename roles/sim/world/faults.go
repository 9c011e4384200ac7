package world

import (
	"time"

	"kowabunga/core/lease"
)

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
		p.host.disk.fill()
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
