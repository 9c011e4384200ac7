package lease

import (
	"testing"
	"time"
)

func promised(e Epoch) Certificate {
	return Certificate{Kind: Promised, Epoch: e, Sig: []byte(e.Node)}
}

// TestWitnessAnswers: each message gets its answer, and what is not proven changes nothing.
func TestWitnessAnswers(t *testing.T) {
	forged := Certificate{Kind: Promised, Epoch: Epoch{Counter: 1 << 63, Node: "a"}, Sig: []byte("x")}
	r := &Record{Epoch: e2, Timers: DefaultTimers()}
	v := NewVoter(VoterState{}, 0, 6*time.Second, false, 0)
	for _, c := range []struct {
		name    string
		ask     Message
		ok      func(Message) bool
		changed bool
	}{
		{"a forged epoch", Promise{forged}, func(m Message) bool { p := m.(PromiseReply); return !p.OK && p.Epoch == forged.Epoch && p.Why != "" }, false},
		{"a won certificate is no request for a promise", Promise{won(e1)}, func(m Message) bool { return !m.(PromiseReply).OK }, false},
		{"asking without effect", Prevote{e2}, func(m Message) bool { p := m.(PrevoteReply); return p.OK && p.Promised.Epoch == Epoch{} }, false},
		{"a promise", Promise{promised(e2)}, func(m Message) bool { p := m.(PromiseReply); return p.OK && p.Promised.Epoch == e2 }, true},
		{"a lower one", Promise{promised(e1)}, func(m Message) bool { p := m.(PromiseReply); return !p.OK && p.Promised.Epoch == e2 }, false},
		{"asking for a lower one", Prevote{e1}, func(m Message) bool { return !m.(PrevoteReply).OK }, false},
		{"no record", Accept{nil, promised(e2)}, func(m Message) bool { return !m.(AcceptReply).OK }, false},
		{"a record with the proof of another epoch", Accept{r, promised(e3)}, func(m Message) bool { return !m.(AcceptReply).OK }, false},
		{"a record", Accept{r, promised(e2)}, func(m Message) bool { a := m.(AcceptReply); return a.OK && a.Epoch == e2 }, true},
		{"the same record", Accept{r, promised(e2)}, func(m Message) bool { return m.(AcceptReply).OK }, false},
		{"a forged renewal", Renew{Proof: forged, N: 1}, func(m Message) bool { return !m.(RenewReply).OK }, false},
		{"a renewal", Renew{Proof: promised(e2), N: 1, Lease: 6 * time.Second}, func(m Message) bool { a := m.(RenewReply); return a.OK && a.N == 1 }, false},
		{"the same renewal", Renew{Proof: promised(e2), N: 1, Lease: 6 * time.Second}, func(m Message) bool { return !m.(RenewReply).OK }, false},
		{"another node during the lease", Prevote{Epoch{Counter: 3, Node: "c"}}, func(m Message) bool { p := m.(PrevoteReply); return !p.OK && p.Record == r }, false},
		{"a renewal of a higher epoch", Renew{Proof: promised(e3), N: 1}, func(m Message) bool { return m.(RenewReply).OK }, true},
		{"what is not for voters", Hello{}, func(m Message) bool { return m == nil }, false},
	} {
		got, changed := v.Answer(0, c.ask, signed)
		if !c.ok(got) || changed != c.changed {
			t.Errorf("%s: %+v, changed %v", c.name, got, changed)
		}
	}
}
