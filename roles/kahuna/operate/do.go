package operate

import (
	"context"
	"strings"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

// The time in which a repeat of a request joins what came of the first one although that has ended.
const (
	unanswered = time.Hour      // the answer never got out
	keyed      = 24 * time.Hour // the caller sent an Idempotency-Key
)

// Do carries out a request. When the context ends first it returns, and the work goes on.
func (e *Engine) Do(ctx context.Context, r Request) (Answer, error) {
	for range patienceForNames {
		made, err := e.commit(ctx, r)
		if err != nil {
			return Answer{}, err
		}
		if made.busy == "" {
			return e.answered(ctx, r, made)
		}
		// Somebody's operation works on what has this name: once it ended the request is decided anew.
		if _, err := e.wait(ctx, made.busy); err != nil {
			return Answer{}, err
		}
	}
	return Answer{}, fault.New(fault.Conflict, "others keep changing %q; try again later", r.Named.Name)
}

// patienceForNames bounds how many operations of others a request by name waits for.
const patienceForNames = 8

// try decides a request in a transaction, which is dropped if agents go that are not dismissed.
func (e *Engine) try(ctx context.Context, r Request, dismissed []model.ID) (made decision, err error) {
	at := e.moment(r, e.Board)
	cause := store.Cause{Actor: r.Who.Name, ActorID: string(r.Who.User), Request: r.ID, From: r.From, What: r.Op.ID}
	if r.Named != nil {
		cause.What = "Put" + strings.TrimPrefix(r.Op.ID, "Update") // a creation or an update: the changes say which
	}
	// The commit must not be called off half-way by a client that goes away: it is quick.
	_, err = e.Store.Update(context.WithoutCancel(ctx), cause, func(d model.Draft) error {
		if err := e.pinned(d, r, at); err != nil {
			return err
		}
		if made, err = e.decide(d, r, at); err != nil {
			return err
		}
		if err := e.mayRelease(d); err != nil || r.Op.Verb != catalogue.Delete {
			return err
		}
		return e.dismissed(d, dismissed)
	})
	if s := e.shown.Load(); s != nil && err == nil && r.Op.Kind == model.KindAgent {
		s.noticed()
	}
	return made, err
}

// answered turns a decision that was committed into its answer.
func (e *Engine) answered(ctx context.Context, r Request, made decision) (Answer, error) {
	out := made.out
	wait := r.Wait
	r = made.request
	r.Wait = wait
	a, err := Answer{}, error(nil)
	switch {
	case made.joined != nil:
		a, err = e.answer(ctx, r, made.joined.ID, true)
	case out.Cancel != "":
		a, err = e.calledOff(ctx, r, out.Cancel)
	case out.Join != "":
		a, err = e.answer(ctx, r, out.Join, true)
	case out.Operation != nil:
		e.drive(out.Operation.ID)
		a, err = e.answer(ctx, r, out.Operation.ID, false)
	default:
		a = Answer{View: e.Store.View(), Key: out.Key}
		if out.Object != "" {
			a.Object, _ = a.View.Get(shown(r.Op), out.Object)
		}
	}
	a.Op = r.Op
	return a, err
}

// shown is the kind of object an operation answers with: that of its answer's schema where this is a
// kind's, as the token of an agent, and otherwise its own.
func shown(op *catalogue.Op) model.Kind {
	for _, k := range catalogue.Kinds {
		if k.Schema == op.Response {
			return k.Name
		}
	}
	if op.Action == "token" {
		return model.KindToken
	}
	return op.Kind
}

// answer is what a request behind an operation gets: the object once the operation succeeded, or, for
// callers who do not wait, the operation.
func (e *Engine) answer(ctx context.Context, r Request, id model.ID, joined bool) (Answer, error) {
	a := Answer{Operation: id, Joined: joined}
	if r.Wait {
		op, err := e.wait(ctx, id)
		if err != nil {
			return a, err
		}
		if op.State != operation.Succeeded {
			return a, outcome(op)
		}
	}
	a.View = e.Store.View()
	if op, ok := model.Find[*operation.Operation](a.View, id); ok && r.Op.Response != "" {
		a.Object, _ = a.View.Get(op.Target.Kind, op.Target.ID)
	}
	return a, nil
}

// calledOff answers a deletion by calling off the creation of what is to be deleted.
func (e *Engine) calledOff(ctx context.Context, r Request, id model.ID) (Answer, error) {
	cause := store.Cause{Actor: r.Who.Name, ActorID: string(r.Who.User), Request: r.ID, From: r.From}
	if err := e.cancel(ctx, cause, id); err != nil && !fault.Is(err, fault.Conflict) {
		return Answer{}, err
	}
	a := Answer{Operation: id, View: e.Store.View()}
	if !r.Wait {
		return a, nil
	}
	op, err := e.wait(ctx, id)
	if err != nil {
		return a, err
	}
	if op.State == operation.Succeeded {
		return a, fault.New(fault.Conflict, "it was finished before it could be called off; delete it again")
	}
	return a, nil
}

// outcome is the fault of an operation that did not succeed.
func outcome(op *operation.Operation) error {
	if op.Fault != nil {
		f := *op.Fault
		f.Op = op.Name
		return &f
	}
	return fault.New(fault.Cancelled, "operation %s was called off", op.ID)
}
