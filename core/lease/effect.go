package lease

import "time"

// Log is what a replica asks about its log. It answers as of what is on disk, Making and Makes excepted.
type Log interface {
	End() Position                                            // the last record on disk
	Cut() Position                                            // the last record that retention removed
	At(index uint64) (hash [32]byte, epoch Epoch, there bool) // a record that is kept, or the cut
	Making() (last Position, epoch Epoch)                     // of a primary: what is being written, zero when nothing is
	Makes(p Position) bool                                    // one of those that are being written
}

// Durable is what a node keeps in a file of its own, never in the log, a snapshot or a backup.
type Durable struct {
	Node     NodeID     `json:"node"`
	Log      LogID      `json:"log"`
	Voter    VoterState `json:"voter"`
	Sole     bool       `json:"sole"`               // the last chosen record and all sent since name only Log
	GaveUp   Epoch      `json:"gaveUp,omitzero"`    // acts in none up to this one any more
	Boot     string     `json:"boot,omitempty"`     // host's boot id when Voter last changed
	Restored bool       `json:"restored,omitempty"` // commands nobody until a person promotes it
	Lacks    Position   `json:"lacks,omitzero"`     // the log had it on disk, as a voter knows, and has it no more
}

// Effect is what a machine wants done. Effects of one Step are done in order; Save, Fsync, Write, CutTail
// and Install answer with their event when they are done, the others need none.
type Effect interface{ effect() }

// Save makes Durable survive a crash. The event is Saved, in the order of the effects.
type Save struct{ State Durable }

// Send carries a message. Nothing depends on its arrival.
type Send struct {
	To      Address
	Message Message
}

// Fsync proves that the disk of the log still takes writes. The event is Fsynced.
type Fsync struct{ Token uint64 }

// Write appends records, all or none, in order. The event is Written.
type Write struct {
	Token   uint64
	Entries []Entry
}

// CutTail removes what lies past a position, after saving it as a fork. The event is Written.
type CutTail struct {
	Token uint64
	To    Position
}

// Ship sends the records after Message.Prev up to Message.End, as many as fit, to a node.
type Ship struct {
	To      NodeID
	Message Entries
}

// ShipSnapshot sends the published state to a node that is too far behind; the receiver's driver
// delivers it as SnapshotArrived.
type ShipSnapshot struct {
	To    NodeID
	Epoch Epoch
}

// Install replaces the log and the objects by the snapshot that arrived. The event is Written.
type Install struct{ Token uint64 }

// Begin has the committer append the record "epoch begins"; Grown follows.
type Begin struct{ Epoch Epoch }

// Publish shows everything up to a position to everybody.
type Publish struct{ Position Position }

// Serve gives the right to act: answer, command, run what runs in the background. Record is the one chosen.
type Serve struct {
	Epoch  Epoch
	Record *Record
}

// Stop takes the right away, at once.
type Stop struct{ Why string }

// Drain stops taking new work, for a handoff; Resume takes it again.
type Drain struct{}

// Resume ends a drain that came to nothing.
type Resume struct{}

// Note is something people want to know: an event, a metric, a line of the trace.
type Note struct {
	What   string // e.g. "sync set shrinks"
	Detail string
}

func (Save) effect()         {}
func (Send) effect()         {}
func (Fsync) effect()        {}
func (Write) effect()        {}
func (CutTail) effect()      {}
func (Ship) effect()         {}
func (ShipSnapshot) effect() {}
func (Install) effect()      {}
func (Begin) effect()        {}
func (Publish) effect()      {}
func (Serve) effect()        {}
func (Stop) effect()         {}
func (Drain) effect()        {}
func (Resume) effect()       {}
func (Note) effect()         {}

// Event is what happens to a replica.
type Event interface{ event() }

// Tick lets time pass; call it at the time that Replica.Next tells, or more often.
type Tick struct{}

// Received is a message that arrived from an authenticated sender.
type Received struct {
	From    Address
	Message Message
}

// Saved answers the oldest Save that has no answer yet. A Save that fails has none: the node must stop.
type Saved struct{}

// Fsynced answers Fsync.
type Fsynced struct{ Token uint64 }

// Written answers Write, CutTail and Install. OK is false when it failed and nothing changed.
type Written struct {
	Token uint64
	OK    bool
}

// Grown tells that the log of a primary is on disk further on, or that more of it is being written.
type Grown struct{}

// Unwritten tells that records of an epoch that were being written when Ship took them are not on disk here, and
// never will be: the log takes nothing more of that epoch.
type Unwritten struct{ Epoch Epoch }

// SnapshotArrived tells that a whole snapshot was received and checked: installing it makes the log end
// at End.
type SnapshotArrived struct {
	From  NodeID
	Epoch Epoch
	End   Position
}

// SetWitnesses asks the primary to change the witnesses.
type SetWitnesses struct{ Witnesses []Witness }

// SetMode asks the primary to change the mode.
type SetMode struct{ Mode Mode }

// Adopt asks a sole primary to name this node in the place of the other one.
type Adopt struct{ Node Node }

// Handoff asks the primary to let the other node take over.
type Handoff struct{}

// Promote is a person's statement that the other node is off for good, and that what lies past
// LoseAfter may be lost. Witnesses are those that can be reached.
type Promote struct {
	LoseAfter uint64
	Witnesses []Witness
}

// Shutdown ends the process in order: a follower leaves the sync set, a primary just stops.
type Shutdown struct{}

func (Tick) event()            {}
func (Received) event()        {}
func (Saved) event()           {}
func (Fsynced) event()         {}
func (Written) event()         {}
func (Grown) event()           {}
func (Unwritten) event()       {}
func (SnapshotArrived) event() {}
func (SetWitnesses) event()    {}
func (SetMode) event()         {}
func (Adopt) event()           {}
func (Handoff) event()         {}
func (Promote) event()         {}
func (Shutdown) event()        {}

// Config is what a replica is told once.
type Config struct {
	Self     Node
	Peers    []Address // nodes to look for while no record names another one; only Node ids or addresses that the driver knows
	Log      Log
	Timers   Timers // of the first record of a new cluster
	Highest  uint64 // counter of the highest epoch that the log knows of
	Boot     string // boot id of this host
	Sign     func(CertificateKind, Epoch) Certificate
	Valid    func(Certificate, []Node) bool // signed by one of the nodes, which must be the epoch's own
	NewLogID func() LogID
	Jitter   func(n time.Duration) time.Duration // a duration below n
	Flaws    Flaws
}

// Status is what a replica shows of itself.
type Status struct {
	Role      string        `json:"role"` // "primary", "standby", "candidate", "restored"
	Phase     string        `json:"phase,omitempty"`
	Epoch     Epoch         `json:"epoch"`
	Published Position      `json:"published"`
	End       Position      `json:"end"`
	Record    *Record       `json:"record,omitempty"` // the last one known as chosen, else the newest held
	Pending   []*Record     `json:"pending,omitempty"`
	Sole      bool          `json:"sole"`
	Right     bool          `json:"right"`             // may act
	RightFor  time.Duration `json:"rightFor"`          // for so long without another answer; 0 when sole or without right
	Missing   []string      `json:"missing,omitempty"` // what an election waits for, in words
	Lacks     Position      `json:"lacks,omitzero"`    // the log had it, has it no more, and has not every acknowledged write since
	Peers     []PeerStatus  `json:"peers,omitempty"`   // of a primary
	Told      []Told        `json:"told,omitempty"`    // of a primary: its witnesses, as in Record
	Primary   NodeID        `json:"primary,omitempty"`
	Behind    uint64        `json:"behind,omitempty"` // of one that follows: records the primary published that are not published here
	Silent    time.Duration `json:"silent,omitempty"` // of one that follows: since the primary was heard
}

// Told is what a witness said that it knows. It forgets some of that when it ends before it writes to its disk.
type Told struct {
	Witness   Witness `json:"witness"`
	Published uint64  `json:"published"` // index; 0 when it did not say so yet
}

// PeerStatus is how another node looks from the primary.
type PeerStatus struct {
	Node   NodeID        `json:"node"`
	As     Node          `json:"as"` // as it made itself known
	Log    LogID         `json:"log,omitempty"`
	Acked  uint64        `json:"acked"`
	Silent time.Duration `json:"silent"`
	InSync bool          `json:"inSync"`
}
