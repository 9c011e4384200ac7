package lease

import "time"

// Answer is what a witness says to a message that is for voters: Prevote, Promise, Accept or Renew; nil
// to any other. When changed, the voter's state must be on disk before the reply leaves. valid tells
// whether a certificate is signed by the epoch's own node, whose key the witness knows.
func (v *Voter) Answer(now time.Duration, m Message, valid func(Certificate) bool) (reply Message, changed bool) {
	proves := func(c Certificate) bool { return c.Kind == Promised && valid(c) }
	const unproven = "no certificate of the epoch that a known node signed"
	switch m := m.(type) {
	case Prevote:
		why := v.Refuses(now, m.Epoch, false)
		return PrevoteReply{Epoch: m.Epoch, OK: why == "", Why: why, Promised: v.Promised, Record: v.Record, Known: v.Known}, false
	case Promise:
		why := unproven
		if proves(m.Certificate) {
			why, changed = v.Promise(now, m.Certificate, false)
		}
		return PromiseReply{Epoch: m.Certificate.Epoch, OK: why == "", Why: why, Promised: v.Promised, Record: v.Record, Known: v.Known}, changed
	case Accept:
		if m.Record == nil {
			return AcceptReply{Why: "no record"}, false
		}
		why := unproven
		if proves(m.Proof) && m.Proof.Epoch == m.Record.Epoch {
			why, changed = v.Accept(m.Record, m.Proof, nil)
		}
		return AcceptReply{Epoch: m.Record.Epoch, Seq: m.Record.Seq, OK: why == "", Why: why, Promised: v.Promised}, changed
	case Renew:
		ok := false
		if proves(m.Proof) {
			ok, changed = v.Renew(now, m)
		}
		return RenewReply{Epoch: m.Proof.Epoch, N: m.N, OK: ok, Promised: v.Promised}, changed
	}
	return nil, false
}
