package lease

import (
	"fmt"
	"slices"
	"time"

	"kowabunga/core/fault"
)

// handing is a handoff under way: no new work is taken.
type handing struct{ until time.Duration }

// gaveUp is an epoch that this node gave up for the other one.
type gaveUp struct {
	epoch  Epoch
	to     NodeID
	resend time.Duration
	until  time.Duration
	record *Record
}

// Refusal tells why an order of a person (SetWitnesses, SetMode, Adopt, Handoff, Promote) would not be
// carried out now; nil when it would. Faults: Conflict, Invalid.
func (n *Replica) Refusal(e Event) error {
	if p, ok := e.(Promote); ok {
		switch end := n.cfg.Log.End(); {
		case n.Acting():
			return fault.New(fault.Conflict, "this node is the primary already")
		case end.Index < p.LoseAfter:
			return fault.Bad("lose-after", "%d lies past the end of this node's journal, %d: what it never had cannot be kept; the largest that can be given is %d", p.LoseAfter, end.Index, end.Index)
		}
		return nil
	}
	r := n.reign
	if r == nil || !r.serving {
		return fault.New(fault.Conflict, "this node is not the primary; ask that one")
	}
	switch e := e.(type) {
	case SetMode:
		if e.Mode != Sync && e.Mode != Async {
			return fault.Bad("mode", "%q is neither sync nor async", e.Mode)
		}
	case Adopt:
		if !n.sole() {
			return fault.New(fault.Conflict, "the other node is in the sync set; a node is replaced only after it was taken out")
		}
	case Handoff:
		o, ok := r.chosen.Other(n.d.Node)
		p := r.peers[o.ID]
		switch {
		case !ok:
			return fault.New(fault.Conflict, "there is no other node")
		case r.handing != nil:
			return fault.New(fault.Conflict, "a handoff is under way")
		case len(r.pending) > 0 || p == nil || !r.chosen.InSync(p.log):
			return fault.New(fault.Conflict, "the other node does not have every acknowledged write (it is not in the sync set); wait until status shows it there")
		}
	}
	return nil
}

// ordered carries out what a person asks for, if it can.
func (n *Replica) ordered(e Event) {
	if _, ok := e.(Shutdown); ok {
		n.shutdown()
		return
	}
	if err := n.Refusal(e); err != nil {
		n.note("refused", "%v", err)
		return
	}
	r := n.reign
	switch e := e.(type) {
	case SetWitnesses:
		r.witness = slices.Clone(e.Witnesses)
		if r.witness == nil {
			r.witness = []Witness{}
		}
	case SetMode:
		if r.newest().Mode != e.Mode {
			n.change("mode "+string(e.Mode), func(next *Record) {
				if next.Mode = e.Mode; e.Mode == Async {
					next.Sync = []LogID{n.d.Log}
				}
			})
		}
	case Adopt:
		n.name(e.Node)
	case Handoff:
		r.handing = &handing{until: n.now + drainAtMost}
		n.note("handoff", "begins")
		n.do(Drain{})
		n.tickHandoff()
	case Promote:
		n.promote(e)
	}
}

// changeWitnesses names the old and the new set; settled then goes on to the new one alone.
func (n *Replica) changeWitnesses() {
	r := n.reign
	want := r.witness
	r.witness = nil
	old := r.chosen.Witnesses
	if len(old) == 1 && slices.Equal(old[0], want) || len(old) == 0 && len(want) == 0 {
		return
	}
	n.change("new witnesses", func(next *Record) {
		switch {
		case len(old) == 0:
			next.Witnesses = [][]Witness{want}
		case len(want) == 0:
			next.Witnesses = nil
		case n.cfg.Flaws.Has(FlawSingleMajority):
			next.Witnesses = [][]Witness{want}
		default:
			next.Witnesses = [][]Witness{old[len(old)-1], want}
		}
	})
}

// tickHandoff gives up once the other node has everything.
func (n *Replica) tickHandoff() {
	r := n.reign
	if n.now >= r.handing.until {
		r.handing = nil
		n.note("handoff", "did not come about; this node goes on")
		n.do(Resume{})
		return
	}
	end := n.cfg.Log.End()
	o, ok := r.chosen.Other(n.d.Node)
	p := r.peers[o.ID]
	if !ok || p == nil || len(r.pending) > 0 || !r.chosen.InSync(p.log) || p.acked != end || n.published != end {
		return
	}
	chosen := r.chosen
	n.d.GaveUp = r.epoch
	n.lose("handed over to node " + string(o.ID))
	n.gave = &gaveUp{epoch: r.epoch, to: o.ID, resend: n.now + beat, until: n.now + drainAtMost, record: chosen}
	n.electAt = n.now + chosen.Timers.Wait
	n.save(func() { n.send(Address{Node: o.ID}, GiveUp{Epoch: r.epoch, End: end}) })
}

// resume is what must never happen: acting again in an epoch that was given up.
func (n *Replica) resume(g *gaveUp) {
	n.rule(g.epoch, g.record)
	n.reign.chosen, n.reign.begun, n.reign.serving = g.record, true, true
	n.do(Serve{Epoch: g.epoch, Record: g.record})
	n.renew()
}

// promote makes this node the primary on a person's word: alone, far above every epoch known.
func (n *Replica) promote(e Promote) {
	old := n.voter.Record
	_, last, _ := n.cfg.Log.At(n.cfg.Log.End().Index)
	n.highest = max(n.highest, last.Counter) + promotion
	epoch := n.above()
	n.highest++
	timers, mode := n.timers(), Sync
	if old != nil {
		mode = old.Mode
	}
	if !n.cfg.Flaws.Has(FlawKeepLogID) {
		n.d.Log = n.cfg.NewLogID() // whatever this log had and has no more is given up
	}
	r := &Record{Epoch: epoch, Primary: n.d.Node, Nodes: []Node{n.cfg.Self}, Sync: []LogID{n.d.Log}, Base: n.cfg.Log.End(), Timers: timers, Mode: mode}
	if len(e.Witnesses) > 0 {
		r.Witnesses = [][]Witness{e.Witnesses}
	}
	n.lose("is promoted anew")
	n.cand, n.gave = nil, nil
	n.voter.Promised, n.voter.Record = n.cfg.Sign(Promised, epoch), r
	n.d.Restored, n.d.Sole, n.d.Lacks = false, true, Position{}
	n.note("promoted", "by a person, to epoch %s, with everything up to record %d", epoch, n.cfg.Log.End().Index)
	n.rule(epoch, r)
	reign := n.reign
	reign.chosen = r
	n.save(func() {
		n.atRest(func() {
			if n.reign == reign {
				reign.oks[n.me()] = true
				n.begin()
			}
		})
	})
}

func (n *Replica) shutdown() {
	if r := n.voter.Record; n.reign == nil && r.InSync(n.d.Log) && n.primary != "" {
		n.send(Address{Node: n.primary}, Leave{Epoch: r.Epoch, Log: n.d.Log})
	}
	n.lose("shuts down")
	if !n.over { // the disk may be another one when the node comes back
		n.voter.remember(Known{Logs: []LogID{n.d.Log}, Position: n.published})
		n.save(nil)
	}
	n.electAt, n.over = 1<<63-1, true
}

// String shows a record in one line.
func (r *Record) String() string {
	if r == nil {
		return "no record"
	}
	short := func(s string) string { return fmt.Sprintf("%.8s", s) }
	nodes, logs := []string{}, []string{}
	for _, n := range r.Nodes {
		nodes = append(nodes, short(string(n.ID)))
	}
	for _, l := range r.Sync {
		logs = append(logs, short(string(l)))
	}
	sets := []int{}
	for _, s := range r.Witnesses {
		sets = append(sets, len(s))
	}
	return fmt.Sprintf("(%d@%s, %d) primary %s nodes %v sync %v base %d witnesses %v %s", r.Epoch.Counter, short(r.Epoch.Node), r.Seq, short(string(r.Primary)), nodes, logs, r.Base.Index, sets, r.Mode)
}
