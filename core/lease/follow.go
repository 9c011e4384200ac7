package lease

import "strconv"

// entries takes what the primary ships, or, for a candidate, what the other node has more.
func (n *Replica) entries(from Address, m Entries) {
	if c := n.cand; c != nil && c.step == fetching && m.Epoch == c.epoch && from.Node == c.other(n) {
		n.fetched(m)
		return
	}
	promised := n.voter.Promised.Epoch
	late := m.Epoch.Compare(promised) < 0 && !n.cfg.Flaws.Has(FlawAppendAfterPromise)
	if from.Node != NodeID(m.Epoch.Node) || late || m.Epoch.Compare(promised) > 0 || n.reign != nil || n.task != nil || n.over {
		return // of an epoch that is over, or that no record here tells of yet; or busy, and it comes again
	}
	n.follows(from.Node, m.Epoch)
	n.ahead = m.Published.Index
	if had := []Known{{Logs: []LogID{m.HadLog}, Position: m.Had}}; n.lost(had) {
		n.forgetful("the log lacks records that the primary knows it had", had)
		return
	}
	reply := EntriesReply{Epoch: m.Epoch, N: m.N, Log: n.d.Log}
	if !n.here(m.Prev) || n.uncut {
		if !n.uncut { // else only a snapshot helps
			reply.Try = n.places()
		}
		n.send(from, reply)
		return
	}
	// Skip what is here already. Where the logs part, this one gives way; so does what lies past the end
	// of the primary's and was written in an epoch before.
	end := n.cfg.Log.End()
	at, rest := m.Prev, m.Records
	for len(rest) > 0 && rest[0].Position.Index <= end.Index && n.holds(rest[0].Position) {
		at, rest = rest[0].Position, rest[1:]
	}
	if len(rest) > 0 && rest[0].Position.Index <= end.Index || len(rest) == 0 && n.foreign(at, m) {
		n.cut(at)
		return
	}
	common := last(rest, at) // what lies past it here is not known to be the primary's
	done := func() {
		if n.over { // it has left, and would be waited for
			return
		}
		reply.OK, reply.End = true, common
		if n.cfg.Flaws.Has(FlawShowUnannounced) {
			n.publish(n.cfg.Log.End().Index)
		} else {
			n.publish(min(m.Published.Index, common.Index))
		}
		n.send(from, reply)
	}
	if len(rest) == 0 {
		done()
		return
	}
	n.start(func(token uint64) Effect { return Write{Token: token, Entries: rest} }, func(ok bool) {
		switch {
		case ok:
			done()
		case n.voter.Record.InSync(n.d.Log):
			n.note("cannot write", "the log took no records; this node asks to leave the sync set")
			n.send(from, Leave{Epoch: m.Epoch, Log: n.d.Log})
		}
	})
}

func last(entries []Entry, or Position) Position {
	if len(entries) == 0 {
		return or
	}
	return entries[len(entries)-1].Position
}

// here tells whether the log has a position for certain.
func (n *Replica) here(p Position) bool {
	if p.Index == 0 {
		return n.cfg.Log.Cut().Index == 0
	}
	hash, _, there := n.cfg.Log.At(p.Index)
	return there && hash == p.Hash
}

// foreign tells whether the record after a place that the primary's log ends at is of an epoch before the
// primary's: then the primary never had it.
func (n *Replica) foreign(at Position, m Entries) bool {
	if at.Index < m.End.Index || n.cfg.Log.End().Index <= m.End.Index {
		return false
	}
	_, e, there := n.cfg.Log.At(m.End.Index + 1)
	return there && e.Compare(m.Epoch) < 0
}

// places are positions of this log, from its end backwards in growing steps, for the primary to find one
// that both have.
func (n *Replica) places() []Position {
	var out []Position
	end, cut := n.cfg.Log.End(), n.cfg.Log.Cut()
	for step := uint64(0); ; step = max(1, 2*step) {
		if step > end.Index || end.Index-step <= cut.Index {
			return append(out, cut)
		}
		if hash, _, there := n.cfg.Log.At(end.Index - step); there {
			out = append(out, Position{Index: end.Index - step, Hash: hash})
		}
	}
}

// cut gives up what lies past a position, which goes into a fork file.
func (n *Replica) cut(to Position) {
	n.note("log parts", "from the primary's after record %d; the rest is kept as a fork", to.Index)
	n.discard("records past "+strconv.FormatUint(to.Index, 10)+" are discarded", func(token uint64) Effect { return CutTail{Token: token, To: to} }, func(ok bool) { n.uncut = !ok })
}

// discard has the log give up records: only once it has another id, on disk.
func (n *Replica) discard(why string, make func(token uint64) Effect, then func(ok bool)) {
	e := n.plan(make, then)
	n.renameLog(why, func() { n.do(e) })
}

// snapshotArrived installs a snapshot of the primary, after the log got another id.
func (n *Replica) snapshotArrived(e SnapshotArrived) {
	if e.From != NodeID(e.Epoch.Node) || e.Epoch != n.voter.Promised.Epoch || n.reign != nil || n.task != nil {
		return
	}
	if n.here(e.End) && n.cfg.Log.End().Index >= e.End.Index {
		return // caught up meanwhile
	}
	n.heard(e.From, e.Epoch)
	n.discard("a snapshot replaces it", func(token uint64) Effect { return Install{Token: token} }, func(ok bool) {
		if ok {
			n.published, n.uncut = Position{}, false
			n.publish(e.End.Index)
			n.greet() // so that the primary goes on from there
		}
	})
}
