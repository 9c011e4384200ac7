package lease

import (
	"slices"
	"time"
)

// peer is a node that follows, as the primary sees it.
type peer struct {
	node   Node
	log    LogID
	acked  Position // on disk there, and the same here or being written here
	next   Position // where the next message begins
	known  bool     // whether next is a place that both have
	heard  time.Duration
	moved  time.Duration // when it last had everything, or more than before
	beatAt time.Duration
	n      uint64        // of the last message
	flying bool          // it has no answer yet
	image  time.Duration // a snapshot is under way until then
	away   time.Duration // it asked to leave: until then what it answers does not bring it back
}

// probeAll asks every node how far its log reaches.
func (n *Replica) probeAll() {
	for _, p := range n.sortedPeers() {
		n.ship(p)
	}
}

func (n *Replica) sortedPeers() []*peer {
	out := make([]*peer, 0, len(n.reign.peers))
	for _, p := range n.reign.peers {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *peer) int {
		if a.node.ID < b.node.ID {
			return -1
		}
		return 1
	})
	return out
}

// shipAll sends what is new to everybody who waits for it.
func (n *Replica) shipAll() {
	if n.reign == nil {
		return
	}
	for _, p := range n.sortedPeers() {
		if p.known && !p.flying && p.next.Index < n.tip(p).Index {
			n.ship(p)
		}
	}
}

// tip is up to where a node is to have the log: where acknowledgements wait for it, what is being written here as
// well, so that both disks work at the same time.
func (n *Replica) tip(p *peer) Position {
	if last, e := n.cfg.Log.Making(); e == n.reign.epoch && n.waitsFor(p.log) { // else it is of an epoch before
		return last
	}
	return n.cfg.Log.End()
}

// waitsFor tells whether acknowledgements wait for a log.
func (n *Replica) waitsFor(log LogID) bool {
	return log != "" && (n.reign.waitFor == log || slices.ContainsFunc(n.reign.records(), func(k *Record) bool { return k.InSync(log) }))
}

// made tells whether the log has a position for certain, or is about to have it.
func (n *Replica) made(p Position) bool {
	_, e := n.cfg.Log.Making()
	return e == n.reign.epoch && n.cfg.Log.Makes(p) || n.here(p) // in this order: it goes from one to the other
}

// unwritten ends the reign in which records did not get on disk that the other node may have: what came next would
// have the index and the epoch of something else there. Nobody is elected here until the disk takes writes again.
func (n *Replica) unwritten(e Epoch) {
	if n.reign == nil || n.reign.epoch != e || n.cfg.Flaws.Has(FlawGoOnUnwritten) {
		return
	}
	const why = "its disk did not take records that the other node may have"
	n.lose(why)
	n.giveUpAttempt(why)
	if n.stuck == 0 {
		n.token++
		n.stuck = n.token
		n.do(Fsync{Token: n.token})
	}
}

// ship sends what follows p.next, or asks where the two logs part.
func (n *Replica) ship(p *peer) {
	r := n.reign
	p.n++
	p.flying, p.beatAt = true, n.now+beat
	if p.known && !n.made(p.next) {
		p.known = false // retention took what comes next: ask what it has, then send a snapshot
	}
	m := Entries{Epoch: r.epoch, N: p.n, Prev: p.next, End: n.tip(p), Published: n.published, Had: p.acked, HadLog: p.log}
	if !p.known {
		m.Prev = n.cfg.Log.End()
	}
	if p.known && m.Prev.Index < m.End.Index {
		n.do(Ship{To: p.node.ID, Message: m})
		return
	}
	n.send(Address{Node: p.node.ID}, m)
}

// shipped takes a node's answer.
func (n *Replica) shipped(from Address, m EntriesReply) {
	r := n.reign
	if r == nil || m.Epoch != r.epoch {
		return
	}
	p := r.peers[from.Node]
	if p == nil {
		return
	}
	p.heard = n.now
	if p.log != m.Log {
		p.log, p.acked, p.known = m.Log, Position{}, false
	}
	if m.N == p.n {
		p.flying = false
	} else if !m.OK {
		return
	}
	if m.OK {
		p.image = 0
		if !n.made(m.End) {
			p.known = false // it will find out itself
			return
		}
		if !p.known || m.End.Index > p.next.Index {
			p.next, p.known = m.End, true
		}
		if m.End.Index > p.acked.Index || m.End.Index >= n.cfg.Log.End().Index {
			p.acked, p.moved = m.End, n.now
		}
		n.progress()
		n.grow(p)
		if n.reign == r && !p.flying && p.next.Index < n.tip(p).Index {
			n.ship(p)
		}
		return
	}
	for _, at := range m.Try {
		if n.made(at) {
			p.next, p.known = at, true
			n.ship(p)
			return
		}
	}
	if n.now >= p.image && r.serving {
		p.image = n.now + 30*time.Second
		n.note("snapshot sent", "to node %.8s, whose log parts before what is kept here", p.node.ID)
		n.do(ShipSnapshot{To: p.node.ID, Epoch: r.epoch})
	}
}

// hello learns of a node that follows.
func (n *Replica) hello(m Hello) {
	r := n.reign
	if r == nil || m.Node.ID == n.d.Node {
		return
	}
	p := r.peers[m.Node.ID]
	if p == nil {
		p = &peer{node: m.Node, heard: n.now, moved: n.now}
		r.peers[m.Node.ID] = p
		n.ship(p)
	}
	p.node = m.Node
	p.heard = n.now
	if m.Log != p.log && n.now < p.image { // it got the snapshot
		p.image, p.known = 0, false
		n.ship(p)
	}
	if len(r.chosen.Nodes) == 1 && r.serving && len(r.pending) == 0 && n.sole() {
		n.name(m.Node)
		return
	}
	if _, named := r.newest().Node(m.Node.ID); !named { // one that only follows hears of the epoch this way
		n.send(Address{Node: m.Node.ID}, Accept{Record: r.chosen, Proof: n.voter.Promised})
	}
}

// name puts a node into the record, in the place of the other one if there is one. Only a sole primary may.
func (n *Replica) name(node Node) {
	n.change("node "+string(node.ID)+" is named", func(next *Record) {
		next.Nodes = append(slices.DeleteFunc(next.Nodes, func(o Node) bool { return o.ID != n.d.Node }), node)
	})
}

// shrink takes a log out of the sync set. Writes wait until that is chosen.
func (n *Replica) shrink(why string, log LogID) {
	r := n.reign
	if r.waitFor == log {
		r.waitFor = ""
	}
	if !r.newest().InSync(log) || log == n.d.Log {
		n.progress()
		return
	}
	n.note("sync set shrinks", "%s", why)
	n.change("without the other log", func(next *Record) { next.Sync = []LogID{n.d.Log} })
}

// grow brings a node's log into the sync set: first every acknowledgement waits for it, and once it has
// all that is published the record is sent.
func (n *Replica) grow(p *peer) {
	r := n.reign
	o, named := r.newest().Other(n.d.Node)
	if !named || o.ID != p.node.ID || r.newest().Mode == Async || len(r.pending) > 0 || !r.serving || r.newest().InSync(p.log) || r.handing != nil || n.now < p.away {
		return
	}
	end := n.cfg.Log.End().Index
	if r.waitFor == "" && end < p.acked.Index+growWithin {
		r.waitFor, r.waits = p.log, n.now
	}
	if r.waitFor != p.log || p.acked.Index < n.published.Index {
		return
	}
	if n.renewedUntil() <= n.now+beat { // from the sending on this node is not sole any more
		r.renewAt = min(r.renewAt, n.now)
		return
	}
	n.note("sync set grows", "node %.8s has everything", p.node.ID)
	n.change("with the other log", func(next *Record) { next.Sync = []LogID{n.d.Log, p.log} })
	r.waitFor = "" // the pending record makes acknowledgements wait from here on
}

func (n *Replica) tickPeers() {
	r := n.reign
	for _, p := range n.sortedPeers() {
		switch {
		case n.now < p.beatAt:
		case n.now < p.image:
			p.beatAt = n.now + beat
		default:
			n.ship(p)
		}
		if p.log != "" && n.now >= p.heard+silence || p.log == "" && n.now >= r.since+silence {
			if n.cfg.Flaws.Has(FlawDropPendingGrow) && len(r.pending) > 0 && r.chosen.Only(n.d.Log) {
				r.pending = nil
				n.progress()
			}
			n.silent(p)
		} else if p.acked.Index < n.cfg.Log.End().Index && n.now >= p.moved+stuck && r.newest().InSync(p.log) && n.heardSince(p.moved) {
			n.shrink("node "+string(p.node.ID)+" answers, and writes nothing", p.log)
		}
	}
	if r.waitFor != "" && n.now > r.waits+growAtMost {
		r.waitFor = "" // too slow; the next answer tries again
		n.progress()
	}
}

// heardSince tells whether the witnesses answered a renewal that was sent after a moment; if not, it hurries
// one. A primary that hears nobody must not send a record without the other node: the witnesses would
// take it, and then nobody could be elected.
func (n *Replica) heardSince(at time.Duration) bool {
	r := n.reign
	if n.college(func(a Address) bool { sent, ok := r.answered[a]; return ok && sent > at }, r.records()...) {
		return true
	}
	if n.now >= r.hurried+beat {
		r.hurried = n.now
		n.renew()
	}
	return false
}

// silent takes a node that says nothing out of the sync set, whichever of its logs is in there.
func (n *Replica) silent(p *peer) {
	r := n.reign
	for _, log := range r.newest().Sync {
		if log != n.d.Log {
			o, ok := r.newest().Other(n.d.Node)
			if ok && o.ID == p.node.ID {
				if !n.heardSince(p.heard) {
					return
				}
				n.shrink("node "+string(p.node.ID)+" is silent", log)
				return
			}
		}
	}
	if r.waitFor == p.log {
		r.waitFor = ""
		n.progress()
	}
}
