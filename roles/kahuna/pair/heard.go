package pair

import "kowabunga/core/lease"

// Heard is what a node said of itself when it was greeted last, whether or not a connection came of it.
type Heard struct {
	Release string
	Version int // of what nodes say to each other
}

// Strange tells whether what it speaks is not understood here, nor there what this one speaks: its version is more
// than one apart.
func (h Heard) Strange() bool { return h.Version < Version-1 || h.Version > Version+1 }

func (g greeting) heard() Heard { return Heard{Release: g.Release, Version: g.Version} }

func (t *Transport) hear(peer greeting) {
	if peer.Node.ID == "" || peer.Node.ID == t.cfg.Self().ID {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard[peer.Node.ID] = peer.heard()
}

// Heard is what a node said of itself last, if it ever did.
func (t *Transport) Heard(node lease.NodeID) (Heard, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.heard[node]
	return h, ok
}
