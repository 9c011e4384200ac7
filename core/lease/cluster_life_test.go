package lease

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// pair makes a cluster of A, B and three witnesses with B in the sync set.
func pair(t *testing.T) (c *cluster, a, b *host) {
	c = newCluster(t, 3)
	a = c.nodes["A"]
	c.run(time.Second, "A serves alone at once", func() bool { return a.serving })
	b = c.add("B")
	b.start()
	c.run(5*time.Second, "B is in the sync set", func() bool { return a.replica.Status(c.now).Record.InSync("B-1") })
	a.step(SetWitnesses{Witnesses: []Witness{witness(1), witness(2), witness(3)}})
	c.run(5*time.Second, "the witnesses are named", func() bool {
		r := a.replica.Status(c.now).Record
		return len(r.Witnesses) == 1 && len(r.Witnesses[0]) == 3 && len(a.replica.Status(c.now).Pending) == 0
	})
	return c, a, b
}

func TestAStandbyJoinsAndHasEverything(t *testing.T) {
	c, a, b := pair(t)
	done := a.write("x")
	if done() {
		t.Fatal("acknowledged before B has it")
	}
	c.run(time.Second, "x is acknowledged", done)
	if b.log.End() != a.log.End() {
		t.Fatal("B lacks it")
	}
	c.run(time.Second, "B shows it", func() bool { return b.published == a.published })
}

// A third node only follows: it has no voice, and asks nobody for an election while it hears the primary.
func TestAThirdNodeOnlyFollows(t *testing.T) {
	c, a, b := pair(t)
	third := c.add("C")
	third.start()
	c.run(5*time.Second, "C has everything", func() bool { return third.log.End() == a.log.End() })
	before := c.asked["C"]
	for range 60 {
		done := a.write("x")
		c.pass(500 * time.Millisecond)
		if !done() {
			t.Fatal("a write is not acknowledged")
		}
	}
	if asked := c.asked["C"] - before; asked > 0 || third.replica.Status(c.now).Role != "standby" || third.log.End() != b.log.End() {
		t.Errorf("C asked %d times: %+v", asked, third.replica.Status(c.now))
	}
}

func TestThePrimaryDiesAndTheOtherTakesOver(t *testing.T) {
	c, a, b := pair(t)
	done := a.write("x")
	c.run(time.Second, "x is acknowledged", done)
	c.down["A"] = true
	a.write("y") // B never hears of it
	a.crash()
	delete(c.down, "A")
	c.run(12*time.Second, "B serves", func() bool { return b.serving })
	if b.published.Index < 2 || string(b.log.entries[len(b.log.entries)-1].Data) != "epoch begins" {
		t.Fatalf("%+v", b.log.entries)
	}
	c.run(time.Second, "B writes without A", b.write("z"))
	a.start()
	c.run(20*time.Second, "A follows and is in sync again", func() bool {
		r := b.replica.Status(c.now).Record
		return len(r.Sync) == 2 && a.log.End() == b.log.End() && len(b.replica.Status(c.now).Pending) == 0
	})
	if a.durable.Log == "A-1" {
		t.Fatal("A discarded a record under the same log id")
	}
}

func TestTheStandbyDiesAndWritesGoOn(t *testing.T) {
	c, a, b := pair(t)
	b.crash()
	c.run(3*time.Second, "a write is acknowledged after the shrink", a.write("x"))
	b.start()
	c.run(10*time.Second, "B is back in the sync set", func() bool { return len(a.replica.Status(c.now).Record.Sync) == 2 })
}

func TestWithoutWitnessesBothNodesServe(t *testing.T) {
	c, a, _ := pair(t)
	for _, w := range []string{"w1", "w2", "w3"} {
		c.down[w] = true
	}
	c.pass(30 * time.Second)
	if !a.replica.Acting() {
		t.Fatal("A stopped though B answers")
	}
	c.run(time.Second, "a write is acknowledged", a.write("x"))
}

func TestAloneWithoutAnybodyThePrimaryStops(t *testing.T) {
	c, a, b := pair(t)
	c.down["A"] = true
	done := a.write("x")
	c.run(5*time.Second, "A stops", func() bool { return !a.serving })
	c.run(12*time.Second, "B serves", func() bool { return b.serving })
	if done() {
		t.Fatal("x was acknowledged though B never had it")
	}
	delete(c.down, "A")
	c.run(20*time.Second, "A follows", func() bool { return a.log.End() == b.log.End() })
}

func TestHandoff(t *testing.T) {
	c, a, b := pair(t)
	c.run(time.Second, "a write is acknowledged", a.write("x"))
	before := c.now
	a.step(Handoff{})
	c.run(time.Second, "B serves", func() bool { return b.serving && !a.serving })
	t.Logf("took %v", c.now-before)
	if len(b.replica.Status(c.now).Record.Sync) != 2 {
		t.Fatal("A left the sync set")
	}
	c.run(time.Second, "B writes", b.write("y"))
	b.step(Handoff{})
	c.run(time.Second, "A serves again", func() bool { return a.serving && !b.serving })
}

func TestASolePrimaryNeedsNobody(t *testing.T) {
	c, a, b := pair(t)
	b.crash()
	c.run(3*time.Second, "shrunk", a.write("x"))
	for _, w := range []string{"w1", "w2", "w3"} {
		c.down[w] = true
	}
	c.pass(20 * time.Second)
	if !a.replica.Acting() {
		t.Fatal("A stopped though nobody else has a voice")
	}
	a.crash()
	a.start()
	c.run(vouchAtMost+time.Second, "A serves again", func() bool { return a.serving })
}

func TestPromoteByAPerson(t *testing.T) {
	c, a, b := pair(t)
	c.run(time.Second, "a write is acknowledged", a.write("x"))
	for _, w := range []string{"A", "w1", "w2", "w3"} {
		c.down[w] = true
	}
	c.pass(30 * time.Second)
	if b.serving || len(b.replica.Status(c.now).Missing) == 0 {
		t.Fatal("B serves, or does not say what is missing")
	}
	if err := b.replica.Refusal(Promote{LoseAfter: 1000}); err == nil {
		t.Fatal("promoted past its end")
	}
	b.step(Promote{LoseAfter: b.log.End().Index})
	c.run(time.Second, "B serves", func() bool { return b.serving })
	c.run(time.Second, "B writes", b.write("z"))
	c.down = map[string]bool{}
	c.run(30*time.Second, "A follows", func() bool { return a.log.End() == b.log.End() && !a.serving })
}

// A sole primary that was off when a person promoted the other one finds that out before it acts again.
func TestASolePrimaryWhoseOtherWasPromoted(t *testing.T) {
	for _, sole := range []bool{true, false} { // whether it is on disk that it needs nobody
		t.Run(fmt.Sprint(sole), func(t *testing.T) { promotedMeanwhile(t, sole) })
	}
}

func promotedMeanwhile(t *testing.T, sole bool) {
	c, a, b := pair(t)
	c.down["B"] = true
	c.run(10*time.Second, "A goes on alone", a.write("x"))
	if sole {
		c.pass(time.Second)
	}
	a.crash()
	delete(c.down, "B")
	c.pass(30 * time.Second)
	b.step(Promote{LoseAfter: b.log.End().Index})
	c.run(time.Second, "B serves", func() bool { return b.serving })
	a.start()
	for range 3000 {
		c.pass(10 * time.Millisecond)
		if a.serving {
			t.Fatalf("both act\n%s", strings.Join(c.notes, "\n"))
		}
	}
	c.run(30*time.Second, "A follows", func() bool { return a.log.End() == b.log.End() })
}

// The same when it acted again before it could hear the promoted one.
func TestASolePrimaryHearsLateThatTheOtherWasPromoted(t *testing.T) {
	c, a, b := pair(t)
	c.down["B"] = true
	c.run(10*time.Second, "A goes on alone", a.write("x"))
	c.pass(time.Second)
	a.crash()
	delete(c.down, "B")
	c.pass(30 * time.Second)
	b.step(Promote{LoseAfter: b.log.End().Index})
	c.run(time.Second, "B serves", func() bool { return b.serving })
	c.down["B"], c.untrue = true, true
	a.start()
	c.run(2*time.Second, "A serves, which hears nobody", func() bool { return a.serving })
	delete(c.down, "B")
	c.run(5*time.Second, "A stops", func() bool { return !a.serving })
	c.run(30*time.Second, "A follows", func() bool { return a.log.End() == b.log.End() && b.serving })
}

func TestAHungDiskEndsTheReign(t *testing.T) {
	c, a, b := pair(t)
	a.hung = true
	c.run(5*time.Second, "A stops", func() bool { return !a.serving })
	c.run(5*time.Second, "B is elected, 7.5 s after A renewed its lease: that A is there and sends on does not count", func() bool { return b.replica.Status(c.now).Role == "primary" })
	c.run(7*time.Second, "B serves, without A, which promised and puts nothing on its disk", func() bool { return b.serving })
}

func TestAStandbyWithAHungDiskHoldsNobodyUp(t *testing.T) {
	c, a, b := pair(t)
	b.hung = true
	c.run(8*time.Second, "a write is acknowledged without B", a.write("x"))
	c.pass(10 * time.Second)
	if sync := a.replica.Status(c.now).Record.Sync; len(sync) != 1 {
		t.Fatalf("the sync set is %v, while B writes nothing", sync)
	}
	b.wakes()
	c.run(10*time.Second, "B is back in the sync set", func() bool { return len(a.replica.Status(c.now).Record.Sync) == 2 })
}

// A node that stops in order is not taken back for what it still answers: the primary would wait for it when it is gone.
func TestANodeThatLeavesIsNotTakenBack(t *testing.T) {
	for name, answers := range map[string]func(b *host){
		"its last records get to the disk":   func(b *host) { b.wakes() },
		"an answer was on its way meanwhile": func(b *host) {},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 0) // nobody else could help the primary to leave it out once more
			a, b := c.nodes["A"], c.add("B")
			b.start()
			c.run(5*time.Second, "B is in the sync set", func() bool { return a.replica.Status(c.now).Record.InSync("B-1") })
			b.hung = true
			acknowledged := a.write("y")
			c.run(time.Second, "B writes it", func() bool { return len(b.writes) > 0 })
			log := b.durable.Log
			late := EntriesReply{Epoch: a.replica.Status(c.now).Epoch, Log: log, OK: true, End: a.log.End()}
			b.step(Shutdown{})
			c.run(time.Second, "B is out of the sync set", acknowledged)
			answers(b)
			a.step(Received{From: Address{Node: b.id}, Message: late})
			c.pass(10 * time.Millisecond)
			b.crash()
			c.pass(10 * time.Second)
			if !a.replica.Acting() {
				t.Error("A does not act any more, after B left it in order")
			}
			c.run(time.Second, "a write is acknowledged", a.write("z"))
		})
	}
}
