package lease

import (
	"fmt"
	"slices"
	"time"
)

// How often things are said again, and how long an attempt lasts. They only decide how quickly a cluster
// gets on, never whether it is right.
const (
	beat        = 500 * time.Millisecond  // between messages to a node that follows, and of what was not answered
	silence     = 2 * time.Second         // a node in the sync set that says nothing this long is taken out
	stuck       = 3 * time.Second         // and one that answers all this time and puts no record on its disk that is waited for
	attempt     = 1500 * time.Millisecond // a phase of an election
	again       = time.Second             // until the next attempt, and up to as much more
	peerGrace   = 300 * time.Millisecond  // for the other node's promise, once there are enough without it
	drainAtMost = 3 * time.Second         // for a handoff
	vouchAtMost = 5 * time.Second         // for a voter to say what this log had, at the start of a node that needs nobody
	growAtMost  = 2 * time.Second         // for a log to catch up while acknowledgements wait for it
	growWithin  = 2048                    // records behind, at which it is worth waiting for
	promotion   = 65536                   // how far a promoted epoch lies above the last one known
)

// Replica is a node of the pair: it follows, is elected, acts, hands over. Step gives it an event and
// returns what is to be done, in order. It is not safe for concurrent use.
type Replica struct {
	cfg     Config
	d       Durable
	voter   *Voter
	now     time.Duration
	out     []Effect
	stepped bool     // once
	saves   []func() // continuations of the Saves under way, oldest first
	token   uint64

	published Position
	unshown   bool          // published is of the record on disk; nobody was told in this process
	ahead     uint64        // what the primary said is published
	highest   uint64        // counter of the highest epoch seen with a certificate
	contact   time.Duration // when a primary was heard last
	primary   NodeID        // which one that was; empty when unknown
	electAt   time.Duration
	missing   []string // why the last attempt at an election led nowhere
	greeted   time.Duration
	began     time.Duration    // when New was called
	vouched   map[Address]bool // voters that told what this log had, since then

	stuck uint64 // token of an Fsync that outlived its reign: no election before the disk answers
	task  *task  // what the log is busy with, in a follower or candidate
	after []func()
	cand  *candidature
	reign *reign
	gave  *gaveUp
	over  bool // it shuts down
	uncut bool // the log did not give up what the primary does not have
}

// task is something the log does at the moment: Write, CutTail or Install.
type task struct {
	token uint64
	then  func(ok bool)
}

// Found is the state of the first node of a new cluster, or of one that was alone before there were two:
// the sole primary of an epoch that is over.
func Found(self Node, log LogID, last Epoch, timers Timers) Durable {
	r := &Record{Epoch: last, Primary: self.ID, Nodes: []Node{self}, Sync: []LogID{log}, Timers: timers, Mode: Sync}
	return Durable{Node: self.ID, Log: log, Sole: true, Voter: VoterState{Promised: Certificate{Kind: Promised, Epoch: last}, Record: r}}
}

// New starts a replica with what was on disk.
func New(cfg Config, d Durable, now time.Duration) *Replica {
	n := &Replica{cfg: cfg, d: d, now: now, contact: now, began: now, vouched: map[Address]bool{}}
	state := d.Voter
	if cfg.Flaws.Has(FlawForgetVoter) && state.Record != nil && !d.Sole {
		state = VoterState{Record: state.Record}
	}
	last := state.Record != nil && state.Record.Primary == d.Node
	// Whoever is alone in the record has nobody to lease to.
	waive := last && state.Promised.Epoch == state.Record.Epoch && (d.Boot == cfg.Boot || len(state.Record.Nodes) == 1)
	n.voter = NewVoter(state, now, cfg.Timers.Lease, waive, cfg.Flaws)
	n.highest = max(state.Promised.Epoch.Counter, d.GaveUp.Counter, cfg.Highest)
	if r := state.Record; r != nil {
		n.highest = max(n.highest, r.Epoch.Counter)
		if n.holds(r.Base) {
			n.published, n.unshown = r.Base, r.Base.Index > 0
		}
	}
	n.electAt = now + n.timers().Wait + n.jitter(again)
	if last {
		n.electAt = now
	}
	known := slices.Clone(state.Known)
	if state.Record != nil {
		known = append(known, Known{Logs: state.Record.Sync, Position: state.Record.Base})
	}
	if n.lost(known) {
		n.forgetful("the log lacks records that it is known to have had", known)
	}
	if cfg.Flaws.Has(FlawContinueEpoch) && last && state.Promised.Epoch == state.Record.Epoch && !d.Restored {
		n.rule(state.Record.Epoch, state.Record)
		n.reign.chosen, n.reign.begun = state.Record, true
	}
	return n
}

// Step handles an event and returns what is to be done. The slice is good until the next call.
func (n *Replica) Step(now time.Duration, e Event) []Effect {
	n.now = max(now, n.now)
	if n.stepped { // else what New wants done comes first
		n.out = n.out[:0]
	}
	n.stepped = true
	if n.unshown { // a node that nobody writes to would show less until somebody did
		n.unshown = false
		n.do(Publish{Position: n.published})
	}
	switch e := e.(type) {
	case Tick:
	case Received:
		n.received(e.From, e.Message)
	case Saved:
		if len(n.saves) > 0 {
			then := n.saves[0]
			n.saves = n.saves[1:]
			if then != nil {
				then()
			}
		}
	case Fsynced:
		n.fsynced(e.Token)
	case Written:
		if t := n.task; t != nil && t.token == e.Token {
			n.task = nil
			t.then(e.OK)
			n.settle()
		}
	case Grown:
		if n.reign != nil {
			n.progress()
			n.shipAll()
		}
	case Unwritten:
		n.unwritten(e.Epoch)
	case SnapshotArrived:
		n.snapshotArrived(e)
	default:
		n.ordered(e)
	}
	n.tick()
	return n.out
}

// Settled tells that nothing this node said it would do waits for its disk.
func (n *Replica) Settled() bool { return len(n.saves) == 0 && n.task == nil }

// Next is when Tick is due at the latest.
func (n *Replica) Next() time.Duration {
	switch {
	case n.reign != nil:
		return n.reign.next(n)
	case n.cand != nil:
		return n.cand.next(n.now)
	case n.gave != nil:
		return min(n.gave.resend, n.electAt)
	}
	next := max(n.greeted, n.contact) + again
	if !n.d.Restored && !n.over {
		next = min(next, max(n.electAt, n.now+time.Millisecond))
	}
	return next
}

func (n *Replica) tick() {
	if n.reign != nil {
		n.tickReign()
	}
	if n.cand != nil {
		n.tickCandidature()
	}
	if n.reign != nil || n.cand != nil {
		return
	}
	if g := n.gave; g != nil && n.now >= g.resend {
		if n.now > g.until || n.voter.Promised.Epoch.Compare(g.epoch) > 0 {
			n.gave = nil
		} else {
			g.resend = n.now + beat
			n.send(Address{Node: g.to}, GiveUp{Epoch: g.epoch, End: n.cfg.Log.End()})
			if n.cfg.Flaws.Has(FlawResumeGivenUp) && n.now > g.until-drainAtMost/2 {
				n.resume(g)
				return
			}
		}
	}
	if n.now >= n.greeted+again && n.now >= n.contact+again {
		n.greet()
	}
	if !n.d.Restored && !n.over && n.now >= n.electAt && n.task == nil {
		if n.stuck != 0 {
			n.missing = []string{"this node's own disk: it does not answer"}
			n.electAt = n.now + again
			return
		}
		n.ask()
	}
}

// greet tells the nodes that may be primary about this one.
func (n *Replica) greet() {
	n.greeted = n.now
	if n.d.Restored {
		return
	}
	for _, to := range n.others() {
		n.send(to, Hello{Node: n.cfg.Self, Log: n.d.Log, End: n.cfg.Log.End()})
	}
}

// others are the other nodes that are known of.
func (n *Replica) others() []Address {
	var out []Address
	if r := n.voter.Record; r != nil {
		if o, ok := r.Other(n.d.Node); ok {
			out = append(out, Address{Node: o.ID})
		}
		if _, named := r.Node(n.d.Node); named {
			return out
		}
	}
	for _, p := range n.cfg.Peers {
		if p.Node != n.d.Node && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (n *Replica) timers() Timers {
	if r := n.voter.Record; r != nil {
		return r.Timers
	}
	return n.cfg.Timers
}

func (n *Replica) jitter(below time.Duration) time.Duration {
	if n.cfg.Jitter == nil {
		return 0
	}
	return n.cfg.Jitter(below)
}

func (n *Replica) do(e Effect)                { n.out = append(n.out, e) }
func (n *Replica) send(to Address, m Message) { n.do(Send{To: to, Message: m}) }
func (n *Replica) note(what, f string, a ...any) {
	n.do(Note{What: what, Detail: fmt.Sprintf(f, a...)})
}

// save puts the present state on disk, then goes on with then, which may be nil.
func (n *Replica) save(then func()) {
	n.d.Voter, n.d.Boot = n.voter.VoterState, n.cfg.Boot
	n.saves = append(n.saves, then)
	n.do(Save{State: n.d})
}

// onDisk goes on with then once the present state is on disk: an answer that repeats what was said before
// must not overtake the save that the first one waits for.
func (n *Replica) onDisk(then func()) {
	last := len(n.saves) - 1
	if last < 0 {
		then()
		return
	}
	before := n.saves[last]
	n.saves[last] = func() {
		if before != nil {
			before()
		}
		then()
	}
}

// start has the log do something; then is told whether it did.
func (n *Replica) start(make func(token uint64) Effect, then func(ok bool)) { n.do(n.plan(make, then)) }

// plan keeps the log busy with what is yet to be done.
func (n *Replica) plan(make func(token uint64) Effect, then func(ok bool)) Effect {
	n.token++
	n.task = &task{n.token, then}
	return make(n.token)
}

// settle goes on with what waited for the log to be at rest.
func (n *Replica) settle() {
	for n.task == nil && len(n.after) > 0 {
		next := n.after[0]
		n.after = n.after[1:]
		next()
	}
}

// atRest calls f once nothing is being written to the log.
func (n *Replica) atRest(f func()) {
	n.after = append(n.after, f)
	n.settle()
}

// holds tells whether the log has a position.
func (n *Replica) holds(p Position) bool {
	if p.Index == 0 {
		return true
	}
	if p.Index < n.cfg.Log.Cut().Index {
		return true // cut long ago; the chain up to the cut was checked when it was there
	}
	hash, _, there := n.cfg.Log.At(p.Index)
	return there && hash == p.Hash
}

func (n *Replica) lost(known []Known) bool { return Lacks(known, n.d.Log, n.holds) }

// forgetful draws a new log id for a log that lost records, and keeps what it is known to have had.
func (n *Replica) forgetful(why string, known []Known) {
	for _, k := range known {
		if n.lost([]Known{k}) && k.Position.Index > n.d.Lacks.Index {
			n.d.Lacks = k.Position
		}
	}
	n.renameLog(why, nil)
}

// vouches takes what a voter knows that this log had, and tells whether the log has it. Nobody is sent a
// renewal that did not tell yet: it would remember what is published now instead.
func (n *Replica) vouches(from Address, known []Known) bool {
	if n.lost(known) {
		const why = "the log lacks records that a voter knows it had"
		if n.reign != nil || n.cand != nil {
			n.lose(why)
			n.giveUpAttempt(why)
		}
		n.forgetful(why, known)
		return false
	}
	if !n.vouched[from] {
		n.vouched[from] = true
		if n.reign != nil {
			n.sendRenewal(from)
		}
	}
	return true
}

// renameLog draws a new log id, because the log is not any more what others believe it to be, and goes on
// with then, which may be nil, once that is on disk.
func (n *Replica) renameLog(why string, then func()) {
	if n.cfg.Flaws.Has(FlawKeepLogID) {
		if then != nil {
			then()
		}
		return
	}
	n.d.Log = n.cfg.NewLogID()
	n.d.Sole = false
	n.note("log renamed", "%s", why)
	n.save(then)
}

// publish shows everything up to an index.
func (n *Replica) publish(index uint64) {
	if index <= n.published.Index {
		return
	}
	hash, _, there := n.cfg.Log.At(index)
	if !there {
		return
	}
	n.published = Position{Index: index, Hash: hash}
	n.do(Publish{Position: n.published})
}

// seen remembers an epoch that a node's certificate proves, so that an election goes above it.
func (n *Replica) seen(c Certificate) bool {
	if c.Epoch.Counter == 0 || !n.valid(c, nil) {
		return false
	}
	n.highest = max(n.highest, c.Epoch.Counter)
	return true
}

// valid tells whether a certificate is signed by a node that is known.
func (n *Replica) valid(c Certificate, r *Record) bool {
	nodes := []Node{n.cfg.Self}
	if held := n.voter.Record; held != nil {
		nodes = append(nodes, held.Nodes...)
	}
	if r != nil {
		nodes = append(nodes, r.Nodes...)
	}
	return n.cfg.Valid(c, nodes)
}

// fall back to following.
func (n *Replica) follow(electIn time.Duration) {
	n.cand = nil
	n.electAt = n.now + electIn
}
