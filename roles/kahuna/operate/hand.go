package operate

import (
	"context"
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
// the agent that got the last one may hold it, nobody else gets one: both could be at work; holds tells that
// it is so. An error says for whom it waits.
func (e *Engine) recipient(op *operation.Operation, i int, c *operation.Call, r *run) (to model.ID, holds bool, err error) {
	if c == nil {
		return "", false, nil
	}
	changed := e.shownChanged()
	v, step := e.Store.View(), &op.Steps[i]
	reach := machine.Reach(v, c)
	request, open := op.Order(i)
	choose := func() (model.ID, bool, error) {
		to, err := e.Choose(reach, c.Method, step.Agent)
		return to, false, err
	}
	if !open || request == r.answered {
		return choose()
	}
	if s := e.shown.Load(); s != nil {
		if verdict := s.release(v, holding.Order(v, op, i)); !verdict.OK() {
			if e.Agents.Online(step.Agent) { // it answered this epoch, and says itself what became of the order
				return step.Agent, true, nil
			}
			return "", false, unshown{hinted(v, verdict), changed}
		}
	}
	if a, there := model.Find[*model.Agent](v, step.Agent); step.Epoch == e.epoch() && there && a.Fenced == "" && slices.Contains(reach, step.Agent) {
		return step.Agent, true, nil
	}
	return choose()
}

// hand records to whom the order of a step that has begun goes now, where that is not recorded yet. It does
// nothing about a step that a release began which did not record it: any agent is asked.
func (e *Engine) hand(ctx context.Context, op *operation.Operation, i int, c *operation.Call, r *run) (moved bool, err error) {
	step := &op.Steps[i]
	if c == nil || step.Agent == "" {
		return false, nil
	}
	to, holds, err := e.recipient(op, i, c, r)
	if err != nil || holds || to == step.Agent && step.Epoch == e.epoch() {
		return false, err
	}
	return true, e.record(ctx, op, func(op *operation.Operation) { e.note(&op.Steps[i], to) })
}

// note notes in a step to whom its order goes.
func (e *Engine) note(step *operation.Step, to model.ID) {
	step.Agent, step.Epoch = to, lease.Epoch{}
	if to != "" {
		step.Epoch = e.epoch()
	}
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
	return "", Lost{Err: fault.New(fault.Unavailable, "not connected: %s; check the agent on its host", strings.Join(names, ", "))}
}
