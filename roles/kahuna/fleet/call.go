package fleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
	"kowabunga/roles/agent/link"
)

// ErrOffline is inside the error of a call that found none of its agents connected: nothing was sent.
var ErrOffline = errors.New("no agent is connected")

// CallOptions say how a call is made.
type CallOptions struct {
	// Request is the idempotency id; a repeat under it gets the first answer. Empty: one is drawn, for
	// calls that only read.
	Request    string
	Trace      string        // request id of the API call this serves
	Timeout    time.Duration // bound of everything; 0: the context's deadline, else Config.CallTimeout
	WaitOnline time.Duration // for one of the agents to be connected; 0: not at all
	WaitReturn time.Duration // for the agent to come back when its connection dropped; 0: 2 min
	Prefer     string        // agent to use if it is connected
	// Chosen is told which agent is asked, before anything is sent. Unless it is told, nothing was sent.
	Chosen   func(agent string)
	Progress func(agentproto.Progress) // runs one at a time, never after Call returned
}

// Call asks one of the agents and waits for its answer. It takes Prefer, else the one used last, else
// the first of the list that is connected, among those that offer the method. If the connection drops
// the same agent is asked again under the same request id when it is back. When ctx or Timeout ends the agent
// is told to call the work off, and the error is Cancelled (or Unavailable for a deadline). Where the outcome of
// what was sent is unknown, link.ErrLost is inside the error.
func (f *Fleet) Call(ctx context.Context, agents []string, method string, opt CallOptions, args, result any) error {
	f.counters.calls.Add(1)
	err := f.call(ctx, agents, method, opt, args, result)
	if err != nil {
		f.counters.callFailures.Add(1)
	}
	return err
}

func (f *Fleet) call(caller context.Context, agents []string, method string, opt CallOptions, args, result any) error {
	raw, err := json.Marshal(release.More(args))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "call "+method)
	}
	right, err := f.right()
	if err != nil {
		return unsent(right.ctx)
	}
	if opt.Request == "" {
		opt.Request = agentproto.ReadPrefix + rand.Text()
	}
	if opt.WaitReturn == 0 {
		opt.WaitReturn = 2 * time.Minute
	}
	if _, ok := caller.Deadline(); opt.Timeout == 0 && !ok {
		opt.Timeout = f.cfg.CallTimeout
	}
	if opt.Timeout > 0 {
		var cancel context.CancelFunc
		caller, cancel = context.WithTimeout(caller, opt.Timeout)
		defer cancel()
	}
	// Whoever calls may call the work off; who has lost the right to command only stops waiting for it.
	ctx, cancel := context.WithCancelCause(caller)
	defer cancel(nil)
	defer context.AfterFunc(right.ctx, func() { cancel(context.Cause(right.ctx)) })()
	agent, err := f.choose(ctx, agents, method, opt)
	if err != nil {
		if right.ctx.Err() != nil {
			return unsent(right.ctx)
		}
		return err
	}
	f.mu.Lock()
	m := f.member(agent)
	s := right.online(m)
	f.remember(opt.Request, m)
	m.cancels = slices.DeleteFunc(m.cancels, func(request string) bool { return request == opt.Request })
	f.mu.Unlock()
	m.used.Store(f.uses.Add(1))
	defer m.watch(opt)()

	env := agentproto.Envelope{Request: opt.Request, Trace: opt.Trace, Args: raw}
	identity := ""
	for last := (*session)(nil); ; last = s {
		if s == nil || s == last {
			if s, err = f.returned(ctx, right, m, last, opt.WaitReturn); err != nil {
				if last == nil {
					if right.ctx.Err() != nil {
						return unsent(right.ctx)
					}
					return err
				}
				if caller.Err() != nil {
					f.callOffLater(m, opt.Request)
				}
				return unknown(err, agent, method)
			}
		}
		if last != nil {
			f.counters.resent.Add(1)
			if identity != s.hello.Identity {
				return unknown(fault.New(fault.Unavailable, "the agent came back with another state directory"), agent, method)
			}
		}
		if last == nil && opt.Chosen != nil {
			opt.Chosen(agent)
		}
		identity = s.hello.Identity
		env.Epoch = right.reign.Epoch
		if deadline, ok := ctx.Deadline(); ok {
			env.Deadline = max(1, time.Until(deadline).Milliseconds())
		}
		err = s.conn.Call(ctx, method, env, result)
		switch {
		case caller.Err() != nil:
			f.callOff(m, s, opt.Request)
			if err != nil { // it may be the agent's, at the last moment; then a repeat gets it
				return unanswered(err, agent, method)
			}
		case err != nil && right.ctx.Err() != nil:
			return right.lost(agent, method)
		}
		if !errors.Is(err, link.ErrLost) {
			return err
		}
	}
}

// Choose picks the agent that a call of a method would go to now. Faults: as of Call.
func (f *Fleet) Choose(agents []string, method, prefer string) (string, error) {
	return f.Live().choose(agents, method, prefer)
}

// choose picks an agent; ErrOffline is inside the error when none is connected.
func (s *Snapshot) choose(agents []string, method, prefer string) (string, error) {
	agent, online := s.pick(agents, method, prefer)
	switch {
	case agent != "":
		return agent, nil
	case online:
		return "", fault.New(fault.Unavailable, "none of the connected agents (%s) offers %s; bring them to this release", strings.Join(agents, ", "), method)
	}
	return "", offline(agents)
}

// choose picks the agent to ask.
func (f *Fleet) choose(ctx context.Context, agents []string, method string, opt CallOptions) (string, error) {
	var patience <-chan time.Time
	if opt.WaitOnline > 0 {
		timer := time.NewTimer(opt.WaitOnline)
		defer timer.Stop()
		patience = timer.C
	}
	for {
		snapshot := f.Live()
		agent, err := snapshot.choose(agents, method, opt.Prefer)
		if err == nil || patience == nil || !errors.Is(err, ErrOffline) {
			return agent, err
		}
		select {
		case <-snapshot.changed:
		case <-patience:
			return "", offline(agents)
		case <-f.ctx.Done():
			return "", shutting()
		case <-ctx.Done():
			return "", fault.From(context.Cause(ctx))
		}
	}
}

// pick returns the agent to use, or whether any of the list is connected at all.
func (s *Snapshot) pick(agents []string, method, prefer string) (best string, online bool) {
	var stamp uint64
	for _, id := range agents {
		m, ok := s.members[id]
		if !ok || !m.Online {
			continue
		}
		online = true
		if !m.Offers(method) {
			continue
		}
		if id == prefer {
			return id, true
		}
		if used := m.used.Load(); best == "" || used > stamp {
			best, stamp = id, used
		}
	}
	return best, online
}

// returned waits for a session of the agent other than the one that was lost.
func (f *Fleet) returned(ctx context.Context, right *command, m *member, lost *session, patience time.Duration) (*session, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		snapshot := f.Live()
		f.mu.Lock()
		s := right.online(m)
		f.mu.Unlock()
		if s != nil && s != lost {
			return s, nil
		}
		select {
		case <-snapshot.changed:
		case <-timer.C:
			return nil, offline([]string{m.id})
		case <-f.ctx.Done():
			return nil, shutting()
		case <-ctx.Done():
			return nil, fault.From(context.Cause(ctx))
		}
	}
}

func offline(agents []string) error {
	if len(agents) == 0 {
		return &fault.Error{Code: fault.Unavailable, Message: "there is no agent to ask", Err: ErrOffline}
	}
	return &fault.Error{Code: fault.Unavailable, Message: "not connected: " + strings.Join(agents, ", ") + "; check the agent on its host", Err: ErrOffline}
}

// unknown is the error of a call that was sent and whose answer is lost. ErrLost is inside.
func unknown(err error, agent, method string) error {
	return outstanding(err, "the connection to agent "+agent+" dropped", method)
}

// unanswered is the error of a call that was sent, and not answered as long as its caller waited. ErrLost is
// inside.
func unanswered(err error, agent, method string) error {
	return outstanding(err, "agent "+agent+" did not answer as long as it was waited for", method)
}

func outstanding(err error, why, method string) error {
	f := fault.From(err)
	return &fault.Error{Code: f.Code, Op: "call " + method, Message: why + ", and whether it was done is unknown: " + f.Public(), Err: link.ErrLost}
}

func shutting() error { return fault.New(fault.Unavailable, "Kahuna is shutting down") }

// callOff tells the agent to stop working on a request, without waiting for it.
func (f *Fleet) callOff(m *member, s *session, request string) {
	if s.conn.TryNotify(agentproto.MethodCancel, agentproto.Cancel{Request: request}) != nil {
		f.callOffLater(m, request)
	}
}

// callOffLater remembers it for the agent's next session.
func (f *Fleet) callOffLater(m *member, request string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(m.cancels) < 256 && !slices.Contains(m.cancels, request) { // more end by their deadlines
		m.cancels = append(m.cancels, request)
	}
}

// progressSlot holds the newest progress of one call for the goroutine that delivers it.
type progressSlot struct {
	latest chan agentproto.Progress // one place
}

// progressed hands a report to the calls of its request.
func (m *member) progressed(p agentproto.Progress) {
	m.progressMu.Lock()
	defer m.progressMu.Unlock()
	for _, slot := range m.progress[p.Request] {
		select {
		case <-slot.latest:
		default:
		}
		slot.latest <- p
	}
}

// watch delivers the progress of a call until the function it returns is called.
func (m *member) watch(opt CallOptions) (stop func()) {
	if opt.Progress == nil {
		return func() {}
	}
	slot := &progressSlot{latest: make(chan agentproto.Progress, 1)}
	m.progressMu.Lock()
	m.progress[opt.Request] = append(m.progress[opt.Request], slot)
	m.progressMu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := range slot.latest {
			opt.Progress(p)
		}
	}()
	return func() {
		m.progressMu.Lock()
		left := slices.DeleteFunc(m.progress[opt.Request], func(s *progressSlot) bool { return s == slot })
		if m.progress[opt.Request] = left; len(left) == 0 {
			delete(m.progress, opt.Request)
		}
		close(slot.latest)
		m.progressMu.Unlock()
		<-done
	}
}
