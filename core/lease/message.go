package lease

import "time"

// Certificate is what a node signed about an epoch of its own. Higher epochs count only with one.
type Certificate struct {
	Kind  CertificateKind `json:"kind"`
	Epoch Epoch           `json:"epoch"`
	Sig   []byte          `json:"sig,omitempty"`
}

// CertificateKind is what a certificate states.
type CertificateKind string

// The kinds of certificates.
const (
	Promised CertificateKind = "promised" // the node asked for promises of this epoch
	Won      CertificateKind = "won"      // its first record was chosen
)

// Known is what a voter remembers of a log: these logs had this position on disk.
type Known struct {
	Logs     []LogID  `json:"logs"`
	Position Position `json:"position"`
}

// Address is where a message comes from or goes to: a node, or a witness.
type Address struct {
	Node    NodeID  `json:"node,omitempty"`
	Witness Witness `json:"witness,omitzero"`
}

// Message is what nodes and voters say to each other. Each may be lost, late, repeated or overtaken.
type Message interface{ message() }

// Prevote asks, without any effect, whether an epoch would be promised.
type Prevote struct {
	Epoch Epoch `json:"epoch"`
}

// PrevoteReply answers.
type PrevoteReply struct {
	Epoch    Epoch       `json:"epoch"`
	OK       bool        `json:"ok"`
	Why      string      `json:"why,omitempty"`
	Promised Certificate `json:"promised,omitzero"` // the highest promised so far
	Record   *Record     `json:"record,omitempty"`
	Known    []Known     `json:"known,omitempty"`
}

// Promise asks for a promise: to accept nothing of a lower epoch any more.
type Promise struct {
	Certificate Certificate `json:"certificate"`
}

// PromiseReply answers.
type PromiseReply struct {
	Epoch    Epoch       `json:"epoch"`
	OK       bool        `json:"ok"`
	Why      string      `json:"why,omitempty"`
	Promised Certificate `json:"promised,omitzero"`
	Record   *Record     `json:"record,omitempty"` // the newest held
	Known    []Known     `json:"known,omitempty"`
	Log      LogID       `json:"log,omitempty"` // of a node
	End      Position    `json:"end,omitzero"`  // of its log
}

// Accept asks to take a record.
type Accept struct {
	Record *Record     `json:"record"`
	Proof  Certificate `json:"proof"` // Promised, of the record's epoch
}

// AcceptReply answers.
type AcceptReply struct {
	Epoch    Epoch       `json:"epoch"`
	Seq      uint64      `json:"seq"`
	OK       bool        `json:"ok"`
	Why      string      `json:"why,omitempty"`
	Promised Certificate `json:"promised,omitzero"`
}

// Renew asks to renew a lease, and says what is published.
type Renew struct {
	Proof     Certificate   `json:"proof"` // Promised, of the primary's epoch
	N         uint64        `json:"n"`
	Lease     time.Duration `json:"lease"`
	Published Known         `json:"published"`
}

// RenewReply answers.
type RenewReply struct {
	Epoch    Epoch       `json:"epoch"`
	N        uint64      `json:"n"`
	OK       bool        `json:"ok"`
	Promised Certificate `json:"promised,omitzero"`
}

// Hello is how a node that follows makes itself known to those that may be primary.
type Hello struct {
	Node Node     `json:"node"`
	Log  LogID    `json:"log"`
	End  Position `json:"end"`
}

// Entry is one record of the log, encoded, with the place it has and the epoch it was written in.
type Entry struct {
	Position Position `json:"position"`
	Epoch    Epoch    `json:"epoch"`
	Data     []byte   `json:"data"`
}

// Entries ships records that follow Prev; without any it only asks whether Prev is there. The answer to
// Fetch has the same form, with the epoch of who asked.
type Entries struct {
	Epoch     Epoch    `json:"epoch"`
	N         uint64   `json:"n"` // number of the message, repeated in the answer
	Prev      Position `json:"prev"`
	Records   []Entry  `json:"records,omitempty"`
	End       Position `json:"end"`          // of the sender's log
	Published Position `json:"published"`    // by the primary
	Had       Position `json:"had,omitzero"` // the most that the receiver's log is known to have had on disk
	HadLog    LogID    `json:"hadLog,omitempty"`
}

// EntriesReply says how far the log reaches on disk, or, when Prev is not there, places that are.
type EntriesReply struct {
	Epoch Epoch      `json:"epoch"`
	N     uint64     `json:"n"`
	Log   LogID      `json:"log"`
	OK    bool       `json:"ok"`
	End   Position   `json:"end"`
	Try   []Position `json:"try,omitempty"` // newest first
}

// Fetch asks the other node for the records after a position; only who promised the epoch answers.
type Fetch struct {
	Epoch Epoch    `json:"epoch"`
	After Position `json:"after"`
}

// Leave asks the primary to take a log out of the sync set.
type Leave struct {
	Epoch Epoch `json:"epoch"`
	Log   LogID `json:"log"`
}

// GiveUp tells the other node that its sender never acts in this epoch again.
type GiveUp struct {
	Epoch Epoch    `json:"epoch"`
	End   Position `json:"end"`
}

// Announce tells that an epoch was won: who heard it obeys it.
type Announce struct {
	Certificate Certificate `json:"certificate"`
	Record      *Record     `json:"record"`
	Admits      string      `json:"admits,omitempty"` // identity of the agent that is told, if a published record admits it
}

func (Prevote) message()      {}
func (PrevoteReply) message() {}
func (Promise) message()      {}
func (PromiseReply) message() {}
func (Accept) message()       {}
func (AcceptReply) message()  {}
func (Renew) message()        {}
func (RenewReply) message()   {}
func (Hello) message()        {}
func (Entries) message()      {}
func (EntriesReply) message() {}
func (Fetch) message()        {}
func (Leave) message()        {}
func (GiveUp) message()       {}
func (Announce) message()     {}
