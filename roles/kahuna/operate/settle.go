package operate

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/operation"
)

// settle tells which requests of a run are settled.
func (e *Engine) settle(r *run) {
	if e.Settle == nil || len(r.asked) == 0 {
		return
	}
	view := e.Store.View()
	r.asked = slices.DeleteFunc(r.asked, func(request string) bool {
		settled := operation.Settled(view, request)
		if settled {
			e.Settle(request)
		}
		return settled
	})
}

// probe decides what an error of a call means if the agent does not know whether the call was done:
// Unavailable, another attempt does no harm; Unknown, it might. Any other error stands.
func (e *Engine) probe(ctx context.Context, op *operation.Operation, c *operation.Call, r *run, err error) error {
	if err == nil || !fault.Is(err, fault.Unknown) {
		return err
	}
	fpUnknown.Hit()
	if ask, again := machine.Probe(c); ask != nil {
		result, failed := e.Agents.Call(ctx, Call{Agents: machine.Reach(e.Store.View(), ask), Method: ask.Method, Trace: op.Request,
			Timeout: time.Duration(ask.Timeout) * time.Millisecond, Args: json.RawMessage(ask.Args.Reveal()), Progress: func(agentproto.Progress) {}})
		if failed != nil && transient(failed) {
			r.idle = "" // another agent would do it once more: it is asked for as before, and this again
			return Lost{Err: fault.From(failed)}
		}
		if failed == nil {
			failed = again(result)
		}
		if failed != nil {
			return failed
		}
	}
	return fault.New(fault.Unavailable, "%s", fault.From(err).Public())
}
