package lease

import (
	"slices"
	"time"
)

// Status shows the replica as it is now.
func (n *Replica) Status(now time.Duration) Status {
	n.now = max(n.now, now)
	s := Status{Role: "standby", Epoch: n.voter.Promised.Epoch, Published: n.published, End: n.cfg.Log.End(), Record: n.voter.Record, Sole: n.d.Sole, Missing: slices.Clone(n.missing), Primary: n.primary}
	if l := n.d.Lacks; l.Index > 0 && !n.holds(l) {
		s.Lacks = l
	}
	if n.reign == nil {
		s.Behind, s.Silent = n.ahead-min(n.ahead, n.published.Index), n.now-n.contact
	}
	switch {
	case n.reign != nil:
		r := n.reign
		s.Role, s.Phase, s.Epoch = "primary", "beginning", r.epoch
		if r.serving {
			s.Phase = "serving"
		}
		s.Record, s.Pending, s.Sole = r.chosen, slices.Clone(r.pending), n.sole()
		s.Right = n.Acting()
		if s.Right && !s.Sole {
			s.RightFor = n.rightUntil() - n.now
		}
		for _, p := range n.sortedPeers() {
			s.Peers = append(s.Peers, PeerStatus{Node: p.node.ID, As: p.node, Log: p.log, Acked: p.acked.Index, Silent: n.now - p.heard, InSync: r.chosen.InSync(p.log)})
		}
		for _, w := range s.Record.All() {
			s.Told = append(s.Told, Told{Witness: w, Published: r.knows[Address{Witness: w}]})
		}
	case n.cand != nil:
		s.Role, s.Phase = "candidate", n.cand.step.String()
	case n.d.Restored:
		s.Role = "restored"
	}
	return s
}
