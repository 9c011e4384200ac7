package fleet

import (
	"context"

	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
)

// command is the right to command agents: it ends when another Kahuna commands them.
type command struct {
	ctx    context.Context // ends with the right
	end    context.CancelCauseFunc
	reason error // why there is no right; nil while there is
}

func newCommand() *command {
	c := &command{}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	return c
}

// Rise gives the right to command agents: calls and desired states go out. A new Fleet has it.
func (f *Fleet) Rise() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.command.reason != nil {
		f.command = newCommand()
	}
}

// Rest takes the right to command agents: from now on calls fail with the reason and desired states are
// forgotten. Agents stay connected. Nothing is called off: what an agent works on goes on, and the outcome
// of calls that wait for an answer is unknown here (link.ErrLost).
func (f *Fleet) Rest(reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.command.reason != nil {
		return
	}
	f.command.reason = reason
	f.command.end(reason)
	for _, m := range f.members {
		m.desired = map[string]*want{}
		m.cancels = nil
	}
}

// right is the present right to command, or why there is none.
func (f *Fleet) right() (*command, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.command, f.command.reason
}

// over is the error of a call whose right ended before the answer came.
func (c *command) over(agent, method string) error {
	reason := fault.From(context.Cause(c.ctx))
	return unknown(fault.New(fault.Unavailable, "%s", reason.Public()), agent, method)
}

// unsent is the error of a call that there was no right to make. ErrOffline is inside.
func unsent(right context.Context) error {
	return &fault.Error{Code: fault.Unavailable, Message: fault.From(context.Cause(right)).Public(), Err: ErrOffline}
}

// Ask makes one call to an agent's present session, outside of any right to command: what a witness is
// asked. Fault: Unavailable with ErrOffline when the agent, with that state directory, is not connected.
func (f *Fleet) Ask(ctx context.Context, agent, identity, method string, params, result any) error {
	f.mu.Lock()
	var conn *link.Conn
	if m, ok := f.members[agent]; ok && m.session != nil && m.session.hello.Identity == identity {
		conn = m.session.conn
	}
	f.mu.Unlock()
	if conn == nil {
		return offline([]string{agent})
	}
	return conn.Call(ctx, method, params, result)
}
