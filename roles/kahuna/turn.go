package kahuna

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/pair"
)

// turn is whether it is this Kahuna's turn to act for all. What the driver says counts at once; what has
// to be built or taken down for it follows, in order.
type turn struct {
	work   *pair.Queue
	risen  chan struct{} // closed when this Kahuna has begun to act for the first time
	once   sync.Once
	failed chan error // why it could not, the first time

	mu    sync.Mutex
	epoch atomic.Pointer[lease.Epoch] // it acts in; nil when it does not
}

func newTurn() *turn {
	return &turn{work: pair.NewQueue(), risen: make(chan struct{}), failed: make(chan error, 1)}
}

// is tells whether it is still the turn of an epoch.
func (t *turn) is(e lease.Epoch) bool {
	now := t.epoch.Load()
	return now != nil && *now == e
}

var _ pair.Role = (*Server)(nil)

// riseAgain is how long after it failed to begin a Kahuna tries again.
const riseAgain = time.Second

// Serve implements pair.Role.
func (s *Server) Serve(e lease.Epoch) {
	s.turn.mu.Lock()
	s.turn.epoch.Store(&e)
	s.turn.mu.Unlock()
	s.turn.work.Add(func() {
		for s.turn.is(e) {
			err := s.rise(context.Background(), e)
			if err == nil {
				s.turn.once.Do(func() { close(s.turn.risen) })
				return
			}
			select {
			case s.turn.failed <- err:
			default:
			}
			s.log.Error("this Kahuna cannot begin to act", "epoch", e.String(), "error", err)
			time.Sleep(riseAgain)
		}
	})
}

// Stop implements pair.Role.
func (s *Server) Stop(why string) {
	reason := fault.New(fault.Unavailable, "this Kahuna acts for nobody any more: %s", why)
	s.turn.mu.Lock()
	s.turn.epoch.Store(nil)
	s.role.Load().commands.Store(false)
	s.fleet.Rest(reason)
	s.turn.mu.Unlock()
	s.store.Resume() // what was held back is refused
	if s.leaving.Load() {
		return
	}
	s.turn.work.Add(func() {
		if err := s.sink(reason); err != nil {
			s.log.Error("what this Kahuna shows cannot be made anew", "error", err)
		}
	})
}

// Drain implements pair.Role.
func (s *Server) Drain() { s.store.Drain() }

// Resume implements pair.Role.
func (s *Server) Resume() { s.store.Resume() }

// Chosen implements pair.Role.
func (s *Server) Chosen(r *lease.Record) {
	s.agreed.add(r, s.nodeID())
	if e := s.turn.epoch.Load(); e != nil && r.Epoch == *e {
		s.fleet.Tell(agentproto.KahunaList{Epoch: *e, Seq: r.Seq + 1, Kahunas: kahunas(r.Nodes)})
	}
}

// Noted implements pair.Role.
func (s *Server) Noted(n lease.Note) { s.notes.add(n) }

// permit lets a reign command in an epoch, if it is still that epoch's turn.
func (s *Server) permit(r *reign, e lease.Epoch) bool {
	s.turn.mu.Lock()
	defer s.turn.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || !s.turn.is(e) {
		return false
	}
	won, shown := s.pair.certify(lease.Won, e), r.engine.Reign(e) // before anybody can ask for a release
	r.commands.Store(true)
	s.fleet.Rise(fleet.Reign{Epoch: e, Admit: r.keeper.Admit, Report: r.keeper.Report, Answered: shown.Answered, // the keeper hears of each agent that comes online, from here on
		Announce: func() lease.Announce { return lease.Announce{Certificate: won, Record: s.pair.driver.Status().Record} }})
	return true
}

// acts tells whether this Kahuna may act at this very moment. Whom a store that is halted answers has to find that it
// may not: else a write of unknown outcome would pass for one that was refused.
func (s *Server) acts() bool {
	return s.role.Load().commands.Load() && (s.pair == nil || s.pair.driver.Right() && !s.store.Halted())
}
