package operate

import (
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/plan"
)

// Plan is what a request would do, with the state that would be afterwards. Nothing is changed, and
// nobody is kept waiting. Faults: those of Do.
func (e *Engine) Plan(r Request) (p *plan.Plan, after model.View, err error) {
	r.Wait = false
	err = e.Store.Try(func(d model.Draft) error {
		after = d
		p, _, err = e.plan(d, r, e.moment(r, nil))
		return err
	})
	return p, after, err
}

// PlanCancel is what calling an operation off would do. Faults: those of Cancel.
func (e *Engine) PlanCancel(by By, id model.ID) (p *plan.Plan, after model.View, err error) {
	err = e.Store.Try(func(d model.Draft) error {
		after = d
		if _, err := cancellable(d, by.Who, id); err != nil {
			return err
		}
		op, err := unfinished(d, id)
		if err != nil {
			return err
		}
		before, ok := model.Fork(d)
		if !ok {
			return fault.New(fault.Internal, "this store cannot plan")
		}
		if err := op.Apply(d, op.Undone); err != nil {
			return err
		}
		p = plan.Of(plan.Made{Before: before, After: d, Operation: callingOff(op)})
		return nil
	})
	return p, after, err
}

// callingOff describes the end of an operation as work.
func callingOff(op *operation.Operation) *operation.Operation {
	return &operation.Operation{Meta: model.Meta{Name: "call off: " + op.Name}, Project: op.Project}
}

// plan decides a request in a draft that is not to be committed, lets the work behind it succeed there,
// and describes what became of the draft. It tells whether the request repeats an
// earlier one, or waits for one, so that there is nothing to hold against a plan.
func (e *Engine) plan(d model.Draft, r Request, at moment) (*plan.Plan, bool, error) {
	before, ok := model.Fork(d)
	if !ok {
		return nil, false, fault.New(fault.Internal, "this store cannot plan")
	}
	made, err := e.decide(d, r, at)
	if err != nil {
		return nil, false, err
	}
	// What the work would come to: the effects of the operation, or of calling one off.
	op := made.out.Operation
	works, effects := op, []operation.Effect(nil)
	switch {
	case made.joined != nil:
		op, works = made.joined, made.joined
	case made.out.Join != "":
		op, _ = model.Find[*operation.Operation](d, made.out.Join)
		works = op
	case made.out.Cancel != "":
		if works, _ = model.Find[*operation.Operation](d, made.out.Cancel); works != nil {
			op = callingOff(works)
			effects = works.Undone
		}
	}
	if works != nil && !works.State.Final() {
		if effects == nil {
			effects = works.Done
		}
		if err := works.Apply(d, effects); err != nil {
			return nil, false, err
		}
	}
	m := plan.Made{Before: before, After: d, Operation: op, Trace: made.trace}
	if made.draw != nil {
		m.Drawn = made.draw.Drawn()
	}
	return plan.Of(m), made.joined != nil || made.busy != "", nil
}

// pinned refuses a request that no longer comes to the plan its caller saw. The plan is made anew in the
// transaction of the write, with the same chance, on a draft beside the one that will be committed. What
// repeats an earlier request gets that one's answer.
func (e *Engine) pinned(d model.Draft, r Request, at moment) error {
	if r.Pin == "" {
		return nil
	}
	beside, ok := model.Fork(d)
	if !ok {
		return fault.New(fault.Internal, "this store cannot hold a plan against a write")
	}
	p, repeated, err := e.plan(beside, r, at)
	if err != nil || repeated || p.Hash == r.Pin {
		return err
	}
	return &fault.Error{Code: fault.Conflict, Field: "pin", Message: "the request would no longer do what was planned; plan it again and look at what has changed"}
}
