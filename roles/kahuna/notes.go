package kahuna

import (
	"maps"
	"slices"
	"sync"
	"time"

	"kowabunga/core/lease"
	"kowabunga/core/nodes"
)

// notesKept is how many of the newest notes status shows.
const notesKept = 50

// notes remembers what happened to this node lately, and how often what happened.
type notes struct {
	mu     sync.Mutex
	newest []nodes.Note
	counts map[string]uint64
}

func (n *notes) add(what lease.Note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counts == nil {
		n.counts = map[string]uint64{}
	}
	n.counts[what.What]++
	n.newest = append(n.newest, nodes.Note{At: time.Now().UTC(), What: what.What, Detail: what.Detail})
	if len(n.newest) > notesKept {
		n.newest = slices.Delete(n.newest, 0, len(n.newest)-notesKept)
	}
}

func (n *notes) list() []nodes.Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.newest)
}

func (n *notes) totals() map[string]uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.counts)
}
