package agent

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

// Addresses reads the URLs of one or several Kahunas, separated by commas, and checks each. Faults: Invalid.
func Addresses(text string) ([]string, error) {
	var all []string
	for _, one := range strings.Split(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		if _, _, err := link.Address(one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, fault.Bad("url", "is missing; give https://HOST[:PORT] of Kahuna, or of each, separated by commas")
	}
	return all, nil
}

// kahunas are those that the agent knows, and its sessions with them.
type kahunas struct {
	disk       keeper
	configured []string

	saving sync.Mutex // held while a list is written

	mu       sync.Mutex
	coming   *agentproto.KahunaList // to be kept next; nil: none
	told     agentproto.KahunaList  // of the highest epoch; on disk
	sessions []*session             // oldest first
	nodes    map[string]string      // node found at a URL
	changed  chan struct{}          // closed when anything above, or the obeyed epoch, changes
}

func newKahunas(configured []string, disk keeper) *kahunas {
	return &kahunas{disk: disk, configured: configured, told: disk.kahunas(), nodes: map[string]string{}, changed: make(chan struct{})}
}

// watch is closed at the next change.
func (k *kahunas) watch() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

func (k *kahunas) bump() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bumped()
}

func (k *kahunas) bumped() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// targets are the URLs to dial: those of the configuration, then others that Kahuna told of.
func (k *kahunas) targets() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	doors := map[string]bool{}
	add := func(url string) {
		if door, _, err := link.Address(url); err == nil && !doors[door] {
			doors[door] = true
			all = append(all, url)
		}
	}
	for _, url := range k.configured {
		add(url)
	}
	for _, n := range k.told.Kahunas {
		add(n.Address)
	}
	return all
}

// covered tells whether the Kahuna at a URL, if it is known which that is, has a session already.
func (k *kahunas) covered(url string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	node := k.nodes[url]
	for _, n := range k.told.Kahunas {
		if node == "" && n.Address == url {
			node = n.ID
		}
	}
	return node != "" && slices.ContainsFunc(k.sessions, func(s *session) bool { return s.node == node && s.conn.Err() == nil })
}

// add takes a new session, remove lets it go.
func (k *kahunas) add(url string, s *session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.node != "" {
		k.nodes[url] = s.node
	}
	k.sessions = append(k.sessions, s)
	k.bumped()
}

func (k *kahunas) remove(s *session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions = slices.DeleteFunc(k.sessions, func(o *session) bool { return o == s })
	k.bumped()
}

// live are the sessions, oldest first.
func (k *kahunas) live() []*session {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.sessions)
}

// hear notes a list of Kahunas as the one to keep, unless a newer one is kept or about to be. Lists are heard
// in the order in which they come. False: there is nothing to keep.
func (k *kahunas) hear(list agentproto.KahunaList) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest := &k.told
	if k.coming != nil {
		newest = k.coming
	}
	order := list.Epoch.Compare(newest.Epoch)
	if order == 0 && list.Seq != 0 && newest.Seq != 0 {
		order = cmp.Compare(list.Seq, newest.Seq)
	}
	if len(list.Kahunas) == 0 || order < 0 || reflect.DeepEqual(list, *newest) {
		return false
	}
	k.coming = &list
	return true
}

// keep has the list that was heard last on disk. Nobody else waits for the disk meanwhile.
func (k *kahunas) keep() error {
	k.saving.Lock()
	defer k.saving.Unlock()
	k.mu.Lock()
	list := k.coming
	k.mu.Unlock()
	if list == nil {
		return nil // somebody kept it
	}
	err := k.disk.setKahunas(*list)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.coming == list {
		k.coming = nil
	}
	if err == nil {
		k.told = *list
		k.bumped()
	}
	return err
}

// last is the list that is kept.
func (k *kahunas) last() agentproto.KahunaList {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told
}

// signed tells whether a Kahuna signed a certificate of its own epoch: one of the list, or one that a
// session is with, which has proven that it knows this agent's key.
func (k *kahunas) signed(c lease.Certificate) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.SignedBy(nodesOf(k.told.Kahunas)) {
		return true
	}
	return slices.ContainsFunc(k.sessions, func(s *session) bool {
		return s.node == c.Epoch.Node && c.SignedBy(nodesOf(s.kahunas))
	})
}

func nodesOf(all []agentproto.Kahuna) []lease.Node {
	out := make([]lease.Node, len(all))
	for i, n := range all {
		out[i] = lease.Node{ID: lease.NodeID(n.ID), Address: n.Address, Key: n.Key}
	}
	return out
}

// primary is the connection to the Kahuna that the agent obeys, nil when there is none.
func (a *Agent) primary() *link.Conn {
	obeyed := a.Obeyed()
	var found *link.Conn
	for _, s := range a.kahunas.live() {
		if s.conn.Err() == nil && (!s.leased || s.node == obeyed.Node) {
			found = s.conn
		}
	}
	return found
}
