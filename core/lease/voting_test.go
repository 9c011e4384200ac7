package lease

import "testing"

// A witness that repeats a node's certificate must not make the other node promise, accept or follow.
func TestOnlyTheNodeItselfIsListenedTo(t *testing.T) {
	c, _, b := pair(t)
	before := b.replica.Status(c.now)
	e := Epoch{Counter: before.Epoch.Counter + 5, Node: "A"}
	proof := Certificate{Kind: Promised, Epoch: e}
	r := *before.Record
	r.Epoch, r.Seq = e, 0
	c.pass(10 * beat)
	for _, m := range []Message{Promise{Certificate: proof}, Accept{Record: &r, Proof: proof}, Renew{Proof: proof, N: 1}} {
		b.step(Received{From: Address{Witness: witness(1)}, Message: m})
		if got := b.replica.Status(c.now).Epoch; got != before.Epoch {
			t.Errorf("%T of a witness: epoch %s is promised", m, got)
		}
	}
	b.step(Received{From: Address{Node: "A"}, Message: Accept{Record: &r, Proof: proof}})
	if got := b.replica.Status(c.now).Epoch; got != e {
		t.Errorf("the node itself is not listened to: %s", got)
	}
}
