package operate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// Lost wraps the fault of a call that no agent answered: it was not sent, or its answer did not come, so that
// an agent may be at work on it.
type Lost struct {
	Err    error
	Unsent bool // nothing was sent: this call has no agent at work
}

// Error is the text of the fault inside.
func (l Lost) Error() string { return l.Err.Error() }

// Unwrap gives the fault inside.
func (l Lost) Unwrap() error { return l.Err }

// lost tells whether the outcome of a call is unknown, because no agent was asked or none answered.
func lost(err error) bool {
	var l Lost
	return errors.As(err, &l)
}

// unsent tells whether no agent was asked.
func unsent(err error) bool {
	var l Lost
	return errors.As(err, &l) && l.Unsent
}

// transient tells whether trying again may help.
func transient(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Throttled, fault.Cancelled:
		return true
	}
	return false
}

// call asks the agent that a step was handed to, under the request id of the present attempt.
func (e *Engine) call(ctx context.Context, op *operation.Operation, i int, direction string, c *operation.Call, r *run) (json.RawMessage, error) {
	if c == nil {
		return nil, nil
	}
	timeout := time.Duration(c.Timeout) * time.Millisecond
	if timeout == 0 {
		timeout = e.StepTimeout
	}
	step, end := context.WithCancelCause(ctx)
	defer end(nil)
	if direction == "do" && !op.Forward {
		stop := func() { end(ErrCalledOff) }
		r.interruptible(stop)
		defer r.interruptible(nil)
		if e.calledOffNow(op.ID) {
			stop()
		}
	}
	request := op.RequestOf(i, direction)
	if !slices.Contains(r.asked, request) {
		r.asked = append(r.asked, request)
	}
	agents := []model.ID{op.Steps[i].Agent}
	if agents[0] == "" {
		agents = machine.Reach(e.Store.View(), c)
	}
	result, err := e.Agents.Call(step, Call{Agents: agents, Method: c.Method, Request: request, Trace: op.Request, Timeout: timeout,
		Args: json.RawMessage(c.Args.Reveal()), Progress: func(p agentproto.Progress) {
			p.Request, p.Note = request, op.Steps[i].Name
			r.mu.Lock()
			r.progress = p
			r.mu.Unlock()
			r.moving()
		}})
	if !unsent(err) {
		r.idle = ""
		if err != nil && !lost(err) && !r.missed {
			r.idle = request
		}
	}
	return result, err
}
