package lease

import (
	"fmt"
	"slices"
	"time"
)

// VoterState is what a voter keeps on disk.
type VoterState struct {
	Promised Certificate `json:"promised,omitzero"` // accepts nothing of a lower epoch
	Record   *Record     `json:"record,omitempty"`  // the newest accepted
	Known    []Known     `json:"known,omitempty"`   // newest first, a few
}

// knownKept is how many positions a voter remembers: that of the present logs, and of those before.
const knownKept = 4

// Voter is one of those that decide: a node's, or a witness. Its methods return whether its state changed,
// which must be on disk before the answer leaves.
type Voter struct {
	VoterState
	flaws  Flaws
	since  time.Duration // up since
	quiet  time.Duration // promises nothing this long after since
	holder NodeID        // who has the lease
	until  time.Duration
	epoch  Epoch // of the last renewal
	last   uint64
}

// NewVoter makes a voter of what was on disk. It has no memory of leases, so it promises nothing for one
// lease; unless waive, for the recorded primary itself, which nobody else can have leased since.
func NewVoter(state VoterState, now, lease time.Duration, waive bool, flaws Flaws) *Voter {
	v := &Voter{VoterState: state, flaws: flaws, since: now, quiet: max(lease, state.lease())}
	if waive || flaws.Has(FlawNoQuietStart) || state.Promised.Epoch.Counter == 0 && state.Record == nil {
		v.quiet = 0 // one that never promised nor renewed anything gave no lease
	}
	return v
}

func (s *VoterState) lease() time.Duration {
	if s.Record != nil {
		return s.Record.Timers.Lease
	}
	return 0
}

// Refuses tells why an epoch would not be promised to its node; empty when it would. acting tells that
// the voter's own node has the right to act.
func (v *Voter) Refuses(now time.Duration, e Epoch, acting bool) string {
	switch {
	case e.Compare(v.Promised.Epoch) <= 0:
		return fmt.Sprintf("epoch %s is promised", v.Promised.Epoch)
	case acting:
		return "is the primary and may act"
	case v.flaws.Has(FlawPromiseDuringLease):
	case v.holder != "" && v.holder != NodeID(e.Node) && now < v.until:
		return fmt.Sprintf("node %.8s has a lease for %v", v.holder, (v.until - now).Round(time.Millisecond))
	case now < v.since+v.quiet:
		return fmt.Sprintf("started; promises in %v", (v.since + v.quiet - now).Round(time.Millisecond))
	}
	return ""
}

// Promise promises an epoch, or tells why not.
func (v *Voter) Promise(now time.Duration, c Certificate, acting bool) (why string, changed bool) {
	if why := v.Refuses(now, c.Epoch, acting); why != "" {
		return why, false
	}
	v.Promised = c
	return "", true
}

// Accept takes a record, or tells why not. holds tells, in a node whose log the record names, whether the
// log has a position; nil in a witness.
func (v *Voter) Accept(r *Record, proof Certificate, holds func(Position) bool) (why string, changed bool) {
	order := r.Compare(v.Record)
	switch {
	case v.flaws.Has(FlawAcceptOlder):
	case r.Epoch.Compare(v.Promised.Epoch) < 0:
		return fmt.Sprintf("epoch %s is promised", v.Promised.Epoch), false
	case order < 0:
		return fmt.Sprintf("record %d of epoch %s is held", v.Record.Seq, v.Record.Epoch), false
	}
	if holds != nil && !holds(r.Base) {
		return fmt.Sprintf("the log lacks record %d", r.Base.Index), false
	}
	if order == 0 && r.Epoch == v.Promised.Epoch {
		return "", false
	}
	v.Record = r
	if r.Epoch.Compare(v.Promised.Epoch) > 0 {
		v.Promised = proof
	}
	return "", true
}

// Renew gives the epoch's node a lease, or does not.
func (v *Voter) Renew(now time.Duration, r Renew) (ok, changed bool) {
	e := r.Proof.Epoch
	if e.Compare(v.Promised.Epoch) < 0 || e == v.epoch && r.N <= v.last {
		return false, false
	}
	v.epoch, v.last = e, r.N
	v.holder, v.until = NodeID(e.Node), now+max(r.Lease, v.lease())
	v.remember(r.Published)
	if e.Compare(v.Promised.Epoch) > 0 {
		v.Promised = r.Proof
		return true, true
	}
	return true, false
}

// Release forgets a lease, whose holder gave it up. That is also the only one that a voter which was
// started since can have given, when the holder's epoch is the one promised: it need not stay quiet.
func (v *Voter) Release(holder NodeID) {
	if v.holder == holder {
		v.holder = ""
	}
	if v.Promised.Epoch.Node == string(holder) {
		v.quiet = 0
	}
}

// remember keeps what logs are known to have had. It goes to disk with the next change. A primary that begins
// may know less of what was published than the one before it told.
func (v *Voter) remember(k Known) {
	if len(k.Logs) == 0 || k.Position.Index == 0 {
		return
	}
	known := []Known{k}
	for _, old := range v.Known {
		if slices.Equal(old.Logs, k.Logs) && old.Position.Index > k.Position.Index {
			known[0] = old
		}
		if !slices.Equal(old.Logs, k.Logs) && len(known) < knownKept {
			known = append(known, old)
		}
	}
	v.Known = known
}

// Lacks tells whether a log lacks something that it is known to have had on disk.
func Lacks(known []Known, log LogID, holds func(Position) bool) bool {
	return slices.ContainsFunc(known, func(k Known) bool { return slices.Contains(k.Logs, log) && !holds(k.Position) })
}
