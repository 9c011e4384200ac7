package nodes

import "time"

// Status is a Kahuna as a node, and what it knows of the others: what GET /api/v2/pair answers.
type Status struct {
	Asked      string          `json:"asked"`             // address of the one that tells this
	Role       string          `json:"role"`              // "primary", "standby", "candidate", "restored"; "copy" for a restored copy that was not promoted
	Phase      string          `json:"phase,omitempty"`   // how far that is
	Epoch      string          `json:"epoch"`             // "7@node"
	Mode       string          `json:"mode,omitempty"`    // "sync", "async"
	Primary    string          `json:"primary,omitempty"` // address of the one that acts, as far as this one knows
	Published  uint64          `json:"published"`         // index of the last record that everybody may see
	End        uint64          `json:"end"`               // index of the last record in the journal
	Behind     uint64          `json:"behind"`            // of one that follows: records published at the primary and not here
	Silent     float64         `json:"silent"`            // of one that follows: seconds since the primary was heard
	Right      bool            `json:"right"`             // may act
	RightUntil time.Time       `json:"right_until,omitzero"`
	Alone      bool            `json:"alone"` // its right needs nobody and does not end
	Nodes      []NodeStatus    `json:"nodes"` // the one asked first
	Witnesses  []WitnessStatus `json:"witnesses"`
	Releases   []string        `json:"releases"`  // of nodes that are more than one release from the one asked, in words
	TakeOver   []string        `json:"take_over"` // why the one that does not act could not take over by itself, in words; empty when it could
	Missing    []string        `json:"missing"`   // of one that tried to take over: what it waits for, in words
	Pending    []string        `json:"pending"`   // changes of the sync set, the witnesses and so on that are not agreed on yet
	Lost       bool            `json:"lost"`      // records may be lost, and not all agents reported since
	Notes      []Note          `json:"notes"`     // what happened lately, the newest last
}

// NewStatus is the status of a Kahuna at an address of which nothing but its role is known: every list is there,
// and empty.
func NewStatus(asked, role string) *Status {
	return &Status{Asked: asked, Role: role, Nodes: []NodeStatus{}, Witnesses: []WitnessStatus{}, Releases: []string{}, TakeOver: []string{}, Missing: []string{}, Pending: []string{}, Notes: []Note{}}
}

// NodeStatus is a Kahuna in a Status.
type NodeStatus struct {
	ID        string  `json:"id"`
	Address   string  `json:"address"`
	Self      bool    `json:"self"`              // the one asked
	Named     bool    `json:"named"`             // one of the two; any other only follows
	Release   string  `json:"release,omitempty"` // of its program, as it said last
	Acts      bool    `json:"acts"`
	InSync    bool    `json:"in_sync"` // has every acknowledged write
	Connected bool    `json:"connected"`
	Acked     uint64  `json:"acked"`  // as the primary knows: index of the last record on its disk
	Lag       uint64  `json:"lag"`    // as the primary knows: published records it has not
	Heard     bool    `json:"heard"`  // the one asked acts and has heard it: Acked, Lag and Silent count
	Silent    float64 `json:"silent"` // seconds since it was heard
}

// WitnessStatus is an agent in a Status.
type WitnessStatus struct {
	Agent     string `json:"agent"` // id
	Name      string `json:"name"`
	Connected bool   `json:"connected"`        // to the one asked
	Knows     uint64 `json:"knows"`            // as the primary was told: index of the last published record that it remembers; 0 elsewhere
	Change    string `json:"change,omitempty"` // "joins", "leaves"
}

// Note is something that happened to a node.
type Note struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Detail string    `json:"detail,omitempty"`
}
