package operate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// epoch is the one that orders are given in; zero before Reign.
func (e *Engine) epoch() lease.Epoch {
	if s := e.shown.Load(); s != nil {
		return s.epoch
	}
	return lease.Epoch{}
}

// recipient decides to whom the next order of a step goes, which is recorded before it is sent. As long as
// the agent that got the last one may be at work on it, nobody else gets one: both could be. An error says for
// whom it waits.
func (e *Engine) recipient(op *operation.Operation, i int, c *operation.Call, r *run) (model.ID, error) {
	if c == nil {
		return "", nil
	}
	held, err := e.held(op, i, r)
	if err != nil {
		return "", err
	}
	step, reach := &op.Steps[i], machine.Reach(e.Store.View(), c)
	if held && slices.Contains(reach, step.Agent) {
		return step.Agent, nil
	}
	return e.Choose(reach, c.Method, step.Agent)
}

// held tells whether the agent that got the last order of a step may be at work on it by order of this epoch.
// An error (unshown) says that it may be by order of an older one.
func (e *Engine) held(op *operation.Operation, i int, r *run) (bool, error) {
	if !r.busy(op, i) {
		return false, nil
	}
	changed := e.shownChanged()
	v, step := e.Store.View(), &op.Steps[i]
	if s := e.shown.Load(); s != nil {
		if verdict := s.release(v, holding.Order(v, op, i)); !verdict.OK() {
			return false, unshown{e.hinted(v, verdict), changed}
		}
	}
	a, there := model.Find[*model.Agent](v, step.Agent)
	return there && a.Fenced == "" && step.Epoch == e.epoch(), nil
}

// hand records to whom the order of a step that has begun goes now, where that is not recorded yet. It does
// nothing about a step that a release began which did not record it: any agent is asked.
func (e *Engine) hand(ctx context.Context, op *operation.Operation, i int, c *operation.Call, r *run) (moved bool, err error) {
	step := &op.Steps[i]
	if c == nil || step.Agent == "" {
		return false, nil
	}
	to, err := e.recipient(op, i, c, r)
	var older unshown
	if errors.As(err, &older) && e.Agents.Online(step.Agent) {
		return false, nil // it answered this epoch, and says itself what became of the order
	}
	if err != nil || to == step.Agent && step.Epoch == e.epoch() {
		return false, err
	}
	r.missed = false
	r.idle, _ = op.Order(i)
	return true, e.record(ctx, op, func(op *operation.Operation) { e.note(&op.Steps[i], to) })
}

// order records that a step goes to an agent under a new request id, to be done or undone as the state says.
func (e *Engine) order(ctx context.Context, op *operation.Operation, i int, state operation.StepState, to model.ID, r *run) error {
	last := op.Steps[i]
	r.missed = r.busy(op, i) && to == last.Agent && last.Epoch == e.epoch()
	return e.record(ctx, op, func(op *operation.Operation) {
		step := &op.Steps[i]
		step.State = state
		step.Attempt++
		e.note(step, to)
		if r.idle = ""; !r.missed {
			r.idle, _ = op.Order(i)
		}
	})
}

// note notes in a step to whom its order goes.
func (e *Engine) note(step *operation.Step, to model.ID) {
	step.Agent, step.Epoch = to, lease.Epoch{}
	if to != "" {
		step.Epoch = e.epoch()
	}
}

// busy tells whether an agent may be at work on a step, for all that this run knows.
func (r *run) busy(op *operation.Operation, i int) bool {
	request, open := op.Order(i)
	return open && request != r.idle
}

// firstOnline chooses an agent where nobody said how.
func (e *Engine) firstOnline(agents []model.ID, _ string, prefer model.ID) (model.ID, error) {
	if slices.Contains(agents, prefer) && e.Agents.Online(prefer) {
		return prefer, nil
	}
	var names []string
	for _, id := range agents {
		if e.Agents.Online(id) {
			return id, nil
		}
		names = append(names, string(id))
	}
	return "", Lost{Unsent: true, Err: fault.New(fault.Unavailable, "not connected: %s; check the agent on its host", strings.Join(names, ", "))}
}
