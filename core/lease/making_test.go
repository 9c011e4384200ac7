package lease

import (
	"testing"
	"time"
)

// makes has a primary begin to write a record, of which its disk says nothing yet.
func (h *host) makes(content string) Entry {
	e := h.log.next(h.replica.Status(h.c.now).Epoch, content)
	h.log.making = &e
	h.step(Grown{})
	return e
}

// ends ends that.
func (h *host) ends(ok bool) {
	e, read := *h.log.making, h.log.read
	h.log.making, h.log.read = nil, false
	switch {
	case ok:
		h.log.entries = append(h.log.entries, e)
		h.step(Grown{})
	case read:
		h.step(Unwritten{Epoch: e.Epoch})
	}
	if h.begins != (Epoch{}) {
		h.log.add(h.begins, "epoch begins")
		h.begins = Epoch{}
		h.step(Grown{})
	}
}

// has tells whether a host has a record on disk.
func (h *host) has(p Position) func() bool {
	return func() bool { hash, _, there := h.log.At(p.Index); return there && hash == p.Hash }
}

// Both disks write a record at the same time, and it is acknowledged when both have it, whichever is first.
func TestBothDisksWriteAtOnce(t *testing.T) {
	c, a, b := pair(t)
	x := a.makes("x")
	c.run(10*time.Millisecond, "B has the record", b.has(x.Position))
	c.pass(time.Second) // B's answer, and more than one beat
	if a.published.Index >= x.Position.Index || b.published.Index >= x.Position.Index {
		t.Fatal("the record is published, and A has it not on disk")
	}
	a.ends(true)
	if a.published != x.Position {
		t.Errorf("published %d, and both have %d", a.published.Index, x.Position.Index)
	}
	c.run(time.Second, "the next is acknowledged as well", a.write("y"))
	b.hung = true
	z := a.makes("z")
	c.pass(100 * time.Millisecond)
	a.ends(true)
	if a.published.Index >= z.Position.Index {
		t.Fatal("the record is published, and B has it not on disk")
	}
	b.wakes()
	c.run(time.Second, "it is acknowledged", func() bool { return a.published == z.Position })
}

// What the other node may have, and this one's disk did not take, ends the reign: the next record would have its
// number. Whoever is elected goes on from what the other node has, and this one is not before its disk works.
func TestUnwrittenEndsTheReign(t *testing.T) {
	c, a, b := pair(t)
	x := a.makes("x")
	c.run(10*time.Millisecond, "B has the record", b.has(x.Position))
	a.hung = true
	a.ends(false)
	if a.serving || a.replica.Acting() {
		t.Fatal("A serves on")
	}
	asked := c.asked["A"]
	c.run(20*time.Second, "B acts", func() bool { return b.replica.Acting() })
	if c.asked["A"] != asked {
		t.Error("A wants to be elected, and its disk does not work")
	}
	if !b.has(x.Position)() {
		t.Error("B gave the record up")
	}
	a.hung = false
	a.crash()
	a.start()
	c.run(20*time.Second, "A has everything", func() bool { return a.log.End() == b.log.End() })
}

// What nobody else has may fail without harm.
func TestUnwrittenThatNobodyHas(t *testing.T) {
	c, a, b := pair(t)
	a.step(SetMode{Mode: Async})
	c.run(5*time.Second, "A is sole", func() bool { return a.replica.Status(c.now).Sole })
	x := a.makes("x")
	c.pass(2 * time.Second)
	if a.log.read || b.has(x.Position)() {
		t.Error("a record that nobody waits for is sent before it is written")
	}
	a.ends(false)
	if !a.replica.Acting() {
		t.Error("A does not act")
	}
	c.run(time.Second, "the next is acknowledged", a.write("y"))
	c.run(5*time.Second, "B has it", b.has(a.log.End()))
}

// What an epoch before left, and is still being written, is not sent in the name of the next one: it could still
// fail, and its number be another record's.
func TestMakingOfAnEpochBefore(t *testing.T) {
	c, a, b := pair(t)
	c.down = map[string]bool{"w1": true, "w2": true, "w3": true, "A>B": true}
	x := a.makes("x")
	c.run(10*time.Second, "A stops", func() bool { return !a.replica.Acting() })
	delete(c.down, "A>B")
	c.run(10*time.Second, "A is elected again", func() bool { return a.begins != (Epoch{}) })
	c.pass(2 * time.Second)
	if b.has(x.Position)() {
		t.Fatal("B has a record of an epoch that is over, and A not")
	}
	a.ends(true)
	c.run(time.Second, "A acts", func() bool { return a.replica.Acting() })
	if !b.has(x.Position)() {
		t.Error("B does not have what A's log has")
	}
}
