package fleet

import (
	"context"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

// Reign is the right to command in one epoch. Its functions run for several agents at the same time, and
// may still run for a moment after Rest.
type Reign struct {
	Epoch agentproto.Epoch
	// Announce is what agents with FeatureLease are told before anything else: the certificate that the epoch
	// was won and the newest record. Nil: they are told nothing and never come online.
	Announce func() lease.Announce
	// Admit publishes a record that names the identity of an agent that is new. Nil: such agents stay out.
	Admit func(ctx context.Context, agent string, hello agentproto.Hello) error
	// Report records what an agent reported with its answer. After an error the epoch is announced again. May
	// be nil.
	Report func(ctx context.Context, agent string, a agentproto.Announced) error
	// Answered is told what an agent answered, before it comes online, and again when work ended that an
	// answer named as stuck. The connection of an agent without FeatureLease counts as its answer. It must be
	// quick. May be nil.
	Answered func(agent string, a agentproto.Announced)
}

// command is the right to command agents: it ends when another Kahuna commands them.
type command struct {
	reign  Reign
	ctx    context.Context // ends with the right
	end    context.CancelCauseFunc
	reason error // why there is no right; nil while there is
}

func newCommand(r Reign) *command {
	c := &command{reign: r}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	return c
}

func (c *command) over(reason error) {
	c.reason = reason
	c.end(reason)
}

// commands tells whether a session takes commands by this right. It needs the fleet's lock.
func (c *command) commands(s *session) bool {
	return s != nil && (!s.leased || s.obeys == c && c.reason == nil)
}

// online is the session of an agent if it takes commands by this right. It needs the fleet's lock.
func (c *command) online(m *member) *session {
	if c.commands(m.session) {
		return m.session
	}
	return nil
}

// Rise begins the right to command agents in an epoch: each is online, and reported to OnConnect, from when
// it obeys the epoch; agents that do not know of epochs that are won, at once. Without Config.Node a new
// Fleet has the right already.
func (f *Fleet) Rise(r Reign) {
	f.mu.Lock()
	if f.command.reason == nil {
		f.command.over(fault.New(fault.Unavailable, "this Kahuna commands anew, in epoch %s", r.Epoch))
	}
	right := newCommand(r)
	f.command = right
	f.publish()
	var plain []*session
	for _, m := range f.members {
		switch s := m.session; {
		case s == nil || f.closing:
		case s.leased:
			f.see(s)
		default:
			f.tasks.Add(1)
			plain = append(plain, s)
		}
	}
	f.mu.Unlock()
	for _, s := range plain {
		right.welcomed(s)
		f.connected(s.member, greeting{hello: s.hello})
		f.compareSteps(s)
		f.tasks.Done()
	}
}

// welcomed takes the connection of an agent that knows nothing of won epochs for its answer: it refuses what
// is older from when it was welcomed on.
func (c *command) welcomed(s *session) {
	if c.reign.Answered != nil {
		c.reign.Answered(s.member.id, agentproto.Announced{Epoch: c.reign.Epoch, Identity: s.hello.Identity})
	}
}

// Rest ends the right to command agents: from now on calls fail with the reason and desired states are
// forgotten. Agents stay connected. Nothing is called off: what an agent works on goes on, and the outcome
// of calls that wait for an answer is unknown here (link.ErrLost).
func (f *Fleet) Rest(reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.command.reason != nil {
		f.command = newCommand(Reign{})
	}
	f.command.over(reason)
	for _, m := range f.members {
		m.desired = map[string]*want{}
		m.cancels = nil
		m.settled = nil
	}
	clear(f.asked)
	f.publish()
}

// right is the present right to command, or why there is none.
func (f *Fleet) right() (*command, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.command, f.command.reason
}

// lost is the error of a call whose right ended before the answer came.
func (c *command) lost(agent, method string) error {
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
