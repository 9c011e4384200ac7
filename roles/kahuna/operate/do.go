package operate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"kowabunga/core/access/gate"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
	"kowabunga/store"
)

// The time in which a repeat of a request joins what came of the first one although that has ended.
const (
	unanswered = time.Hour      // the answer never got out
	keyed      = 24 * time.Hour // the caller sent an Idempotency-Key
)

// Do carries out a request. When the context ends first it returns, and the work goes on.
func (e *Engine) Do(ctx context.Context, r Request) (Answer, error) {
	var out behaviour.Outcome
	var joined *operation.Operation
	key := joinKey(r)
	now := e.Now()
	cause := store.Cause{Actor: r.Who.Name, ActorID: string(r.Who.User), Request: r.ID, From: r.From, What: r.Op.ID}
	// The commit must not be called off half-way by a client that goes away: it is quick.
	_, err := e.Store.Update(context.WithoutCancel(ctx), cause, func(d model.Draft) error {
		policy := e.Policy()
		authorize := policy.Authorize
		if r.V1 {
			authorize = policy.AuthorizeV1
		}
		target, err := authorize(d, r.Who, r.Op, r.Path)
		if err != nil {
			// The object of a repeated deletion may be gone already. Nothing else is answered to somebody who
			// may not ask (any more), and a deletion's answer says nothing.
			if r.Op.Verb == catalogue.Delete && fault.Is(err, fault.NotFound) {
				if joined = e.joinable(d, r, key, now); joined != nil {
					return nil
				}
			}
			return err
		}
		if joined = e.joinable(d, r, key, now); joined != nil {
			return nil
		}
		object, err := decode(d, r, policy, target)
		if err != nil {
			return err
		}
		req := &behaviour.Request{Op: r.Op, Who: r.Who, Now: now, Draw: model.NewDraw(e.Seed(), now), Live: e.Agents.Online,
			Config: e.Rules(), Path: r.Path, Query: r.Query, Target: target, Object: object, Trace: &trace.Trace{}, Board: e.Board}
		if out, err = behaviour.Decide(d, req); err != nil {
			return err
		}
		if op := out.Operation; op != nil {
			op.Actor, op.ActorID, op.Request, op.Key = r.Who.Name, r.Who.User, r.ID, key
			op.Answered = !r.Wait // its id is the answer
			return d.Put(op)
		}
		if r.Key == "" || out.Key != "" || out.Cancel != "" || out.Join != "" {
			return nil // a key is shown once: who repeats the request gets another
		}
		if r.Op.Verb == catalogue.Delete {
			out.Object = target.Base().ID
			err := d.Put(receipt(d, req, r, out, key, now))
			out.Object = ""
			return err
		}
		if out.Object != "" {
			return d.Put(receipt(d, req, r, out, key, now))
		}
		return nil
	})
	switch {
	case err != nil:
		return Answer{}, err
	case joined != nil:
		return e.answer(ctx, r, joined.ID, true)
	case out.Cancel != "":
		return e.calledOff(ctx, r, out.Cancel)
	case out.Join != "":
		return e.answer(ctx, r, out.Join, true)
	case out.Operation != nil:
		e.drive(out.Operation.ID)
		return e.answer(ctx, r, out.Operation.ID, false)
	}
	a := Answer{View: e.Store.View(), Key: out.Key}
	if out.Object != "" {
		a.Object, _ = a.View.Get(shown(r.Op), out.Object)
	}
	return a, nil
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

// decode reads the body into a new object or the target with the changes applied, and checks what it
// refers to.
func decode(d model.Draft, r Request, policy gate.Policy, target model.Object) (model.Object, error) {
	kind := catalogue.Of(r.Op.Kind)
	version := catalogue.V2
	if r.V1 {
		version = catalogue.V1
	}
	var object, old model.Object
	var err error
	switch r.Op.Verb {
	case catalogue.Create:
		object, err = kind.Decode(version, nil, r.Body)
	case catalogue.Update:
		old = target
		object, err = kind.Decode(version, old, r.Body)
	}
	if err != nil {
		return nil, err
	}
	return object, policy.Check(d, r.Who, r.Op, r.Path, gate.Sent{Query: r.Query, Old: old, New: object})
}

// joinKey identifies a request: its caller, path, query and body, or the key the caller chose.
func joinKey(r Request) string {
	h := sha256.New()
	part := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	part(string(r.Who.User))
	part(r.Who.Name)
	part(r.Op.ID)
	for _, p := range r.Op.Params {
		part(string(r.Path[p.Name]))
	}
	part(r.Key)
	if r.Key == "" {
		for _, q := range r.Op.Query {
			part(r.Query[q.Name])
		}
		h.Write(r.Body)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// joinable finds the operation of an earlier request that this one repeats.
func (e *Engine) joinable(v model.View, r Request, key string, now time.Time) *operation.Operation {
	for op := range model.By[*operation.Operation](v, "key", key) {
		since := now.Sub(op.Finished)
		switch {
		case !op.State.Final():
			return op
		case op.State != operation.Succeeded:
		case r.Key != "" && since < keyed:
			return op
		case r.Op.Verb == catalogue.Create && !op.Answered && since < unanswered:
			if _, ok := v.Get(op.Target.Kind, op.Target.ID); ok {
				return op
			}
		}
	}
	return nil
}

// receipt records a request that needed no operation, for the repeat that carries the same key.
func receipt(v model.View, req *behaviour.Request, r Request, out behaviour.Outcome, key string, now time.Time) *operation.Operation {
	op := &operation.Operation{What: string(r.Op.Kind) + "." + string(r.Op.Verb), State: operation.Succeeded, Finished: now,
		Actor: r.Who.Name, ActorID: r.Who.User, Request: r.ID, Key: key, Answered: true,
		Target: operation.Target{Kind: r.Op.Kind, ID: out.Object}}
	op.ID = req.Draw.ID()
	op.Name = string(r.Op.Verb) + " " + string(r.Op.Kind) + " " + string(out.Object)
	if o, ok := v.Get(shown(r.Op), out.Object); ok {
		op.Target.Name = o.Base().Name
		op.Name = string(r.Op.Verb) + " " + string(r.Op.Kind) + " " + o.Base().Name
	}
	return op
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
