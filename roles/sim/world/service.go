package world

import (
	"time"

	"kowabunga/core/lease"
)

// within is how soon somebody must serve once those who can decide are well.
const within = 60 * time.Second

// service watches that whoever could serve does: two nodes without witnesses, a node with witnesses, one
// that is sole with nobody.
type service struct {
	w      *World
	served time.Duration
	since  [2][3]time.Duration // since when a node could, and how
	could  [2][3]bool
}

// ways are how a node can serve.
var ways = [3]string{"alone", "with the other node", "with the witnesses"}

// watch looks once a second.
func (s *service) watch() {
	s.w.after(time.Second, func() {
		s.look()
		s.watch()
	})
}

func (s *service) look() {
	w := s.w
	if p := w.primary(); p != nil && !p.paused && !p.host.asleep && !p.host.disk.hung {
		s.served = w.now
	}
	for i, n := range w.nodes[:2] {
		other := w.nodes[1-i]
		r := n.durable.Voter.Record
		named := w.well(&n.process) && !n.durable.Restored && r.InSync(n.durable.Log) && w.allSay(n)
		holds := [3]bool{
			named && n.durable.Sole && r.Only(n.durable.Log),
			named && w.well(&other.process) && w.sound(n.at, other.at) && !other.off,
			named && r.College(func(x lease.Witness) bool {
				g := w.agent(x.Agent)
				return g.identity == x.Identity && w.well(&g.process) && w.sound(n.at, g.at)
			}),
		}
		for way, could := range holds {
			if could && !s.could[i][way] {
				s.since[i][way] = w.now
			}
			s.could[i][way] = could
			if could && w.now-max(s.since[i][way], s.served) > within {
				w.broken("who can serve does within a minute", "%s could %s since %.0f s and nobody does; %s", n.name, ways[way], s.since[i][way].Seconds(), w.missing())
			}
		}
	}
}

// well tells whether a process runs on a host that is awake and has a sound disk.
func (w *World) well(p *process) bool {
	d := p.host.disk
	return p.up && !p.paused && !p.host.asleep && !d.hung && !d.full && d.slow == 0
}

// sound tells whether messages pass between two places.
func (w *World) sound(a, b place) bool {
	for _, l := range []*link{w.link(a, b), w.link(b, a)} {
		if l.cut || l.stalled || l.drop > 0 || l.slow > 0 {
			return false
		}
	}
	return true
}

// allSay tells whether each record on any disk says that a node has every acknowledged write, those older
// than its own apart.
func (w *World) allSay(n *node) bool {
	own := n.durable.Voter.Record
	says := func(r *lease.Record) bool { return r.InSync(n.durable.Log) || r.Compare(own) < 0 }
	for _, o := range w.nodes[:2] {
		if r := o.durable.Voter.Record; r != nil && !says(r) {
			return false
		}
	}
	for _, g := range w.agents {
		if r := g.kept.Record; r != nil && !says(r) {
			return false
		}
	}
	return true
}
