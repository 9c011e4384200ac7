package world

import (
	"fmt"
	"time"

	"kowabunga/core/lease"
)

// node is a Kahuna: a replica with its log, what it has published, and its committer.
type node struct {
	process
	at      place
	key     []byte
	logs    int // how many log ids it drew
	ids     int // how many node ids
	peers   []lease.Address
	durable lease.Durable // on disk
	log     *chain        // on disk
	taken   *snapshot     // that arrived whole, not installed yet

	replica   *lease.Replica
	tickAt    time.Duration // world's time of the next Tick, 0 when none is due
	ticks     int
	published lease.Position
	shown     state // at published
	serving   bool
	epoch     lease.Epoch
	last      lease.Epoch // it ever served in
	draining  bool
	timers    *lease.Timers // of its configuration, when they are not those of the record
	off       bool          // says a person: nobody starts it
	apart     bool          // a node of a restore, no part of the pair
	commit    committer
	ops       *operations // of the epoch it serves in
	lossy     bool        // was promoted, and that is not in the journal yet
}

// snapshot carries the published state to a node that is too far behind.
type snapshot struct {
	epoch lease.Epoch
	end   lease.Position
	state state
	last  time.Time     // of the record at end
	voter lease.Durable // what a snapshot must not carry; for a flaw
}

func (n *node) title() string { return n.name }

func (w *World) newNode(name string, h *host) *node {
	n := &node{process: process{w: w, name: name, host: h}, key: []byte("key of " + name), log: newChain()}
	h.runs = append(h.runs, &n.process)
	n.at = w.join(n)
	n.commit.n = n
	w.nodes = append(w.nodes, n)
	return n
}

// founded makes the node the first of a new cluster.
func (n *node) founded() {
	n.newID()
	n.durable = lease.Found(n.self(), n.newLog(), lease.Epoch{Counter: 1, Node: string(n.durable.Node)}, n.w.opts.Timers)
	n.durable.Voter.Record.Mode = n.w.opts.Mode
}

// joins makes the node a standby of others, with an empty log.
func (n *node) joins(peers ...*node) {
	n.newID()
	n.log = newChain()
	n.durable = lease.Durable{Node: n.durable.Node, Log: n.newLog()}
	n.peers = nil
	for _, p := range peers {
		n.peers = append(n.peers, lease.Address{Node: p.durable.Node})
	}
}

func (n *node) newID() {
	n.ids++
	n.durable.Node = lease.NodeID(n.name)
	if n.ids > 1 {
		n.durable.Node = lease.NodeID(fmt.Sprintf("%s%d", n.name, n.ids))
	}
	n.key = []byte("key of " + string(n.durable.Node))
}

func (n *node) newLog() lease.LogID {
	n.logs++
	return lease.LogID(fmt.Sprintf("%s.%d", n.name, n.logs))
}

func (n *node) self() lease.Node {
	return lease.Node{ID: n.durable.Node, Key: n.key}
}

// start runs the program.
func (n *node) start() {
	if n.up || n.off || n.durable.Node == "" {
		return
	}
	n.begin()
	n.w.say(n.name, "starts")
	n.serving, n.draining, n.epoch = false, false, lease.Epoch{}
	n.tickAt = 0
	n.published, n.shown = n.log.cut, n.log.base.clone()
	n.taken, n.ops = nil, nil
	n.log.made() // of a process before
	n.commit = committer{n: n}
	timers := n.w.opts.Timers
	if n.timers != nil {
		timers = *n.timers
	}
	n.replica = lease.New(lease.Config{
		Self: n.self(), Peers: n.peers, Log: n.log, Timers: timers, Boot: n.host.bootID(),
		Sign: n.sign, Valid: n.w.valid, NewLogID: n.newLog,
		Jitter: func(d time.Duration) time.Duration { return time.Duration(n.w.rng.Int64N(int64(d) + 1)) },
		Flaws:  n.w.opts.Flaws,
	}, n.durable, n.host.clock())
	n.step(lease.Tick{})
}

// kill ends the program at once; what its disk had not taken yet may be lost.
func (n *node) kill(why string) {
	if !n.up {
		return
	}
	n.w.say(n.name, "%s", why)
	n.end()
	n.halt()
	n.host.disk.crash()
	n.log.trim(max(n.log.synced, n.log.cut.Index))
}

func (n *node) halt() {
	n.serving, n.ops = false, nil
	n.commit.halt()
}

// step tells the replica of something and does what it wants done.
func (n *node) step(e lease.Event) {
	if !n.up {
		return
	}
	life := n.life
	effects := n.replica.Step(n.host.clock(), e)
	for _, effect := range effects {
		n.do(effect)
		if n.life != life {
			return
		}
	}
	n.schedule()
	if n.serving && n.acts() {
		n.w.truth.acting(n)
	}
}

// schedule arranges for the next Tick.
func (n *node) schedule() {
	at := n.w.now + max(n.host.until(n.replica.Next()), time.Millisecond)
	if n.tickAt != 0 && n.tickAt <= at {
		return
	}
	n.tickAt = at
	n.ticks++
	tick := n.ticks
	n.later(at-n.w.now, func() {
		if tick == n.ticks {
			n.tickAt = 0
			n.step(lease.Tick{})
		}
	})
}

// acts tells whether the node has the right to act at this moment, by its own clock.
func (n *node) acts() bool { return n.up && n.replica.Status(n.host.clock()).Right }

func (n *node) receive(from place, message any) {
	n.run(func() {
		switch m := message.(type) {
		case lease.Message:
			n.step(lease.Received{From: n.w.address(from), Message: m})
		case snapshot:
			n.taken = &m
			n.step(lease.SnapshotArrived{From: n.w.address(from).Node, Epoch: m.epoch, End: m.end})
		case request:
			n.request(from, m)
		case reply:
			n.relay(m)
		default:
			n.hear(from, message)
		}
	})
}

// address is how replicas call who is at a place.
func (w *World) address(p place) lease.Address {
	switch e := w.places[p].(type) {
	case *node:
		return lease.Address{Node: e.durable.Node}
	case *agent:
		return lease.Address{Witness: e.witness()}
	}
	return lease.Address{}
}

// publish shows what was committed up to a position.
func (n *node) publish(p lease.Position) {
	for i := n.published.Index + 1; i <= p.Index; i++ {
		r, ok := n.log.get(i)
		if !ok {
			n.w.broken("published is on disk", "%s publishes %d, and its log has %d to %d", n.name, i, n.log.cut.Index+1, n.log.End().Index)
			return
		}
		n.w.truth.shows(n.name, r.rec)
		n.shown.apply(r.rec)
		n.published = r.pos
	}
	n.commit.publishedTo(n.published)
}
