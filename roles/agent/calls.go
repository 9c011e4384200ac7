package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/roles/agent/link"
)

const laneSlots = 8

// lanes are the slots that calls of one lane share.
type lanes struct {
	mu    *sync.Mutex
	sizes map[string]int
	slots map[string]chan struct{}
}

func newLanes(sizes map[string]int) lanes {
	return lanes{mu: &sync.Mutex{}, sizes: sizes, slots: map[string]chan struct{}{}}
}

func (l lanes) of(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.slots[name]
	if !ok {
		n := l.sizes[name]
		if n <= 0 {
			n = laneSlots
		}
		s = make(chan struct{}, n)
		l.slots[name] = s
	}
	return s
}

// session is the agent as its peer on one connection to one Kahuna.
type session struct {
	a       *Agent
	conn    *link.Conn
	leased  bool                // both ends know that there may be several Kahunas
	ledger  bool                // both ends keep a ledger of steps
	node    string              // id of that Kahuna; empty when not leased
	kahunas []agentproto.Kahuna // that it told of when it welcomed
}

var _ link.Peer = (*session)(nil)

// Call answers one call of Kahuna: the first time by running it, later from what came out.
func (s *session) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	a := s.a
	if s.leased && method == agentproto.MethodAnnounce {
		return a.announced(ctx, params)
	}
	if _, ok := leaseMethods[method]; ok && s.leased {
		return a.witness.answer(method, params)
	}
	if s.ledger && method == agentproto.MethodOpenSteps {
		return a.openSteps(params)
	}
	a.counters.calls.Add(1)
	var env agentproto.Envelope
	if err := json.Unmarshal(params, &env); err != nil {
		return nil, link.BadParams(method, err)
	}
	if err := s.commands(env.Epoch); err != nil {
		return nil, err
	}
	if s.ledger && method == agentproto.MethodSettle {
		return a.settle(env)
	}
	m, ok := a.method(method)
	if !ok {
		return nil, link.UnknownMethod(method)
	}
	call, fresh, err := a.replies.begin(a.work, method, env, s.ledger && isStep(env.Request))
	if err != nil {
		return nil, err
	}
	if !fresh {
		a.counters.repeats.Add(1)
	} else if err := a.start(call, m, env); err != nil {
		a.replies.abandon(call, err)
		return nil, err
	}
	select {
	case <-call.done:
		return call.result, call.err
	case <-ctx.Done():
		return nil, context.Cause(ctx) // the connection is gone; the call is not
	}
}

// start has a call done, unless its answer is known from before.
func (a *Agent) start(c *running, m Method, env agentproto.Envelope) error {
	if c.step {
		known, starts, err := a.steps.ask(c.method, env)
		if err != nil {
			return err
		}
		if known != nil {
			a.counters.repeats.Add(1)
			if known.Fault != nil {
				err = known.Fault // and not an error that holds nothing
			}
			a.replies.finish(c, known.Result, err)
			return nil
		}
		c.starts = starts
	}
	ended, err := a.obedience.begin(lease.Work{Request: env.Request, What: c.method, Epoch: env.Epoch}, c.cancel)
	if err != nil {
		if c.step {
			a.steps.leave(c.request)
		}
		return err
	}
	go func() {
		defer ended()
		a.execute(c, m, env)
	}()
	return nil
}

// commands tells whether this session's Kahuna may command in an epoch.
func (s *session) commands(e agentproto.Epoch) error {
	if !s.leased {
		return s.a.obey(e)
	}
	if e.Node != s.node {
		s.a.counters.fenced.Add(1)
		return fault.New(fault.Fenced, "epoch %s is not one of node %s, which asks", e, s.node)
	}
	return s.a.obedience.certified(e)
}

// Notify takes what Kahuna says without waiting for an answer.
func (s *session) Notify(method string, params json.RawMessage) {
	if s.leased && s.node != s.a.Obeyed().Node {
		return
	}
	switch method {
	case agentproto.MethodCancel:
		var c agentproto.Cancel
		if err := json.Unmarshal(params, &c); err == nil && c.Request != "" {
			s.a.replies.cancel(c.Request)
		}
	case agentproto.MethodKahunas:
		var list agentproto.KahunaList
		if err := json.Unmarshal(params, &list); err == nil && list.Epoch == s.a.Obeyed() && s.a.kahunas.hear(list) {
			s.a.tasks.Go(s.a.keepKahunas) // it is written to disk, and the reader must not wait
		}
	}
}

func (a *Agent) method(name string) (Method, bool) {
	if name == agentproto.MethodState {
		return Method{Handle: Handle(a.applyState), Lane: "state"}, true
	}
	m, ok := a.cfg.Methods[name]
	return m, ok
}

// execute runs a call in its lane, whatever becomes of the connection, and records its one answer, even
// if the handler panics or ends its goroutine.
func (a *Agent) execute(c *running, m Method, env agentproto.Envelope) {
	progress := &reports{agent: a, request: c.request}
	began := time.Now()
	var result json.RawMessage
	var err error
	slots := a.lanes.of(m.Lane)
	select {
	case slots <- struct{}{}:
	case <-c.ctx.Done():
		if c.step {
			a.steps.leave(c.request)
		}
		a.conclude(c, env, progress, began, nil, context.Cause(c.ctx))
		return
	}
	if c.step {
		if err := a.steps.begin(c.starts); err != nil {
			<-slots
			a.conclude(c, env, progress, began, nil, err)
			return
		}
		c.begun = true
	}
	returned := false
	defer func() {
		<-slots
		if !returned {
			p := recover()
			a.counters.panics.Add(1)
			a.log.Error("a call's handler panicked", "method", c.method, "request", c.request, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result, err = nil, fault.New(fault.Internal, "the agent's handler of %s crashed; its log has the details", c.method)
		}
		a.conclude(c, env, progress, began, result, err)
	}()
	value, err := m.Handle(c.ctx, &Call{Method: c.method, Request: c.request, Trace: env.Trace, Epoch: env.Epoch, Args: env.Args, Progress: progress.report})
	if err == nil {
		result, err = json.Marshal(release.More(value))
		err = fault.Wrap(err, fault.Internal, "encode the result of "+c.method)
	}
	returned = true
}

// conclude sends the last progress, logs, and lets everybody who waits have the answer.
func (a *Agent) conclude(c *running, env agentproto.Envelope, progress *reports, began time.Time, result json.RawMessage, err error) {
	progress.finish()
	if err != nil && c.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = context.Cause(c.ctx)
	}
	if c.begun {
		if failed := a.steps.done(c.request, stepAnswer{Result: result, Fault: fault.From(err)}); failed != nil {
			result, err = nil, failed
		}
	}
	log := a.log.With("method", c.method, "request", c.request, "trace", env.Trace, "took", time.Since(began).Round(time.Millisecond))
	if err == nil {
		log.Debug("a call is done")
		a.replies.finish(c, result, nil)
		return
	}
	a.counters.failures.Add(1)
	log.Warn("a call failed", "error", err)
	a.replies.finish(c, nil, err)
}

// progressEvery is how often the progress of one call is sent at most.
const progressEvery = 250 * time.Millisecond

// reports thins out the progress of one call: the first report goes at once, then the newest every
// progressEvery, and the last before the answer.
type reports struct {
	agent   *Agent
	request string

	mu    sync.Mutex
	last  agentproto.Progress
	fresh bool
	timer *time.Timer
	over  bool
}

func (r *reports) report(done, total int64, unit string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.request == "" {
		return
	}
	r.last = agentproto.Progress{Request: r.request, Done: done, Total: total, Unit: unit}
	r.fresh = true
	if r.timer == nil {
		r.send()
		r.timer = time.AfterFunc(progressEvery, r.tick)
	}
}

func (r *reports) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = nil
	if r.over || !r.fresh {
		return
	}
	r.send()
	r.timer = time.AfterFunc(progressEvery, r.tick)
}

// send needs the lock. A report that finds no room is dropped; a newer one will follow.
func (r *reports) send() {
	r.fresh = false
	if conn := r.agent.primary(); conn != nil {
		_ = conn.TryNotify(agentproto.MethodProgress, r.last)
	}
}

func (r *reports) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.fresh {
		r.send()
	}
}
