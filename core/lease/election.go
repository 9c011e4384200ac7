package lease

import (
	"fmt"
	"slices"
	"time"
)

// step is how far a candidature is.
type stage uint8

const (
	asking    stage = iota // whether enough would promise
	promising              // collecting promises
	fetching               // the tail of the other node
	choosing               // having the first record accepted
)

func (s stage) String() string {
	return [...]string{"asking", "collecting promises", "fetching the other's tail", "having its record accepted"}[s]
}

// candidature is one attempt to be elected. A primary whose epoch was outbid asks while it acts.
type candidature struct {
	step    stage
	epoch   Epoch
	until   time.Duration // gives up
	resend  time.Duration
	enough  time.Duration // when there were enough promises, 0 before
	replies map[Address]PromiseReply
	refused map[Address]string
	record  *Record // the newest, then the one to be chosen
	sole    bool    // nobody else is needed
	peer    PromiseReply
	oks     map[Address]bool // who accepted
}

// ask begins an election: whoever would promise an epoch above all seen is asked, without effect.
func (n *Replica) ask() {
	n.cand = &candidature{step: asking, epoch: n.above(), until: n.now + attempt, resend: n.now + beat,
		replies: map[Address]PromiseReply{}, refused: map[Address]string{}}
	c := n.cand
	if n.reign == nil {
		if n.voter.Record == nil {
			n.giveUpAttempt("no record names this node yet")
			return
		}
		if why := n.voter.Refuses(n.now, c.epoch, false); why != "" {
			n.giveUpAttempt("this node itself: " + why)
			return
		}
	}
	c.replies[n.me()] = PromiseReply{Epoch: c.epoch, OK: true, Record: n.voter.Record, Log: n.d.Log, End: n.cfg.Log.End()}
	if n.alone() {
		n.askAlone()
		return
	}
	n.call(Prevote{Epoch: c.epoch})
}

// askAlone begins the election of a node that needs nobody. It listens to the others for a moment all the
// same: a person may have promoted the other node in the belief that this one is off. And after its start it
// waits for the first voter that comes back: its disk may be that of an earlier day, and then other records
// would take the place of those that were acknowledged.
func (n *Replica) askAlone() {
	c := n.cand
	if len(n.electorate(n.voter.Record)) == 0 {
		n.collect()
		return
	}
	c.enough = n.now + peerGrace
	if len(n.vouched) == 0 {
		c.enough = max(c.enough, n.began+vouchAtMost)
		c.until = max(c.until, c.enough+beat)
	}
	n.call(Prevote{Epoch: c.epoch})
}

func (n *Replica) prevoted(from Address, m PrevoteReply) {
	c := n.cand
	known := n.seen(m.Promised)
	if !n.vouches(from, m.Known) || c == nil || c.step != asking || m.Epoch != c.epoch {
		return
	}
	c.enough = min(c.enough, n.now+peerGrace) // the first voter that came back
	if !m.OK {
		c.refused[from] = m.Why
		if from.Node != "" && m.Record.Compare(c.newest(n)) > 0 && !m.Record.InSync(n.d.Log) && (n.reign == nil || n.alone()) {
			n.overruled()
			return
		}
		if known && m.Promised.Epoch.Compare(c.epoch) >= 0 { // outbid: ask again above it
			n.ask()
		}
		return
	}
	delete(c.refused, from)
	c.replies[from] = PromiseReply{Epoch: m.Epoch, OK: true, Record: m.Record, Known: m.Known}
	n.prevoteCounted()
}

// overruled ends the attempt of a node that the other one's record leaves out, and its reign: while this one
// needed nobody, only a person can have made that record, by promoting the other one.
func (n *Replica) overruled() {
	n.lose("the other node has a newer record, which leaves this one out: it was promoted")
	n.giveUpAttempt("the other node has a newer record, which does not say that this one has every acknowledged write")
}

// prevoteCounted goes on once enough would promise. The other node's answer is worth a moment: it may
// hold a record that tells that this one cannot be elected, and then no epoch is raised in vain.
func (n *Replica) prevoteCounted() {
	c := n.cand
	r := c.newest(n)
	sole := n.alone() && r == n.voter.Record
	if sole && n.now < c.enough && slices.ContainsFunc(n.electorate(r), func(a Address) bool { return !c.said(a) && c.refused[a] == "" }) {
		return
	}
	if !sole && !n.quorum(r, c.said) || !n.eligible() {
		return
	}
	if o, has := r.Other(n.d.Node); has && !sole && n.awaits(Address{Node: o.ID}) {
		return
	}
	n.collect()
}

// awaits tells whether an answer that would be good to have is still waited for, once there are enough
// without it.
func (n *Replica) awaits(who Address) bool {
	c := n.cand
	if c.said(who) || c.refused[who] != "" {
		return false
	}
	if c.enough == 0 {
		c.enough = n.now + peerGrace
	}
	return n.now < c.enough
}

func (c *candidature) said(a Address) bool { return c.replies[a].OK }

// eligible tells whether the newest record lets this node be elected, and notes why not.
func (n *Replica) eligible() bool {
	c := n.cand
	if n.cfg.Flaws.Has(FlawIgnoreNewest) {
		return true
	}
	r := c.newest(n)
	switch _, named := r.Node(n.d.Node); {
	case !named:
		n.giveUpAttempt("the newest record does not name this node")
	case !r.InSync(n.d.Log):
		n.giveUpAttempt("the newest record does not say that this node has every acknowledged write")
	case !n.holds(r.Base):
		n.giveUpAttempt(fmt.Sprintf("the log lacks record %d of the newest record", r.Base.Index))
	default:
		return true
	}
	return false
}

// giveUpAttempt goes back to following and tries again soon.
func (n *Replica) giveUpAttempt(why string) {
	c := n.cand
	n.missing = []string{why}
	if c != nil {
		for _, to := range n.electorate(c.newest(n)) {
			switch {
			case c.refused[to] != "":
				n.missing = append(n.missing, to.String()+": "+c.refused[to])
			case !c.said(to):
				n.missing = append(n.missing, to.String()+": no answer")
			}
		}
		slices.Sort(n.missing[1:])
	}
	n.follow(again + n.jitter(again))
}

// String names a voter.
func (a Address) String() string {
	if a.Node != "" {
		return fmt.Sprintf("node %.8s", a.Node)
	}
	return fmt.Sprintf("witness %.24s", a.Witness.Agent)
}

// collect makes this node's own promise durable, then asks for those of the others. From here on it
// accepts nothing of a lower epoch.
func (n *Replica) collect() {
	n.lose("elects itself anew")
	c := n.cand
	if o, has := c.newest(n).Other(n.d.Node); has && c.said(Address{Node: o.ID}) {
		c.enough = 0 // it will answer again
	}
	c.step, c.epoch = promising, n.above()
	proof := n.cfg.Sign(Promised, c.epoch)
	if why, _ := n.voter.Promise(n.now, proof, false); why != "" {
		n.giveUpAttempt("this node itself: " + why)
		return
	}
	n.highest = c.epoch.Counter
	c.replies, c.refused, c.until, c.resend = map[Address]PromiseReply{}, map[Address]string{}, n.now+attempt, n.now+beat
	c.sole = n.alone()
	n.save(func() {
		n.atRest(func() {
			if n.cand != c || c.step != promising {
				return
			}
			c.replies[n.me()] = PromiseReply{Epoch: c.epoch, OK: true, Record: n.voter.Record, Log: n.d.Log, End: n.cfg.Log.End(), Known: n.voter.Known}
			if !c.sole {
				n.call(Promise{Certificate: proof})
			}
			n.counted()
		})
	})
}

func (n *Replica) promised(from Address, m PromiseReply) {
	c := n.cand
	if !m.OK {
		n.seen(m.Promised)
	}
	if c == nil || c.step != promising || m.Epoch != c.epoch {
		return
	}
	if !m.OK {
		c.refused[from] = m.Why
		return
	}
	if !n.cfg.Flaws.Has(FlawIgnoreNewest) && !n.vouches(from, m.Known) {
		return
	}
	delete(c.refused, from)
	before := c.newest(n)
	c.replies[from] = m
	n.counted()
	if n.cand == c && c.step == promising && c.newest(n).Compare(before) > 0 {
		n.call(Promise{Certificate: n.voter.Promised}) // it may name others
	}
}

// counted goes on once there are enough promises.
func (n *Replica) counted() {
	c := n.cand
	if !c.said(n.me()) {
		return
	}
	r := c.newest(n)
	if !c.sole && !n.quorum(r, c.said) {
		return
	}
	if !n.eligible() {
		n.electAt = max(n.electAt, n.now+n.timers().Wait) // whoever can be elected goes first
		return
	}
	o, has := r.Other(n.d.Node)
	reply, said := c.replies[Address{Node: o.ID}]
	if has && !c.sole && r.InSync(n.d.Log) && len(r.Sync) > 1 && n.awaits(Address{Node: o.ID}) {
		return // it is worth a moment to keep the other one in the sync set
	}
	c.record, c.peer = r, PromiseReply{}
	if has && said && r.InSync(reply.Log) {
		c.peer = reply
	}
	if end := n.cfg.Log.End(); c.peer.OK && c.peer.End.Index > end.Index {
		c.step, c.until, c.resend = fetching, n.now+attempt, n.now+beat
		n.send(Address{Node: o.ID}, Fetch{Epoch: c.epoch, After: end})
		return
	}
	n.choose()
}

// fetched takes part of the tail of the other node.
func (n *Replica) fetched(m Entries) {
	c := n.cand
	if n.task != nil || m.Prev != n.cfg.Log.End() || len(m.Records) == 0 {
		return
	}
	n.start(func(token uint64) Effect { return Write{Token: token, Entries: m.Records} }, func(ok bool) {
		if n.cand != c || c.step != fetching {
			return
		}
		end := n.cfg.Log.End()
		if !ok || end.Index >= c.peer.End.Index {
			n.choose()
			return
		}
		c.until, c.resend = n.now+attempt, n.now+beat
		n.send(Address{Node: c.other(n)}, Fetch{Epoch: c.epoch, After: end})
	})
}

func (c *candidature) other(n *Replica) NodeID {
	o, _ := c.record.Other(n.d.Node)
	return o.ID
}

// choose makes the first record of the epoch: it keeps the witnesses, and the other node in the sync set
// only if it promised this epoch with the same log.
func (n *Replica) choose() {
	c, old := n.cand, n.cand.record
	r := &Record{Epoch: c.epoch, Primary: n.d.Node, Nodes: n.renewNodes(old.Nodes), Sync: []LogID{n.d.Log}, Base: old.Base, Witnesses: old.Witnesses, Timers: old.Timers, Mode: old.Mode}
	end := n.cfg.Log.End()
	if c.peer.OK && c.peer.End == end && old.Mode != Async {
		r.Sync = append(r.Sync, c.peer.Log)
	}
	if n.published.Index > r.Base.Index && n.holds(n.published) {
		r.Base = n.published
	}
	n.note("elected", "epoch %s by %s", r.Epoch, c.who(n))
	if n.cfg.Flaws.Has(FlawServeAfterPromises) {
		n.cand = nil
		n.rule(r.Epoch, r)
		n.reign.chosen = r
		n.begin()
		return
	}
	c.step, c.record, c.until, c.resend, c.oks = choosing, r, n.now+2*attempt, n.now+beat, map[Address]bool{}
	n.d.Sole = c.sole && r.Only(n.d.Log)
	_, _ = n.voter.Accept(r, n.voter.Promised, nil)
	n.save(func() {
		if n.cand != c || c.step != choosing {
			return
		}
		c.oks[n.me()] = true
		n.propose(r, c.oks)
		n.chosen()
	})
}

// renewNodes puts this node's present address and key into the record.
func (n *Replica) renewNodes(nodes []Node) []Node {
	out := slices.Clone(nodes)
	for i := range out {
		if out[i].ID == n.d.Node {
			out[i] = n.cfg.Self
		}
	}
	return out
}

// propose sends a record to all that have not accepted it.
func (n *Replica) propose(r *Record, oks map[Address]bool) {
	for _, to := range n.electorate(r) {
		if !oks[to] {
			n.send(to, Accept{Record: r, Proof: n.voter.Promised})
		}
	}
}

// who names those whose promises counted.
func (c *candidature) who(n *Replica) string {
	if c.sole {
		return "itself: nobody else has every acknowledged write"
	}
	var out []string
	for a, r := range c.replies {
		if r.OK && a != n.me() {
			out = append(out, a.String())
		}
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// chosen begins the reign once the first record has its voters.
func (n *Replica) chosen() {
	c := n.cand
	if !c.oks[n.me()] || !c.sole && !n.quorum(c.record, func(a Address) bool { return c.oks[a] }) {
		return
	}
	n.cand = nil
	n.rule(c.epoch, c.record)
	n.reign.oks = c.oks
	n.settled(c.record)
	n.begin()
}

// next is when something is due.
func (c *candidature) next(now time.Duration) time.Duration {
	if c.enough > now {
		return min(c.until, c.resend, c.enough)
	}
	return min(c.until, c.resend)
}

func (n *Replica) tickCandidature() {
	c := n.cand
	if step := c.step; step <= promising && c.enough > 0 && n.now >= c.enough {
		if step == asking {
			n.prevoteCounted()
		} else {
			n.counted()
		}
		if n.cand != c || c.step != step {
			return
		}
	}
	if n.now >= c.until {
		if c.step == fetching {
			c.peer = PromiseReply{}
			n.choose()
			return
		}
		if c.step == asking && n.reign != nil {
			n.cand = nil // acts on while it has the right
			n.electAt = n.now + again
			return
		}
		n.giveUpAttempt("no election yet, " + c.step.String())
		return
	}
	if n.now < c.resend {
		return
	}
	c.resend = n.now + beat
	switch c.step {
	case asking:
		n.call(Prevote{Epoch: c.epoch})
	case promising:
		if c.said(n.me()) && !c.sole {
			n.call(Promise{Certificate: n.voter.Promised})
		}
	case fetching:
		n.send(Address{Node: c.other(n)}, Fetch{Epoch: c.epoch, After: n.cfg.Log.End()})
	case choosing:
		if c.oks[n.me()] {
			n.propose(c.record, c.oks)
		}
	}
}
