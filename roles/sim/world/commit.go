package world

import (
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/store/journal"
)

// committer writes one change after another to a primary's log.
type committer struct {
	n       *node
	epoch   lease.Epoch
	begun   bool
	busy    bool
	full    bool // the last records found no room
	queue   []tx
	waiting []waiting // for publication, in the order of their index
}

// tx is a change that is to be decided on the newest state and written. Decide returns what to write, or
// nothing and the answer, which waits until all that it was decided on is published.
type tx struct {
	cause  journal.Cause
	decide func(s state) []journal.Change
	done   func(at lease.Position) // published
	gone   func()                  // the node lost its right: nobody knows how it ends
}

type waiting struct {
	at   lease.Position
	done func(lease.Position)
	gone func()
}

// start writes "epoch begins"; other changes follow it.
func (c *committer) start(e lease.Epoch) {
	c.halt()
	c.epoch, c.begun = e, true
	c.queue = append(c.queue, tx{cause: system, decide: func(state) []journal.Change { return nil }})
	c.next()
}

// halt answers all that wait.
func (c *committer) halt() {
	c.begun = false
	for _, t := range c.queue {
		if t.gone != nil {
			t.gone()
		}
	}
	for _, t := range c.waiting {
		if t.gone != nil {
			t.gone()
		}
	}
	c.queue, c.waiting = nil, nil
}

func (c *committer) submit(t tx) {
	if !c.begun {
		if t.gone != nil {
			t.gone()
		}
		return
	}
	c.queue = append(c.queue, t)
	c.next()
}

// next writes the next change, when none is under way.
func (c *committer) next() {
	for c.begun && !c.busy && len(c.queue) > 0 {
		t := c.queue[0]
		c.queue = c.queue[1:]
		changes := t.decide(c.n.log.head)
		if changes == nil && t.cause != system {
			c.wait(c.n.log.End(), t) // decided on what may not be published yet
			continue
		}
		c.write(t, changes)
	}
}

func (c *committer) write(t tx, changes []journal.Change) {
	n, log := c.n, c.n.log
	end := log.End()
	now := n.host.time()
	if len(log.recs) > 0 {
		if last := log.recs[len(log.recs)-1].rec.Time; now.Before(last) {
			now = last
		}
	} else if log.last.After(now) {
		now = log.last
	}
	r := &journal.Record{Index: end.Index + 1, Prev: end.Hash, Epoch: c.epoch, Time: now, Cause: t.cause, Changes: changes}
	data := r.Encode()
	s := stored{lease.Position{Index: r.Index, Hash: r.Hash}, data, r}
	c.busy = true
	epoch := c.epoch
	w := write{grows: true, apply: func() {
		if log.End() == end {
			log.add(s)
			log.synced = s.pos.Index
		}
	}, done: n.finished(func(ok bool) {
		c.busy = false
		read := log.made()
		c.full = !ok
		switch {
		case !ok && read:
			if t.gone != nil {
				t.gone()
			}
			if c.epoch == epoch && !n.w.opts.Flaws.Has(lease.FlawGoOnUnwritten) {
				c.begun = false
			}
			n.step(lease.Unwritten{Epoch: epoch})
		case !ok || log.End() != s.pos:
			if t.gone != nil {
				t.gone()
			}
			if t.cause == system && ok == false && c.begun && c.epoch == epoch {
				n.stopDead("stops: the beginning of its epoch cannot be written")
				return
			}
		case c.begun && c.epoch == epoch:
			c.wait(s.pos, t)
			n.step(lease.Grown{})
		case t.gone != nil:
			t.gone()
		}
		c.next()
	})}
	if n.w.opts.Flaws.Has(lease.FlawAckBeforeSync) && t.cause != system {
		log.add(s)
		w.apply, w.done = func() { log.synced = max(log.synced, min(s.pos.Index, log.End().Index)) }, nil
		n.host.disk.submit(logFile, w)
		c.busy = false
		c.wait(s.pos, t)
		n.step(lease.Grown{})
		return
	}
	n.host.disk.submit(logFile, w)
	if t.cause != system {
		log.making = &s
		n.step(lease.Grown{})
	}
}

// wait has the answer wait until a position is published.
func (c *committer) wait(at lease.Position, t tx) {
	if at.Index <= c.n.published.Index || c.n.w.opts.Flaws.Has(lease.FlawShowUnpublished) && t.decide != nil && t.cause != system && at == c.n.log.End() && !c.busy && c.refusal(at, t) {
		if t.done != nil {
			t.done(at)
		}
		return
	}
	c.waiting = append(c.waiting, waiting{at, t.done, t.gone})
}

// refusal tells whether the answer at a position is one that changed nothing.
func (c *committer) refusal(at lease.Position, t tx) bool {
	s, ok := c.n.log.get(at.Index)
	return ok && s.rec.Cause != t.cause
}

// publishedTo answers all that waited for a position.
func (c *committer) publishedTo(p lease.Position) {
	for len(c.waiting) > 0 && c.waiting[0].at.Index <= p.Index {
		w := c.waiting[0]
		c.waiting = c.waiting[1:]
		if w.done != nil {
			w.done(w.at)
		}
	}
}

// put makes the change that sets an object.
func put(s state, kind model.Kind, id model.ID, value []byte) journal.Change {
	c := journal.Change{Kind: kind, ID: id, Op: journal.Create, Version: 1, After: value}
	if old, there := s.objects[id]; there {
		c.Op, c.Before = journal.Update, old
	}
	return c
}

// remove makes the change that removes an object.
func remove(s state, kind model.Kind, id model.ID) journal.Change {
	return journal.Change{Kind: kind, ID: id, Op: journal.Delete, Version: 1, Before: s.objects[id]}
}
