package pair

import "kowabunga/core/lease"

// Heard is what a node said of itself when it was greeted last, whether or not a connection came of it.
type Heard struct {
	Release string
	Strange bool // what it speaks is not understood here, nor there what this one speaks
	Version int  // of what nodes say to each other
}

// strange tells whether a version is more than one apart from this one's.
func strange(version int) bool { return version < Version-1 || version > Version+1 }

func (t *Transport) hear(peer greeting) {
	if peer.Node.ID == "" || peer.Node.ID == t.cfg.Self().ID {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard[peer.Node.ID] = Heard{Release: peer.Release, Strange: strange(peer.Version), Version: peer.Version}
}

// Heard is what a node said of itself last, if it ever did.
func (t *Transport) Heard(node lease.NodeID) (Heard, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.heard[node]
	return h, ok
}
