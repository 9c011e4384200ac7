package operate

import (
	"context"
	"slices"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

// Shown is what Kahuna knows, in one epoch, of its agents: which have answered that they obey it. What
// others may hold by order of an older epoch is neither released nor given to anybody else.
type Shown struct {
	epoch lease.Epoch

	mu      sync.Mutex
	shown   *lease.Shown
	changed chan struct{} // closed at the next change of what is known
}

func newShown(e lease.Epoch, lossy bool, flaws lease.Flaws) *Shown {
	return &Shown{epoch: e, shown: lease.NewShown(e, lossy, flaws), changed: make(chan struct{})}
}

// Answered takes an agent's answer to the announcement of an epoch. It is for fleet.Reign.
func (s *Shown) Answered(agent string, a agentproto.Announced) {
	stuck := make([]string, len(a.Stuck))
	for i, c := range a.Stuck {
		stuck[i] = c.Request
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown.Answered(lease.Witness{Agent: agent, Identity: a.Identity}, a.Epoch, stuck)
	s.wake()
}

// noticed has everybody who waits look again, because a person said something of an agent.
func (s *Shown) noticed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake()
}

func (s *Shown) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// watch is closed at the next change.
func (s *Shown) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// release tells whom a release waits for. v says who was fenced.
func (s *Shown) release(v model.View, holds []lease.Hold) lease.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w, proof := range holding.Fences(v, holds) {
		if !s.shown.Is(w) {
			s.shown.Fenced(w, proof)
		}
	}
	return s.shown.Release(holds)
}

// allocate tells whom an allocation in some regions waits for.
func (s *Shown) allocate(v model.View, regions []model.ID) lease.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.Allocate(s.reporters(v, regions...))
}

// regained tells whether nothing that may have been lost is waited for any more.
func (s *Shown) regained(v model.View) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.Regained(s.reporters(v))
}

func (s *Shown) restored() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown.Restored()
	s.wake()
}

// reporters takes in what people said of those who report, and lists them. It needs the lock.
func (s *Shown) reporters(v model.View, regions ...model.ID) []lease.Witness {
	all := holding.Reporters(v, regions...)
	for _, w := range all {
		a, ok := model.Find[*model.Agent](v, model.ID(w.Agent))
		if !ok {
			continue
		}
		if a.Fenced != "" && !s.shown.Is(w) {
			s.shown.Fenced(w, a.Fenced)
		}
		s.shown.Waive(w.Agent, a.Waived)
	}
	return all
}

// Reign begins an epoch: from now on nothing is released that an agent may hold which did not answer it, and
// after a loss of records nothing is allocated before the agents reported. Call it before Run; without it
// nobody is waited for. The result takes the agents' answers.
func (e *Engine) Reign(epoch lease.Epoch) *Shown {
	s := newShown(epoch, holding.Lost(e.Store.View()), e.Flaws)
	e.shown.Store(s)
	return s
}

// Lose notes that records may have been lost, because a Kahuna was promoted that may lack some. Call it
// before Reign.
func Lose(ctx context.Context, s Store, draw *model.Draw, why string) error {
	_, err := s.Update(ctx, store.Cause{Actor: "kahuna", What: "records may be lost"}, func(d model.Draft) error { return holding.Lose(d, draw, why) })
	return err
}

// mayRelease tells whether the changes of a draft may be made: nothing that they release is held by an agent
// that is not shown, and nothing is handed out that may be in use unknown to the store. Fault: Unavailable.
func (e *Engine) mayRelease(d model.Draft) error {
	s := e.shown.Load()
	if s == nil {
		return nil
	}
	if v := s.release(d, holding.Released(d)); !v.OK() {
		return e.hinted(d, v)
	}
	if regions := holding.Allocated(d); len(regions) > 0 {
		if v := s.allocate(d, regions); !v.OK() {
			return fault.Wrap(v.Err(), fault.Unavailable, "hand out what may be in use")
		}
	}
	return nil
}

// hinted is the fault of a release that waits, with what a person can do: of an agent that is connected, what
// keeps it from obeying, for then its host is on and must not be called fenced.
func (e *Engine) hinted(v model.View, verdict lease.Verdict) error {
	f := *fault.From(verdict.Err())
	id := verdict.Waits[0].Agent.Agent
	name := id
	if a, ok := model.Find[*model.Agent](v, model.ID(id)); ok {
		name = a.Name
	}
	if e.Objects != nil {
		if why := e.Objects(model.ID(id)); why != "" {
			f.Message += "; " + name + " is connected and does not obey yet: " + why
			return &f
		}
	}
	f.Message += "; if its host is off, or was made anew, say so: kowabunga agent fence " + name
	return &f
}

// unshown is why an operation does not move: an agent is not shown. It moves once changed is closed.
type unshown struct {
	error
	changed <-chan struct{}
}

func (u unshown) Unwrap() error { return u.error }

// shownChanged is closed when what is known of agents changes; nil where nobody is waited for.
func (e *Engine) shownChanged() <-chan struct{} {
	if s := e.shown.Load(); s != nil {
		return s.watch()
	}
	return nil
}

// untouched tells whether the next step of an operation that removes or undoes something may be sent: no
// agent that is not shown may hold what the operation is about.
func (e *Engine) untouched(op *operation.Operation) error {
	s := e.shown.Load()
	if s == nil {
		return nil
	}
	changed, v := s.watch(), e.Store.View()
	var objects []model.Object
	for _, effect := range slices.Concat(op.Done, op.Undone) {
		if o, ok := v.Get(effect.Kind, effect.ID); ok && !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	if verdict := s.release(v, holding.Of(v, objects...)); !verdict.OK() {
		return unshown{e.hinted(v, verdict), changed}
	}
	return nil
}

// resumable tells whether an operation that began before this epoch may go on. After a loss of records it
// may have been over already, and its agents have forgotten what was settled: it waits until all of them
// reported, as allocations do.
func (e *Engine) resumable(op *operation.Operation) error {
	s := e.shown.Load()
	if s == nil || op.Epoch.Compare(s.epoch) >= 0 || e.Flaws.Has(lease.FlawAllocateUnseen) {
		return nil
	}
	changed, v := s.watch(), e.Store.View()
	if verdict := s.allocate(v, nil); holding.Lost(v) && !verdict.OK() {
		return unshown{e.hinted(v, verdict), changed}
	}
	return nil
}

// waitForAgents waits until something is known of agents that was not, or the operation is called off. It
// returns now and then, for callers that shall not be kept for ever.
func (e *Engine) waitForAgents(ctx context.Context, op *operation.Operation, r *run, w unshown) {
	e.Log.Info("operation waits", "operation", op.ID, "what", op.What, "why", w.error)
	r.waits(w, e.Now(), e.Patience)
	r.mu.Lock()
	r.progress = agentproto.Progress{Request: string(op.ID), Note: r.why}
	r.mu.Unlock()
	step, stop := context.WithCancel(ctx)
	defer stop()
	r.interruptible(stop)
	defer r.interruptible(nil)
	if e.calledOffNow(op.ID) {
		return
	}
	go func() {
		select {
		case <-w.changed:
			stop()
		case <-step.Done():
		}
	}()
	e.Pause(step, e.Patience)
}

// waited forgets that an operation waited for agents.
func (r *run) waited(op model.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.progress.Request == string(op) {
		r.progress = agentproto.Progress{}
	}
}

// keepReporting notes, once all agents reported after a loss of records, that they did.
func (e *Engine) keepReporting(ctx context.Context) {
	s := e.shown.Load()
	if s == nil {
		return
	}
	for ctx.Err() == nil && holding.Lost(e.Store.View()) {
		changed := s.watch()
		if s.regained(e.Store.View()) {
			_, err := e.Store.Update(ctx, store.Cause{Actor: "kahuna", What: "all agents reported"}, holding.Regain)
			if err == nil {
				s.restored()
				e.Log.Info("all agents reported what they hold since records may have been lost; allocations wait for nobody any more")
				return
			}
			e.Log.Warn("that all agents reported is not noted", "error", err)
			e.Pause(ctx, 15*time.Second)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
