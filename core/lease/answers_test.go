package lease

import (
	"slices"
	"testing"
	"time"
)

// said are the messages among effects.
func said(effects []Effect) (out []Message) {
	for _, e := range effects {
		if s, ok := e.(Send); ok {
			out = append(out, s.Message)
		}
	}
	return out
}

func TestARepeatedAnswerWaitsForTheDiskToo(t *testing.T) {
	c, a, b := pair(t)
	r := *b.durable.Voter.Record
	r.Seq++
	ask := Received{From: Address{Node: "A"}, Message: Accept{Record: &r, Proof: a.durable.Voter.Promised}}
	renew := Received{From: Address{Node: "A"}, Message: Renew{Proof: a.durable.Voter.Promised, N: 1 << 40, Lease: 6 * time.Second}}
	for _, e := range []Event{ask, ask, renew} {
		if m := said(b.replica.Step(c.now, e)); len(m) > 0 {
			t.Fatalf("says %+v before the record is on disk", m)
		}
	}
	if m := said(b.replica.Step(c.now, Saved{})); len(m) != 3 {
		t.Fatalf("says %+v once it is", m)
	}
}

func TestAnElectionGoesAboveWhatWasPromised(t *testing.T) {
	c, _, b := pair(t)
	b.step(Received{From: Address{Node: "A"}, Message: Promise{Certificate: Certificate{Kind: Promised, Epoch: Epoch{Counter: 50, Node: "A"}}}})
	c.down["A"] = true
	c.run(30*time.Second, "B serves", func() bool { return b.serving })
	if e := b.replica.Status(c.now).Epoch; e.Counter != 51 {
		t.Fatalf("in epoch %s", e)
	}
}

func TestAFollowerVouchesOnlyForWhatThePrimaryNamed(t *testing.T) {
	c, a, b := pair(t)
	c.run(time.Second, "B has everything", func() bool { return b.log.End() == a.log.End() })
	common, e := b.log.End(), a.replica.Status(c.now).Epoch
	b.log.add(Epoch{Counter: 1, Node: "A"}, "never shipped")
	m := said(b.replica.Step(c.now, Received{From: Address{Node: "A"}, Message: Entries{Epoch: e, Prev: common, End: Position{Index: common.Index + 9}, Published: Position{Index: common.Index + 9}}}))
	if len(m) != 1 || m[0].(EntriesReply).End != common {
		t.Fatalf("%+v", m)
	}
	if b.published.Index > common.Index {
		t.Fatal("published what the primary did not name")
	}
}

func TestAFollowerBehindRetentionGetsASnapshot(t *testing.T) {
	c, a, b := pair(t)
	c.down["B"] = true
	c.run(5*time.Second, "x is acknowledged without B", a.write("x"))
	c.run(time.Second, "y is", a.write("y"))
	a.log.cut = a.log.End()
	delete(c.down, "B")
	c.run(5*time.Second, "A sends a snapshot", func() bool { return a.snapshots > 0 })
	a.write("z")
	a.log.cut = a.log.entries[len(a.log.entries)-2].Position
	c.run(5*time.Second, "B has what came after the snapshot too", func() bool { return b.log.End() == a.log.End() })
}

func TestTheOtherNodeIsHeardBeforeAnEpochIsRaised(t *testing.T) {
	c, a, b := pair(t)
	newer := *a.durable.Voter.Record
	newer.Seq, newer.Sync = newer.Seq+1, []LogID{"A-1"} // sent to nobody yet
	now := c.now + 20*time.Second
	if len(said(b.replica.Step(now, Tick{}))) == 0 {
		t.Fatal("B does not ask")
	}
	epoch := b.replica.cand.epoch
	promised := b.replica.voter.Promised
	for _, i := range []int{1, 2, 3} {
		b.replica.Step(now, Received{From: Address{Witness: witness(i)}, Message: PrevoteReply{Epoch: epoch, OK: true, Record: b.durable.Voter.Record}})
	}
	b.replica.Step(now+peerGrace/2, Received{From: Address{Node: "A"}, Message: PrevoteReply{Epoch: epoch, OK: true, Record: &newer}})
	if b.replica.voter.Promised.Epoch != promised.Epoch || !slices.Contains(b.replica.missing, "the newest record does not say that this node has every acknowledged write") {
		t.Fatalf("promised itself %s, misses %q", b.replica.voter.Promised.Epoch, b.replica.missing)
	}
}

func TestAPrimaryThatHearsNobodyKeepsNobodyElseOut(t *testing.T) {
	c, a, b := pair(t)
	for _, way := range []string{"B>A", "w1>A", "w2>A", "w3>A"} {
		c.down[way] = true
	}
	c.run(8*time.Second, "A stops", func() bool { return !a.serving })
	c.run(30*time.Second, "B serves", func() bool { return b.serving })
}

func TestANodeShowsAfterItsStartWhatIsKnownAsPublished(t *testing.T) {
	c, a, b := pair(t)
	c.run(time.Second, "x is acknowledged", a.write("x"))
	a.step(SetMode{Mode: Async}) // a record, with x as its base
	c.pass(3 * time.Second)
	b.crash()
	b.start()
	if b.published != a.published {
		t.Fatalf("shows %d of %d", b.published.Index, a.published.Index)
	}
}
