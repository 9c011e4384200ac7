// Package agent is what all agents share: dialling Kahuna, proving who they are, answering its calls,
// taking desired states, reporting events, and keeping on disk what must survive a restart.
package agent

import (
	"context"
	"encoding/json"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Call is one call from Kahuna, already checked against the obeyed epoch.
type Call struct {
	Method  string
	Request string           // idempotency id, also in logs
	Trace   string           // request id of the API call this serves
	Epoch   agentproto.Epoch // of the Kahuna that commands it
	Args    json.RawMessage  // the method's arguments
	// Progress reports how far the call is; safe for concurrent use, cheap to call often (reports are
	// thinned out before they are sent), never blocks on the network.
	Progress func(done, total int64, unit string)
}

// Handler answers a call. Its context ends when the caller cancels, the deadline passes or the agent
// shuts down, but not when the connection drops. A panic becomes an internal fault for the caller.
type Handler func(ctx context.Context, call *Call) (any, error)

// Method is one entry of an agent's method table.
type Method struct {
	Handle Handler
	// Lane bounds how many calls run at once: calls of one lane share its slots, lanes never wait for
	// each other. The empty lane is for quick calls.
	Lane string
}

// Methods is an agent's method table, by JSON-RPC method name.
type Methods map[string]Method

// Handle adapts a typed function to a Handler: arguments are decoded strictly enough to refuse wrong
// types (Malformed) but unknown fields are ignored, for releases one apart.
func Handle[A, R any](f func(ctx context.Context, call *Call, args A) (R, error)) Handler {
	return func(ctx context.Context, call *Call) (any, error) {
		var args A
		if len(call.Args) > 0 {
			if err := json.Unmarshal(call.Args, &args); err != nil {
				return nil, &fault.Error{Code: fault.Malformed, Op: call.Method, Message: "the arguments do not fit the method", Err: err}
			}
		}
		return f(ctx, call, args)
	}
}

// Applier takes a whole desired state and makes the host match it. It is called with the last good
// state at start, before any connection, and with every newer one; never concurrently. An error leaves
// the previous state in force and is reported to Kahuna.
type Applier interface {
	Apply(ctx context.Context, state agentproto.State) ([]string, error)
}

// Reporter sends what an agent wants to tell without being asked. Events are queued while there is no
// connection (the newest of each type and subject win) and sent after the next Hello.
type Reporter interface {
	Event(typ, subject string, body any)
}
