package agent

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// states are the desired states of an agent, by name.
type states struct {
	disk   keeper
	log    *slog.Logger
	byName map[string]*desired
}

// desired is one desired state: the last good one and whether it is in force.
type desired struct {
	apply Applier
	turn  chan struct{} // one slot: an Applier is never called twice at once

	mu      sync.Mutex
	good    agentproto.State // last that was applied, zero if none ever was
	inForce bool             // false after a start until it was applied again
}

func loadStates(disk keeper, appliers map[string]Applier, log *slog.Logger) (*states, error) {
	s := &states{disk: disk, log: log, byName: map[string]*desired{}}
	for name, applier := range appliers {
		d := &desired{apply: applier, turn: make(chan struct{}, 1)}
		good, ok, err := disk.state(name)
		if err != nil {
			return nil, err
		}
		if ok {
			d.good = good
		}
		s.byName[name] = d
	}
	return s, nil
}

// held tells what is in force, for Hello.
func (s *states) held() (generations map[string]uint64, epochs map[string]agentproto.Epoch) {
	generations, epochs = map[string]uint64{}, map[string]agentproto.Epoch{}
	for name, d := range s.byName {
		d.mu.Lock()
		if d.inForce {
			generations[name], epochs[name] = d.good.Generation, d.good.Epoch
		}
		d.mu.Unlock()
	}
	return generations, epochs
}

// restore applies the last good states, in the order of their names, without needing Kahuna. It
// returns the names of those that could not be applied.
func (s *states) restore(ctx context.Context) (failed []string) {
	names := make([]string, 0, len(s.byName))
	for name := range s.byName {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !s.again(ctx, name) {
			failed = append(failed, name)
		}
	}
	return failed
}

// again applies the last good state of a name unless it is in force; it reports whether nothing is
// left to do.
func (s *states) again(ctx context.Context, name string) bool {
	d := s.byName[name]
	if d.take(ctx) != nil {
		return false
	}
	defer d.release()
	d.mu.Lock()
	good, settled := d.good, d.inForce || d.good.Name == ""
	d.mu.Unlock()
	if settled {
		return true
	}
	problems, err := d.try(ctx, good)
	if err != nil {
		s.log.Error("the last good state could not be applied", "state", name, "generation", good.Generation, "error", err)
		return false
	}
	d.mu.Lock()
	d.inForce = true
	d.mu.Unlock()
	s.log.Info("the last good state is in force", "state", name, "generation", good.Generation, "problems", problems)
	return true
}

// set applies a state that Kahuna sent and keeps it. The status is what is in force afterwards.
func (s *states) set(ctx context.Context, st agentproto.State) (agentproto.Status, error) {
	d, ok := s.byName[st.Name]
	if !ok {
		return agentproto.Status{}, fault.New(fault.NotFound, "this agent has no desired state named %.100q", st.Name)
	}
	if err := d.take(ctx); err != nil {
		return agentproto.Status{}, err
	}
	defer d.release()
	d.mu.Lock()
	good, inForce := d.good, d.inForce
	d.mu.Unlock()
	status := agentproto.Status{Name: st.Name, Generation: good.Generation, Applied: inForce}
	order := lease.Generation{Epoch: st.Epoch, Number: st.Generation}.Compare(lease.Generation{Epoch: good.Epoch, Number: good.Generation}, 0)
	switch {
	case good.Name != "" && order < 0:
		return status, fault.New(fault.Conflict, "generation %d of epoch %s is older than generation %d of epoch %s, which is held", st.Generation, st.Epoch, good.Generation, good.Epoch)
	case inForce && order == 0:
		return status, nil
	}
	problems, err := d.try(ctx, st)
	if err != nil {
		s.log.Error("a desired state could not be applied", "state", st.Name, "generation", st.Generation, "error", err)
		return agentproto.Status{Name: st.Name, Generation: good.Generation, Applied: false, Problems: append(problems, fault.From(err).Error())}, nil
	}
	if err := s.disk.setState(st); err != nil {
		return status, fault.Wrap(err, fault.Internal, "keep the desired state")
	}
	d.mu.Lock()
	d.good, d.inForce = st, true
	d.mu.Unlock()
	s.log.Info("a desired state is in force", "state", st.Name, "generation", st.Generation, "problems", problems)
	return agentproto.Status{Name: st.Name, Generation: st.Generation, Applied: true, Problems: problems}, nil
}

func (d *desired) take(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *desired) release() { <-d.turn }

// try calls the applier and turns a panic into a fault.
func (d *desired) try(ctx context.Context, st agentproto.State) (problems []string, err error) {
	returned := false
	defer func() {
		if !returned {
			problems, err = nil, fault.New(fault.Internal, "applying the state crashed: %v\n%s", fmt.Sprint(recover()), debug.Stack())
		}
	}()
	problems, err = d.apply.Apply(ctx, st)
	returned = true
	return problems, err
}

// applyState answers agentproto.MethodState.
func (a *Agent) applyState(ctx context.Context, _ *Call, st agentproto.State) (agentproto.Status, error) {
	return a.states.set(ctx, st)
}

// keepTrying applies last good states that failed at start until they are in force or replaced, so
// that a host recovers while Kahuna is away.
func (a *Agent) keepTrying(ctx context.Context, names []string) {
	for failures := 0; len(names) > 0; failures++ {
		select {
		case <-a.cfg.Backoff.After(a.cfg.Backoff.slow()):
		case <-ctx.Done():
			return
		}
		var left []string
		for _, name := range names {
			if !a.states.again(ctx, name) {
				left = append(left, name)
				continue
			}
			generations, _ := a.states.held()
			a.report(ctx, agentproto.Status{Name: name, Generation: generations[name], Applied: true})
		}
		names = left
	}
}

// report tells Kahuna of a state outside a call. Offline it is not needed: Hello says the same.
func (a *Agent) report(ctx context.Context, st agentproto.Status) {
	conn := a.primary()
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := conn.Notify(ctx, agentproto.MethodStatus, st); err != nil {
		a.log.Debug("a status was not sent; the next hello says it", "state", st.Name, "error", err)
	}
}
