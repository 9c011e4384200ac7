package kahuna

import (
	"context"
	"sync"
	"time"

	"kowabunga/core/lease"
)

// drive lets this Kahuna be a node. One that nobody else has a voice beside begins to act before drive returns.
// One that decides alone but hears others first does so once those can reach it (outset); any other follows, and
// acts when it is elected. What ends it later goes to failed. leave ends it in order.
func (s *Server) drive(ctx context.Context, failed chan<- error) (leave func(), err error) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(s.turn.work.Run)
	running.Go(func() {
		if err := s.pair.driver.Run(work); err != nil {
			failed <- err
		}
	})
	leave = func() {
		s.leaving.Store(true)
		stop()
		s.turn.work.Close()
		running.Wait()
		s.pair.transport.Close()
	}
	if r := s.pair.driver.State().Voter.Record; r != nil && (len(r.Nodes) > 1 || len(r.Witnesses) > 0) {
		return leave, nil
	}
	if err := s.outset(ctx); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// outset waits until a node that decides alone acts, or knows why it must not.
func (s *Server) outset(ctx context.Context) error {
	if s.drill {
		return nil
	}
	if state := s.pair.driver.State(); !state.Sole || state.Restored {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hindered := make(chan struct{})
	go func() {
		if s.pair.driver.Await(ctx, func(st lease.Status) bool {
			return st.Lacks.Index > 0 || st.Primary != "" && st.Primary != s.pair.self.ID || len(st.Missing) > 0
		}) == nil {
			close(hindered)
		}
	}()
	select {
	case <-s.turn.risen:
	case <-hindered:
	case err := <-s.turn.failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// handedWithin is how long a handoff may take when this Kahuna stops; the replica itself gives up earlier.
const handedWithin = 4 * time.Second

// handOver lets the other node take over before this one stops, if that has everything.
func (s *Server) handOver() {
	if s.pair == nil || !s.pair.driver.Status().Right {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handedWithin)
	defer cancel()
	if len(s.members()) < 2 {
		return
	}
	if err := s.pair.driver.Order(ctx, lease.Handoff{}); err != nil {
		s.log.Warn("the other Kahuna is not asked to take over", "error", err)
		return
	}
	if err := s.pair.driver.Await(ctx, func(st lease.Status) bool {
		return st.Primary != "" && st.Primary != s.pair.self.ID && st.Record.Primary == st.Primary
	}); err != nil {
		s.log.Warn("the other Kahuna did not take over in time; it will by itself")
	}
}

// epoch is the epoch this Kahuna acts in, else the last one it knows of.
func (s *Server) epoch() lease.Epoch {
	if e := s.turn.epoch.Load(); e != nil {
		return *e
	}
	if s.pair != nil {
		return s.pair.driver.Status().Epoch
	}
	return s.store.Epoch()
}
