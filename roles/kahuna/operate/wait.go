package operate

import (
	"context"
	"sync"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

// wait returns the operation once it is final. It gives up, with Unavailable and the operation's id,
// when the engine stops and when nothing has moved for Patience; the operation goes on by itself.
func (e *Engine) wait(ctx context.Context, id model.ID) (*operation.Operation, error) {
	for {
		op, ok := model.Find[*operation.Operation](e.Store.View(), id)
		if !ok {
			return nil, fault.New(fault.NotFound, "there is no operation %s", id)
		}
		if op.State.Final() {
			return op, nil
		}
		r := e.drive(id)
		select {
		case <-r.done:
		case <-r.stuck():
			if now, ok := model.Find[*operation.Operation](e.Store.View(), id); ok {
				op = now // it may have failed since
			}
			f := fault.New(fault.Unavailable, "operation %s (%s) waits: %s; it goes on by itself, see /api/v2/operations/%s", id, op.Name, r.reason(), id)
			if op.Fault != nil {
				f.Code, f.Message = op.Fault.Code, op.Fault.Public()+"; undoing waits: "+r.reason()
			}
			return nil, f
		case <-e.closed:
			return nil, fault.New(fault.Unavailable, "the server is stopping; operation %s goes on when it is back", id)
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		}
	}
}

// Wait returns the operation once it is final.
func (e *Engine) Wait(ctx context.Context, id model.ID) (*operation.Operation, error) {
	return e.wait(ctx, id)
}

// Answered records that the answer about an operation reached its caller, so that a repeat of the
// request is a new request.
func (e *Engine) Answered(ctx context.Context, id model.ID) {
	_, err := e.Store.Update(context.WithoutCancel(ctx), store.Cause{Actor: "kahuna", What: "note answer"}, func(d model.Draft) error {
		op, ok := model.Find[*operation.Operation](d, id)
		if !ok || op.Answered || !op.State.Final() {
			return nil
		}
		op = model.Edit(op)
		op.Answered = true
		return d.Put(op)
	})
	if err != nil {
		e.Log.Warn("answer not noted", "operation", id, "error", err)
	}
}

// By is who asks for something, by which request and from where.
type By struct {
	Who           access.Identity
	Request, From string
}

// Cancel asks for an operation to be called off. Faults: NotFound; Denied; Conflict when it is final or
// cannot be undone.
func (e *Engine) Cancel(ctx context.Context, by By, id model.ID) error {
	if _, err := cancellable(e.Store.View(), by.Who, id); err != nil {
		return err
	}
	return e.cancel(ctx, store.Cause{Actor: by.Who.Name, ActorID: string(by.Who.User), Request: by.Request, From: by.From}, id)
}

// cancellable finds an operation that the caller may call off. Faults: NotFound; Denied.
func cancellable(v model.View, who access.Identity, id model.ID) (*operation.Operation, error) {
	op, ok := model.Find[*operation.Operation](v, id)
	if !ok || !access.Visible(v, who, op) {
		return nil, fault.New(fault.NotFound, "there is no operation %s", id)
	}
	if !who.SuperAdmin() && !(op.Project != "" && who.Role == model.RoleProjectAdmin && access.Member(v, who, op.Project)) {
		return nil, fault.New(fault.Denied, "only projectAdmins of its project may call an operation off")
	}
	return op, nil
}

// unfinished refuses to call off what has ended, or cannot be undone. Faults: NotFound; Conflict.
func unfinished(v model.View, id model.ID) (*operation.Operation, error) {
	op, ok := model.Find[*operation.Operation](v, id)
	switch {
	case !ok:
		return nil, fault.New(fault.NotFound, "there is no operation %s", id)
	case op.State.Final():
		return nil, fault.New(fault.Conflict, "operation %s has ended: %s", id, op.State)
	case op.Forward:
		return nil, fault.New(fault.Conflict, "operation %s deletes something and cannot be undone", id)
	}
	return op, nil
}

func (e *Engine) cancel(ctx context.Context, cause store.Cause, id model.ID) error {
	cause.What = "cancel operation"
	_, err := e.Store.Update(context.WithoutCancel(ctx), cause, func(d model.Draft) error {
		op, err := unfinished(d, id)
		if err != nil {
			return err
		}
		op = model.Edit(op)
		op.Cancel = true
		return d.Put(op)
	})
	if err == nil {
		e.drive(id).interrupt()
	}
	return err
}

// Progress is how far the running step of an operation is, false when nothing is known.
func (e *Engine) Progress(id model.ID) (agentproto.Progress, bool) {
	e.mu.Lock()
	r := e.runs[id]
	e.mu.Unlock()
	if r == nil {
		return agentproto.Progress{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress, r.progress.Request != ""
}

// run is an operation being driven.
type run struct {
	done  chan struct{}
	asked []string // requests that agents may remember; of the goroutine that drives
	// idle is the last request if no agent is at work on its step: it was answered with a fault, or this process
	// recorded it and sent it to nobody so far. missed tells that its agent may be at work on an earlier one of
	// that step, which was not answered. Likewise.
	idle   string
	missed bool

	mu       sync.Mutex
	progress agentproto.Progress
	why      string        // what it waits for
	since    time.Time     // when the waiting began
	stalled  chan struct{} // closed while it has waited for longer than Patience
	stop     context.CancelFunc
}
