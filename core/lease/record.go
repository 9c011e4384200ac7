package lease

import (
	"slices"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Epoch is one reign of one process of one node.
type Epoch = agentproto.Epoch

// Position is a place in a log: two logs that agree on one agree on all before it.
type Position struct {
	Index uint64   `json:"index"`
	Hash  [32]byte `json:"hash"`
}

// NodeID names a Kahuna; it is drawn at init, when a standby is made, and at restore.
type NodeID string

// LogID names a log. A node draws another before it discards or replaces any record that it had on disk.
type LogID string

// Node is a Kahuna as a record names it.
type Node struct {
	ID      NodeID `json:"id"`
	Address string `json:"address,omitempty"` // URL at which the other node, agents and people reach it
	Key     []byte `json:"key,omitempty"`     // public key of its certificates, Ed25519
}

// Witness is an agent with the identity of its state directory: a re-imaged host is another witness.
type Witness struct {
	Agent    string `json:"agent"`
	Identity string `json:"identity"`
}

// Timers are the durations all must agree on; they are part of the record.
type Timers struct {
	Renew time.Duration `json:"renew"` // between renewals
	Stop  time.Duration `json:"stop"`  // a primary acts this long after it sent a renewal that was answered
	Lease time.Duration `json:"lease"` // a voter promises nobody else this long after it answered
	Wait  time.Duration `json:"wait"`  // a candidate asks this long after it last heard of a primary
}

// DefaultTimers are those of a new cluster.
func DefaultTimers() Timers {
	return Timers{Renew: 2 * time.Second, Stop: 4500 * time.Millisecond, Lease: 6 * time.Second, Wait: 7500 * time.Millisecond}
}

// Check tells whether the timers keep two primaries apart. Fault: Invalid.
func (t Timers) Check() error {
	if t.Renew <= 0 || 2*t.Renew > t.Stop || t.Stop >= t.Lease || t.Lease >= t.Wait {
		return fault.New(fault.Invalid, "timers must satisfy 0 < 2 renew <= stop < lease < wait; they are renew %v, stop %v, lease %v, wait %v", t.Renew, t.Stop, t.Lease, t.Wait)
	}
	return nil
}

// Mode is who takes over.
type Mode string

// The modes.
const (
	Sync  Mode = "sync"  // the standby has every acknowledged write; take-over by itself
	Async Mode = "async" // the standby may lag; take-over by a person
)

// Record is what two of the three voters agree on. It is immutable once made.
type Record struct {
	Epoch     Epoch       `json:"epoch"`
	Seq       uint64      `json:"seq"`
	Primary   NodeID      `json:"primary"`
	Nodes     []Node      `json:"nodes"`     // one or two
	Sync      []LogID     `json:"sync"`      // the logs that have every acknowledged write
	Base      Position    `json:"base"`      // published when the record was made
	Witnesses [][]Witness `json:"witnesses"` // one set, or the old and the new one during a change
	Timers    Timers      `json:"timers"`
	Mode      Mode        `json:"mode"`
}

// Compare orders records by epoch, then by number within it. No record is before any.
func (r *Record) Compare(o *Record) int {
	switch {
	case r == nil && o == nil:
		return 0
	case r == nil:
		return -1
	case o == nil:
		return 1
	}
	if c := r.Epoch.Compare(o.Epoch); c != 0 {
		return c
	}
	switch {
	case r.Seq < o.Seq:
		return -1
	case r.Seq > o.Seq:
		return 1
	}
	return 0
}

// InSync tells whether a log has every acknowledged write.
func (r *Record) InSync(log LogID) bool { return r != nil && slices.Contains(r.Sync, log) }

// Only tells whether a log is the only one that has every acknowledged write.
func (r *Record) Only(log LogID) bool { return r != nil && len(r.Sync) == 1 && r.Sync[0] == log }

// Node finds a node of the record.
func (r *Record) Node(id NodeID) (Node, bool) {
	if r != nil {
		for _, n := range r.Nodes {
			if n.ID == id {
				return n, true
			}
		}
	}
	return Node{}, false
}

// Other is the node of the record that is not this one, if there is one.
func (r *Record) Other(id NodeID) (Node, bool) {
	if r != nil {
		for _, n := range r.Nodes {
			if n.ID != id {
				return n, true
			}
		}
	}
	return Node{}, false
}

// College tells whether a majority of each set of witnesses is among those for which has is true. A
// record without witnesses has no college.
func (r *Record) College(has func(Witness) bool) bool {
	if r == nil || len(r.Witnesses) == 0 {
		return false
	}
	for _, set := range r.Witnesses {
		n := 0
		for _, w := range set {
			if has(w) {
				n++
			}
		}
		if n < len(set)/2+1 {
			return false
		}
	}
	return true
}

// Names tells whether a witness is in a set of the record.
func (r *Record) Names(w Witness) bool {
	if r == nil {
		return false
	}
	for _, set := range r.Witnesses {
		if slices.Contains(set, w) {
			return true
		}
	}
	return false
}

// All are the witnesses of all sets, each once, in order.
func (r *Record) All() []Witness {
	var out []Witness
	if r != nil {
		for _, set := range r.Witnesses {
			for _, w := range set {
				if !slices.Contains(out, w) {
					out = append(out, w)
				}
			}
		}
	}
	return out
}
