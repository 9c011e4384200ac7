package lease

import (
	"slices"
	"testing"
	"time"
)

// back puts the disk of the log back at an earlier state, which is sound in itself.
func (h *host) back(records int) {
	h.log.entries = h.log.entries[:len(h.log.entries)-records]
}

// refuses fails unless a node does not act for a while, and tells which record it lacks.
func (h *host) refuses(lacks uint64) {
	h.c.t.Helper()
	h.c.pass(30 * time.Second)
	if s := h.replica.Status(h.c.now); h.replica.Acting() || s.Lacks.Index != lacks {
		h.c.t.Errorf("acting %t, %+v, want to lack record %d", h.replica.Acting(), s, lacks)
	}
}

// A node that went on alone and comes back with the disk of an earlier day does not act: the witnesses know
// what it had. A person may give that up, and then nobody holds it against the node.
func TestSoleNodeWithAnEarlierDisk(t *testing.T) {
	c, a, b := pair(t)
	b.crash()
	c.run(5*time.Second, "shrunk", a.write("x"))
	c.run(5*time.Second, "a write is acknowledged", a.write("y"))
	c.pass(3 * time.Second) // a renewal
	had, log := a.log.End(), a.durable.Log
	a.crash()
	a.back(1)
	a.start()
	a.refuses(had.Index)
	a.crash()
	a.start()
	a.refuses(had.Index)
	b.start() // has it no more than A
	c.pass(30 * time.Second)
	if a.replica.Acting() || b.replica.Acting() {
		t.Fatal("somebody acts without the writes that were acknowledged")
	}
	b.crash()
	a.step(Promote{LoseAfter: a.log.End().Index, Witnesses: []Witness{witness(1), witness(2), witness(3)}})
	c.run(time.Second, "A acts", a.replica.Acting)
	c.run(time.Second, "a write is acknowledged", a.write("z"))
	c.pass(30 * time.Second)
	if s := a.replica.Status(c.now); !a.replica.Acting() || s.Lacks.Index != 0 || a.durable.Log == log {
		t.Errorf("after the promotion: %+v, log %s", s, a.durable.Log)
	}
}

// Where no voter is there at the start, the node acts; it stops as soon as one tells what it had, however many
// records it has written in the place of the lost ones.
func TestSoleNodeWithAnEarlierDiskIsToldLater(t *testing.T) {
	c, a, b := pair(t)
	b.crash()
	c.run(5*time.Second, "shrunk", a.write("x"))
	c.pass(3 * time.Second)
	had := a.log.End()
	a.crash()
	a.back(1)
	for _, w := range []string{"w1", "w2", "w3"} {
		c.down[w] = true
	}
	a.start()
	c.run(vouchAtMost+time.Second, "A acts", func() bool { return a.replica.Acting() })
	for range 10 {
		c.run(time.Second, "a write is acknowledged", a.write("instead"))
	}
	c.pass(10 * time.Second)
	delete(c.down, "w2")
	c.run(3*time.Second, "A stops", func() bool { return !a.replica.Acting() })
	a.refuses(had.Index)
}

// The same without a second node: witnesses remember for one that is alone, too, and are told only what is new.
func TestLoneNodeWithAnEarlierDisk(t *testing.T) {
	c := newCluster(t, 3)
	a := c.nodes["A"]
	c.run(time.Second, "A acts", a.replica.Acting)
	a.step(SetWitnesses{Witnesses: []Witness{witness(1), witness(2), witness(3)}})
	c.run(time.Second, "a write is acknowledged", a.write("x"))
	c.pass(5 * time.Second)
	said := a.replica.reign.renewal
	c.pass(time.Minute)
	if now := a.replica.reign.renewal; now != said {
		t.Errorf("with nothing new %d renewals were sent", now-said)
	}
	c.run(time.Second, "a write is acknowledged", a.write("y"))
	c.pass(5 * time.Second)
	a.crash()
	a.start()
	c.run(time.Second, "A acts again", func() bool { return a.replica.Acting() })
	had := a.log.End()
	c.pass(5 * time.Second)
	a.crash()
	a.back(2)
	a.start()
	a.refuses(had.Index)
}

// A primary shows up to where each witness said that it knows the log: one that is away stays behind.
func TestStatusShowsWhatWitnessesKnow(t *testing.T) {
	c := newCluster(t, 3)
	a := c.nodes["A"]
	c.run(time.Second, "A acts", a.replica.Acting)
	a.step(SetWitnesses{Witnesses: []Witness{witness(1), witness(2), witness(3)}})
	c.run(time.Second, "a write is acknowledged", a.write("x"))
	c.pass(5 * time.Second)
	first := a.log.End().Index
	c.down["w3"] = true
	c.run(time.Second, "a write is acknowledged", a.write("y"))
	next := a.log.End().Index
	want := []Told{{witness(1), next}, {witness(2), next}, {witness(3), first}}
	c.run(5*time.Second, "two know of it", func() bool { return slices.Equal(a.replica.Status(c.now).Told, want) })
	delete(c.down, "w3")
	want[2].Published = next
	c.run(5*time.Second, "all know of it", func() bool { return slices.Equal(a.replica.Status(c.now).Told, want) })
}

// A node that was stopped in order knows itself what it had.
func TestStoppedNodeWithAnEarlierDisk(t *testing.T) {
	c := newCluster(t, 0)
	a := c.nodes["A"]
	c.run(time.Second, "A acts", a.replica.Acting)
	c.run(time.Second, "a write is acknowledged", a.write("x"))
	a.step(Shutdown{})
	c.run(time.Second, "all is on disk", a.replica.Settled)
	a.crash()
	a.start()
	c.run(time.Second, "A acts again", func() bool { return a.replica.Acting() })
	a.step(Shutdown{})
	c.run(time.Second, "all is on disk", a.replica.Settled)
	had := a.log.End()
	a.crash()
	a.back(1)
	a.start()
	a.refuses(had.Index)
	if log := a.durable.Log; log == "A-1" {
		t.Error("on disk the log is what it was")
	}
	a.step(Promote{LoseAfter: a.log.End().Index})
	c.run(time.Second, "A acts", a.replica.Acting)
	c.run(time.Second, "a write is acknowledged", a.write("z"))
}

// In a pair the other node has what was lost: it acts, and the one with the earlier disk takes it from there.
func TestNodeOfAPairWithAnEarlierDisk(t *testing.T) {
	c, a, b := pair(t)
	c.run(time.Second, "a write is acknowledged", a.write("x"))
	c.run(time.Second, "a write is acknowledged", a.write("y"))
	c.pass(3 * time.Second)
	had := a.log.End()
	a.crash()
	a.back(2)
	a.start()
	c.run(20*time.Second, "B acts", func() bool { return b.replica.Acting() })
	if _, _, there := b.log.At(had.Index); !there {
		t.Error("B lacks what was acknowledged")
	}
	c.run(20*time.Second, "A has everything", func() bool {
		r := b.replica.Status(c.now).Record
		return r.InSync(a.durable.Log) && a.log.End() == b.log.End()
	})
	if hash, _, _ := a.log.At(had.Index); hash != had.Hash || a.replica.Status(c.now).Lacks.Index != 0 || a.durable.Lacks.Index != 0 {
		t.Error("A has another record in the place of one that was acknowledged")
	}
}
