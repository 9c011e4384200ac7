package lease

import "slices"

func (n *Replica) me() Address { return Address{Node: n.d.Node} }

// above is an epoch of this node above all that it has seen, those it promised to others among them.
func (n *Replica) above() Epoch {
	return Epoch{Counter: max(n.highest, n.voter.Promised.Epoch.Counter) + 1, Node: string(n.d.Node)}
}

// alone tells whether this node decides without anybody: the last chosen record and all since name only
// its log.
func (n *Replica) alone() bool { return n.d.Sole && n.voter.Record.Only(n.d.Log) }

// electorate are all that a record gives a voice, this node apart.
func (n *Replica) electorate(r *Record) []Address {
	out := n.others()
	if o, ok := r.Other(n.d.Node); ok && !slices.Contains(out, Address{Node: o.ID}) {
		out = append(out, Address{Node: o.ID})
	}
	for _, w := range r.All() {
		out = append(out, Address{Witness: w})
	}
	return out
}

// call says something to everybody that has not answered.
func (n *Replica) call(m Message) {
	c := n.cand
	for _, to := range n.electorate(c.newest(n)) {
		if _, answered := c.replies[to]; !answered {
			n.send(to, m)
		}
	}
}

// newest is the newest record that came with an answer.
func (c *candidature) newest(n *Replica) *Record {
	r := n.voter.Record
	if n.cfg.Flaws.Has(FlawIgnoreNewest) {
		return r
	}
	for _, reply := range c.replies {
		if reply.Record.Compare(r) > 0 {
			r = reply.Record
		}
	}
	return r
}

// quorum tells whether those that said yes are enough by a record: this node and one more voter.
func (n *Replica) quorum(r *Record, has func(Address) bool) bool {
	if o, ok := r.Other(n.d.Node); ok && has(Address{Node: o.ID}) {
		return true
	}
	return n.college(has, r)
}

func (n *Replica) college(has func(Address) bool, records ...*Record) bool {
	for _, r := range records {
		if n.cfg.Flaws.Has(FlawSingleMajority) && len(r.Witnesses) > 1 {
			r = &Record{Witnesses: r.Witnesses[len(r.Witnesses)-1:]}
		}
		if !r.College(func(w Witness) bool { return has(Address{Witness: w}) }) {
			return false
		}
	}
	return len(records) > 0
}
