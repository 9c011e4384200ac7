package operate

import (
	"context"
	"errors"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
	"kowabunga/store/failpoint"
)

// The points at which a crash must be harmless.
var (
	fpStarted  = failpoint.Register("operate.step.started")  // journalled, not yet sent
	fpAnswered = failpoint.Register("operate.step.answered") // done by the agent, not yet journalled
	fpUnknown  = failpoint.Register("operate.step.unknown")  // the agent does not know; to be found out
	fpDone     = failpoint.Register("operate.step.done")     // journalled as done
	fpEnding   = failpoint.Register("operate.ending")        // all steps done, end not yet journalled
	fpEnded    = failpoint.Register("operate.ended")         // end journalled, caller not yet answered
	fpUndoing  = failpoint.Register("operate.undo.started")
	fpUndone   = failpoint.Register("operate.undo.answered")
)

// drive makes sure that somebody works on the operation, and returns him.
func (e *Engine) drive(id model.ID) *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runs[id]; r != nil {
		return r
	}
	r := &run{done: make(chan struct{}), stalled: make(chan struct{})}
	if e.closing || e.ctx != nil && e.ctx.Err() != nil {
		return r // the next Run takes it up
	}
	e.runs[id] = r
	if e.ctx != nil {
		e.begin(id, r)
	}
	return r
}

// begin starts the work on an operation. It needs the lock.
func (e *Engine) begin(id model.ID, r *run) {
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		e.work(e.ctx, id, r)
		e.mu.Lock()
		delete(e.runs, id)
		e.mu.Unlock()
		close(r.done)
	}()
}

// work drives one operation to its end, one journalled move at a time.
func (e *Engine) work(ctx context.Context, id model.ID, r *run) {
	delay := time.Duration(0)
	for ctx.Err() == nil {
		op, ok := model.Find[*operation.Operation](e.Store.View(), id)
		if !ok || op.State.Final() {
			return
		}
		var err error
		if op.State == operation.Running {
			err = e.forward(ctx, op, r)
		} else {
			err = e.backward(ctx, op, r)
		}
		e.settle(r)
		if err == nil {
			delay = 0
			continue
		}
		if ctx.Err() != nil {
			return
		}
		var waits unshown
		if errors.As(err, &waits) {
			e.waitForAgents(ctx, op, r, waits)
			delay = 0
			continue
		}
		delay = min(max(2*delay, 100*time.Millisecond), 15*time.Second)
		e.Log.Warn("operation waits", "operation", id, "what", op.What, "error", err, "delay", delay)
		step, stop := context.WithCancel(ctx)
		r.interruptible(stop)
		if op.State == operation.Running && e.calledOffNow(id) {
			stop()
		}
		e.Pause(step, delay)
		stop()
	}
}

// calledOffNow tells whether a running operation was called off since somebody looked. Whoever called it
// off before the step became interruptible found nothing to interrupt.
func (e *Engine) calledOffNow(id model.ID) bool {
	op, ok := model.Find[*operation.Operation](e.Store.View(), id)
	return ok && op.State == operation.Running && op.Cancel && !op.Forward
}

// forward makes the next move of a running operation. An error means: try again later.
func (e *Engine) forward(ctx context.Context, op *operation.Operation, r *run) error {
	if op.Cancel && !op.Forward {
		return e.record(ctx, op, func(op *operation.Operation) { op.State = operation.Unwinding })
	}
	i := next(op)
	if i < 0 {
		fpEnding.Hit()
		err := e.end(ctx, op, operation.Succeeded, op.Done)
		fpEnded.Hit()
		return err
	}
	step := &op.Steps[i]
	if step.State != operation.Started {
		to, err := e.recipient(op, i, step.Do, r)
		if err != nil {
			return e.hindered(ctx, op, i, r, err)
		}
		return e.order(ctx, op, i, operation.Started, to, r)
	}
	if err := e.resumable(op); err != nil {
		return err
	}
	if op.Forward {
		if err := e.untouched(op); err != nil {
			return err
		}
	}
	if moved, err := e.hand(ctx, op, i, step.Do, r); err != nil {
		return e.hindered(ctx, op, i, r, err)
	} else if moved {
		return nil
	}
	r.waited(op.ID)
	fpStarted.Hit()
	result, err := e.call(ctx, op, i, "do", step.Do, r)
	fpAnswered.Hit()
	err = e.probe(ctx, op, step.Do, r, err)
	if err == nil {
		r.moving()
		err = e.record(ctx, op, func(op *operation.Operation) {
			op.Steps[i].State, op.Steps[i].Result = operation.Did, result
		})
		fpDone.Hit()
		return err
	}
	return e.hindered(ctx, op, i, r, err)
}

// hindered decides what becomes of an operation whose step was not done.
func (e *Engine) hindered(ctx context.Context, op *operation.Operation, i int, r *run, err error) error {
	step := &op.Steps[i]
	var waits unshown
	if ctx.Err() != nil || errors.As(err, &waits) {
		return err
	}
	if e.calledOffNow(op.ID) {
		return nil // the next move unwinds
	}
	waited := r.waits(err, e.Now(), e.Patience)
	if transient(err) && (op.Forward || waited < e.GiveUp) {
		if step.State == operation.Pending {
			return err // nobody was asked
		}
		return e.again(ctx, op, i, step.Do, r, err)
	}
	e.Log.Warn("step failed", "operation", op.ID, "step", step.Name, "error", err)
	r.moving()
	failure := fault.From(err)
	return e.record(ctx, op, func(op *operation.Operation) {
		op.Fault = &fault.Error{Code: failure.Code, Op: step.Name, Message: failure.Public(), Field: failure.Field}
		op.State = operation.Unwinding
		if op.Forward {
			op.State, op.Finished = operation.Failed, e.Now()
		}
	})
}

// again prepares another attempt. A call that was never answered is repeated under the same id, so that
// an agent that did hear it gives its first answer; one that was answered with a fault gets a new id.
func (e *Engine) again(ctx context.Context, op *operation.Operation, i int, c *operation.Call, r *run, cause error) error {
	if lost(cause) {
		return cause
	}
	step := &op.Steps[i]
	to := step.Agent // until somebody can be asked, and where it may be at work on an earlier order
	if !r.busy(op, i) {
		if other, err := e.Choose(machine.Reach(e.Store.View(), c), c.Method, ""); err == nil {
			to = other
		}
	}
	if err := e.order(ctx, op, i, step.State, to, r); err != nil {
		return err
	}
	return cause
}

// backward makes the next move of an operation that is being undone. It never gives up: what an agent
// may still hold must not be given to anybody else.
func (e *Engine) backward(ctx context.Context, op *operation.Operation, r *run) error {
	i := last(op)
	if i < 0 {
		state := operation.Failed
		if op.Fault == nil {
			state = operation.Cancelled
		}
		return e.end(ctx, op, state, op.Undone)
	}
	step := &op.Steps[i]
	if step.Undo == nil {
		return e.record(ctx, op, func(op *operation.Operation) { op.Steps[i].State = operation.Undid })
	}
	if step.State != operation.Undoing {
		if err := e.untouched(op); err != nil { // as long as it is recorded of which epoch the last order is
			return err
		}
		to, err := e.recipient(op, i, step.Undo, r)
		if err != nil {
			r.waits(err, e.Now(), e.Patience)
			return err
		}
		return e.order(ctx, op, i, operation.Undoing, to, r)
	}
	if err := e.resumable(op); err != nil {
		return err
	}
	if err := e.untouched(op); err != nil {
		return err
	}
	if moved, err := e.hand(ctx, op, i, step.Undo, r); err != nil || moved {
		if err != nil {
			r.waits(err, e.Now(), e.Patience)
		}
		return err
	}
	r.waited(op.ID)
	fpUndoing.Hit()
	result, err := e.call(ctx, op, i, "undo", step.Undo, r)
	fpUndone.Hit()
	if err == nil || fault.Is(err, fault.NotFound) {
		r.moving()
		return e.record(ctx, op, func(op *operation.Operation) {
			op.Steps[i].State, op.Steps[i].Result = operation.Undid, result
		})
	}
	if ctx.Err() == nil {
		r.waits(err, e.Now(), e.Patience)
		return e.again(ctx, op, i, step.Undo, r, err)
	}
	return err
}

// next is the first step not done, -1 when all are.
func next(op *operation.Operation) int {
	for i := range op.Steps {
		if op.Steps[i].State != operation.Did {
			return i
		}
	}
	return -1
}

// last is the last step that may have done something and is not undone, -1 when there is none.
func last(op *operation.Operation) int {
	for i := len(op.Steps) - 1; i >= 0; i-- {
		if s := op.Steps[i].State; s != operation.Pending && s != operation.Undid {
			return i
		}
	}
	return -1
}

// record commits a move of the operation. It works on the state of now, so that a cancellation that
// came in between is kept.
func (e *Engine) record(ctx context.Context, op *operation.Operation, change func(*operation.Operation)) error {
	_, err := e.Store.Update(context.WithoutCancel(ctx), e.cause(op), func(d model.Draft) error {
		current, ok := model.Find[*operation.Operation](d, op.ID)
		if !ok {
			return fault.New(fault.NotFound, "operation %s is gone", op.ID)
		}
		current = model.Edit(current)
		change(current)
		return d.Put(current)
	})
	return err
}

// end commits the final state together with its effects.
func (e *Engine) end(ctx context.Context, op *operation.Operation, state operation.State, effects []operation.Effect) error {
	changed := e.shownChanged()
	_, err := e.Store.Update(context.WithoutCancel(ctx), e.cause(op), func(d model.Draft) error {
		current, ok := model.Find[*operation.Operation](d, op.ID)
		if !ok {
			return fault.New(fault.NotFound, "operation %s is gone", op.ID)
		}
		if state == operation.Succeeded && current.Cancel && !current.Forward {
			current = model.Edit(current)
			current.State = operation.Unwinding
			return d.Put(current)
		}
		if err := current.Apply(d, effects); err != nil {
			return err
		}
		if err := e.mayRelease(d); err != nil {
			return unshown{err, changed}
		}
		current = model.Edit(current)
		current.State, current.Finished = state, e.Now()
		return d.Put(current)
	})
	if err == nil {
		e.Log.Info("operation ended", "operation", op.ID, "what", op.What, "target", op.Target.ID, "state", state, "request", op.Request)
	}
	return err
}

func (e *Engine) cause(op *operation.Operation) store.Cause {
	return store.Cause{Actor: op.Actor, ActorID: string(op.ActorID), Request: op.Request, From: op.From, What: op.What}
}
