package lease

// received hands a message to whom it concerns.
func (n *Replica) received(from Address, m Message) {
	switch m := m.(type) {
	case Prevote:
		why := n.voter.Refuses(n.now, m.Epoch, n.Acting())
		n.send(from, PrevoteReply{Epoch: m.Epoch, OK: why == "", Why: why, Promised: n.voter.Promised, Record: n.voter.Record, Known: n.voter.Known})
	case PrevoteReply:
		n.prevoted(from, m)
	case Promise:
		n.askedPromise(from, m)
	case PromiseReply:
		n.promised(from, m)
	case Accept:
		n.askedAccept(from, m)
	case AcceptReply:
		n.accepted(from, m)
	case Renew:
		n.askedRenew(from, m)
	case RenewReply:
		n.renewed(from, m)
	case Hello:
		n.hello(m)
	case Entries:
		n.entries(from, m)
	case EntriesReply:
		n.shipped(from, m)
	case Fetch:
		if from.Node != "" && m.Epoch == n.voter.Promised.Epoch && n.reign == nil {
			n.do(Ship{To: from.Node, Message: Entries{Epoch: m.Epoch, Prev: m.After, End: n.cfg.Log.End()}})
		}
	case Leave:
		if r := n.reign; r != nil && m.Epoch == r.epoch {
			if p := r.peers[from.Node]; p != nil {
				p.away = n.now + silence
			}
			n.shrink("a node asked to leave", m.Log)
		}
	case GiveUp:
		n.givenUp(from, m)
	case Announce:
		n.announced(m)
	}
}

func (n *Replica) askedPromise(from Address, m Promise) {
	e := m.Certificate.Epoch
	reply := PromiseReply{Epoch: e}
	switch {
	case !n.proves(from, m.Certificate, nil):
		reply.Why = "the certificate is not of a node that is known here"
	default:
		reply.Why, _ = n.voter.Promise(n.now, m.Certificate, n.Acting())
	}
	if reply.Why != "" {
		reply.Promised = n.voter.Promised
		n.send(from, reply)
		return
	}
	n.yield(e, "promised epoch "+e.String())
	n.contact = n.now
	n.electAt = max(n.electAt, n.now+n.timers().Wait)
	n.save(func() {
		n.atRest(func() { // a write of the epoch before may still be under way
			reply.OK, reply.Promised, reply.Record, reply.Known = true, n.voter.Promised, n.voter.Record, n.voter.Known
			reply.Log, reply.End = n.d.Log, n.cfg.Log.End()
			n.send(from, reply)
		})
	})
}

func (n *Replica) askedAccept(from Address, m Accept) {
	r := m.Record
	reply := AcceptReply{}
	if r == nil || m.Proof.Epoch != r.Epoch || r.Timers.Check() != nil {
		return
	}
	reply.Epoch, reply.Seq = r.Epoch, r.Seq
	var holds func(Position) bool
	if r.InSync(n.d.Log) {
		holds = n.holds
	}
	changed := false
	if !n.proves(from, m.Proof, r) {
		reply.Why = "the certificate is not of a node that is known here"
	} else {
		reply.Why, changed = n.voter.Accept(r, m.Proof, holds)
	}
	if reply.Why != "" {
		reply.Promised = n.voter.Promised
		n.send(from, reply)
		return
	}
	if r.Primary != n.d.Node {
		n.heard(r.Primary, r.Epoch)
		n.d.Sole = false
	}
	if r.InSync(n.d.Log) {
		n.d.Lacks = Position{} // it has every acknowledged write again
	}
	reply.OK = true
	if changed {
		n.save(nil)
	}
	n.onDisk(func() { n.send(from, reply) })
}

func (n *Replica) askedRenew(from Address, m Renew) {
	e := m.Proof.Epoch
	if !n.proves(from, m.Proof, nil) {
		return
	}
	ok, changed := n.voter.Renew(n.now, m)
	reply := RenewReply{Epoch: e, N: m.N, OK: ok}
	if !ok {
		reply.Promised = n.voter.Promised
		n.send(from, reply)
		return
	}
	n.heard(from.Node, e)
	if known := []Known{m.Published}; n.lost(known) {
		n.forgetful("the log lacks records that the primary knows it had", known)
	}
	if changed {
		n.save(nil)
	}
	n.onDisk(func() { n.send(from, reply) })
}

// proves tells whether a message is of the node that asks for promises of the epoch: an agent that repeats
// a node's certificate is not listened to.
func (n *Replica) proves(from Address, c Certificate, r *Record) bool {
	return c.Kind == Promised && from.Node == NodeID(c.Epoch.Node) && n.valid(c, r)
}

// heard notes that a primary has a lease, or is about to have one.
func (n *Replica) heard(who NodeID, e Epoch) {
	if who == n.d.Node {
		return
	}
	n.follows(who, e)
	if n.cand != nil && n.cand.step == asking && n.reign == nil {
		n.cand = nil
	}
	n.electAt = n.now + n.timers().Wait + n.jitter(again)
}

// follows notes that a primary is there. Whoever sends records may have a lease no more: one whose disk hangs
// sends them on, and renews nothing. A node without a voice hears nothing else, and has nobody to ask.
func (n *Replica) follows(who NodeID, e Epoch) {
	if who == n.d.Node {
		return
	}
	n.yield(e, "epoch "+e.String()+" has begun")
	n.contact, n.primary, n.missing = n.now, who, nil
	n.highest = max(n.highest, e.Counter)
	if _, named := n.voter.Record.Node(n.d.Node); !named {
		n.electAt = n.now + n.timers().Wait
	}
}

// yield ends what this node does in an epoch below e.
func (n *Replica) yield(e Epoch, why string) {
	if n.reign != nil && n.reign.epoch.Compare(e) < 0 {
		n.lose(why)
		n.electAt = n.now + n.timers().Wait
	}
	if c := n.cand; c != nil && c.epoch.Compare(e) < 0 {
		n.follow(n.timers().Wait)
	}
}

// announced is told by a certificate that an epoch was won.
func (n *Replica) announced(m Announce) {
	if m.Certificate.Kind != Won || m.Record == nil || !n.valid(m.Certificate, nil) {
		return
	}
	e := m.Certificate.Epoch
	if e.Compare(n.voter.Promised.Epoch) >= 0 && NodeID(e.Node) != n.d.Node {
		n.heard(NodeID(e.Node), e)
	}
}

func (n *Replica) givenUp(from Address, m GiveUp) {
	if from.Node != NodeID(m.Epoch.Node) || n.reign != nil || n.cand != nil || m.Epoch.Compare(n.voter.Promised.Epoch) != 0 {
		return
	}
	n.voter.Release(from.Node)
	if n.cfg.Log.End() == m.End && n.voter.Record.InSync(n.d.Log) && !n.d.Restored && !n.over {
		n.ask()
	}
}
