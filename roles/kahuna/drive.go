package kahuna

import (
	"context"
	"sync"
	"time"

	"kowabunga/core/lease"
)

// drive lets this Kahuna be a node. What ends it later goes to failed. leave ends it in order.
func (s *Server) drive(ctx context.Context, failed chan<- error) (leave func()) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(s.turn.work.Run)
	running.Go(func() {
		if err := s.pair.driver.Run(work); err != nil {
			failed <- err
		}
	})
	return func() {
		s.leaving.Store(true)
		stop()
		s.turn.work.Close()
		running.Wait()
		s.pair.transport.Close()
	}
}

// begin has a Kahuna serve that drive lets be a node, and one that decides alone act. Where nobody else has a voice it
// acts before anybody is answered; else it hears others first, which reach it once it serves. One that follows,
// or that a person has to promote, serves at once. An error is why it cannot go on; the end of ctx is none.
func (s *Server) begin(ctx context.Context, serve func(), failed <-chan error) error {
	switch state := s.pair.driver.State(); {
	case !state.Sole || state.Restored:
		serve()
		return nil
	case heard(state.Voter.Record):
		serve()
		return s.outset(ctx, failed)
	}
	if err := s.outset(ctx, failed); err != nil || ctx.Err() != nil {
		return err
	}
	serve()
	return nil
}

// heard tells whether a record gives a voice to anybody besides its one node.
func heard(r *lease.Record) bool {
	return r != nil && (len(r.Nodes) > 1 || len(r.Witnesses) > 0)
}

// outset waits until a node that decides alone acts, knows why it must not, or ctx ends.
func (s *Server) outset(ctx context.Context, failed <-chan error) error {
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
	case <-ctx.Done():
	case err := <-s.turn.failed:
		return err
	case err := <-failed:
		return err
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
