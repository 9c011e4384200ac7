package kahuna

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/agent/link"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/operate"
)

// caller lets the engine reach agents through the fleet.
type caller struct {
	fleet *fleet.Fleet
	left  *sync.WaitGroup // calls nobody waits for any more; they end with the fleet
}

var _ operate.Caller = caller{}

// Online tells whether an agent can be commanded or, where this Kahuna only shows, is connected.
func (c caller) Online(agent model.ID) bool { return c.fleet.Live().Up(string(agent)) }

// Objects implements operate.Config's Objects.
func (c caller) Objects(agent model.ID) string {
	m, _ := c.fleet.Live().Get(string(agent))
	return m.Objects
}

// Choose implements operate.Config's Choose.
func (c caller) Choose(agents []model.ID, method string, prefer model.ID) (model.ID, error) {
	agent, err := c.fleet.Choose(texts(agents), method, string(prefer))
	if err != nil {
		err = operate.Lost{Unsent: true, Err: fault.From(err)}
	}
	return model.ID(agent), err
}

type reply struct {
	result json.RawMessage
	err    error
}

// Call asks one of the agents. The fleet tells an agent to stop as soon as its caller's context ends. That
// is meant for operations that were called off, not for a Kahuna that stops: what the agent does then goes
// on, and the next Kahuna asks for its answer under the same request id.
func (c caller) Call(ctx context.Context, call operate.Call) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, operate.Lost{Unsent: true, Err: fault.From(err)}
	}
	asking, callOff := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan reply, 1)
	c.left.Go(func() {
		defer callOff()
		result, err := c.ask(asking, call)
		done <- reply{result, err}
	})
	select {
	case r := <-done:
		return r.result, r.err
	case <-ctx.Done():
	}
	if !errors.Is(context.Cause(ctx), operate.ErrCalledOff) {
		return nil, operate.Lost{Err: fault.From(ctx.Err())}
	}
	callOff()
	r := <-done
	return r.result, r.err
}

func (c caller) ask(ctx context.Context, call operate.Call) (json.RawMessage, error) {
	var result json.RawMessage
	sent := false
	err := c.fleet.Call(ctx, texts(call.Agents), call.Method, fleet.CallOptions{Request: call.Request, Trace: call.Trace, Timeout: call.Timeout,
		WaitOnline: 5 * time.Second, Chosen: func(string) { sent = true }, Progress: func(p agentproto.Progress) { call.Progress(p) }}, call.Args, &result)
	if err != nil && (!sent || errors.Is(err, link.ErrLost)) {
		return nil, operate.Lost{Unsent: !sent, Err: fault.From(err)}
	}
	return result, err
}

func texts(ids []model.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// recorded is what the store knows of steps.
type recorded struct{ operate.Store }

var _ fleet.Steps = recorded{}

func (r recorded) Settled(request string) bool { return operation.Settled(r.View(), request) }

func (r recorded) Open() []string { return operation.Open(r.View()) }
