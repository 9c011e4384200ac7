package world

import (
	"fmt"
	"slices"
	"time"

	"kowabunga/core/model"
)

// client writes and reads, one request after the other, and remembers what it was told.
type client struct {
	w       *World
	name    string
	at      place
	count   int
	busy    *asked
	asleep  bool // asks nothing by itself
	results map[string]*asked
}

// asked is a request of a client.
type asked struct {
	request
	to    *node
	floor uint64 // what had been acknowledged to anybody when it was first sent
	tries int
	since int // losses that were accepted before it was first sent
	reply *reply
	acked time.Duration
}

// patience is how long a client waits for an answer.
const patience = 4 * time.Second

func (c *client) title() string { return c.name }

func (w *World) newClient(name string) *client {
	c := &client{w: w, name: name, results: map[string]*asked{}}
	c.at = w.join(c)
	w.clients = append(w.clients, c)
	return c
}

// live has the client ask something now and then.
func (c *client) live() {
	c.w.after(c.w.between(100*time.Millisecond, 2*time.Second), func() {
		if !c.asleep && c.busy == nil {
			c.busy = c.invent()
			c.send(c.busy)
		}
		c.live()
	})
}

// invent draws a request.
func (c *client) invent() *asked {
	c.count++
	a := &asked{request: request{id: fmt.Sprintf("%s-%d", c.name, c.count), object: model.ID(fmt.Sprintf("key%d", c.w.rng.IntN(8)))}}
	a.value = a.id
	switch x := c.w.rng.IntN(10); {
	case x < 4:
		a.verb = writes
	case x < 5:
		a.verb = creates
		a.object = model.ID(fmt.Sprintf("name%d", c.w.rng.IntN(4*c.count)))
	case x < 6:
		a.stale = true
	}
	a.to = c.w.nodes[c.w.rng.IntN(2)]
	return a
}

// send asks a node, and again another one when there is no answer.
func (c *client) send(a *asked) {
	c.results[a.id] = a
	if a.tries == 0 {
		a.floor, a.since = c.w.truth.acked, c.w.truth.losses
	}
	a.tries++
	tries := a.tries
	c.w.send(c.at, a.to.at, a.request)
	c.w.after(patience, func() {
		if a.reply == nil && a.tries == tries {
			c.again(a)
		}
	})
}

// again repeats a request under the same id, somewhere else; or the client loses interest.
func (c *client) again(a *asked) {
	if c.busy != a {
		return // a script asks once
	}
	if a.tries >= 5 {
		c.busy = nil
		return
	}
	a.tries++ // no answer to what was sent before counts as this one's time-out
	tries := a.tries
	c.w.after(c.w.between(50*time.Millisecond, time.Second), func() {
		if a.reply == nil && a.tries == tries {
			a.to = c.w.nodes[c.w.rng.IntN(2)]
			c.send(a)
		}
	})
}

func (c *client) receive(_ place, message any) {
	r, ok := message.(reply)
	if !ok {
		return
	}
	a := c.results[r.id]
	if a == nil || a.reply != nil {
		return
	}
	if !r.done {
		if c.w.script != nil {
			c.w.say(c.name, "%s has no answer: %s", a.id, r.why)
		}
		c.again(a)
		return
	}
	a.reply, a.acked = &r, c.w.now
	if c.busy == a {
		c.busy = nil
		delete(c.results, a.id)
	}
	c.judge(a, r)
}

// judge checks an answer against all that is known to be true.
func (c *client) judge(a *asked, r reply) {
	w := c.w
	what := "reads"
	switch {
	case r.refused:
		what = "is refused"
	case a.verb != reads:
		what = "is told done"
	}
	if w.script != nil {
		w.say(c.name, "%s %s: record %d%s", a.id, what, r.at.Index, map[bool]string{true: ", " + r.value}[a.verb == reads && r.value != ""])
	}
	if a.since != w.truth.losses {
		return // the answer may be of what is lost since
	}
	if !w.truth.shown(r.at) && !w.truth.lossy {
		w.broken("nothing is seen too early", "%s %s at record %d, which is not published", a.id, what, r.at.Index)
	}
	if !r.stale && r.at.Index < a.floor && a.verb == reads {
		w.broken("a read shows all that was acknowledged before it began", "%s reads as of record %d, and record %d was acknowledged", a.id, r.at.Index, a.floor)
	}
	if !r.stale && a.verb != reads {
		w.truth.acked = max(w.truth.acked, r.at.Index)
	}
}

// acked are the changes that the client was told are done.
func (c *client) acked() (out []string) {
	for id, a := range c.results {
		if a.reply != nil && a.verb != reads && !a.reply.refused {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
