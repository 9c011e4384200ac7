package agent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// How many finished calls are remembered by their request ids, and how many bytes of results at most.
// Calls that only read have a memory of their own, so that polling cannot drive out an operation's answer.
const (
	keptReplies = 1024
	keptReads   = 64
	keptBytes   = 16 << 20
)

// running is one call, from its arrival until it is forgotten. Whoever repeats its request id waits
// for the same answer.
type running struct {
	method  string
	request string
	sum     [sha256.Size]byte // of the arguments
	ctx     context.Context
	cancel  context.CancelCauseFunc

	step   bool           // the ledger remembers it
	starts []lease.Effect // of a step that is to begin
	begun  bool           // the step is in the ledger as started

	timer *time.Timer // ends the call at its deadline; nil without one
	until time.Time

	done   chan struct{}
	result json.RawMessage // valid once done is closed
	err    error
}

// replies holds the calls by request id.
type replies struct {
	mu       sync.Mutex
	byID     map[string]*running
	finished [2][]*running // oldest first: operations, reads
	bytes    [2]int
	active   int
	draining bool
	quiet    chan struct{} // closed when draining and nothing runs
}

func newReplies() *replies { return &replies{byID: map[string]*running{}, quiet: make(chan struct{})} }

// begin finds the call of a request id or registers a new one; fresh says which. An empty id is always new.
func (r *replies) begin(base context.Context, method string, env agentproto.Envelope, step bool) (call *running, fresh bool, err error) {
	sum := sha256.Sum256(env.Args)
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.byID[env.Request]; ok && env.Request != "" {
		if old.method != method || old.sum != sum {
			return nil, false, fault.New(fault.Conflict, "request id %.100q was used for another call", env.Request)
		}
		old.extend(env.Deadline)
		return old, false, nil
	}
	if r.draining {
		return nil, false, fault.New(fault.Unavailable, "the agent is shutting down; it takes no new calls until it is back")
	}
	call = &running{method: method, request: env.Request, sum: sum, step: step, done: make(chan struct{})}
	call.ctx, call.cancel = context.WithCancelCause(base)
	call.extend(env.Deadline)
	if env.Request != "" {
		r.byID[env.Request] = call
	}
	r.active++
	return call, true, nil
}

// extend moves the deadline; a repeat may only make it later. Called with the lock of replies held.
func (c *running) extend(ms int64) {
	fresh := c.until.IsZero()
	if ms <= 0 {
		if c.timer != nil {
			c.timer.Stop()
			c.timer = nil
		}
		c.until = time.Now().Add(1 << 62)
		return
	}
	wait := time.Duration(min(ms, int64(1<<62/time.Millisecond))) * time.Millisecond
	until := time.Now().Add(wait)
	if !fresh && !until.After(c.until) {
		return
	}
	c.until = until
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, func() {
			c.cancel(fault.New(fault.Unavailable, "the call was not finished before its deadline"))
		})
		return
	}
	c.timer.Reset(wait)
}

// finish records the answer, wakes whoever waits and forgets the oldest answers.
func (r *replies) finish(c *running, result json.RawMessage, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.result, c.err = result, err
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cancel(nil)
	close(c.done)
	r.active--
	if r.draining && r.active == 0 {
		close(r.quiet)
	}
	if c.request == "" {
		return
	}
	if c.step {
		delete(r.byID, c.request)
		return
	}
	shelf, most := 0, keptReplies
	if strings.HasPrefix(c.request, agentproto.ReadPrefix) {
		shelf, most = 1, keptReads
	}
	r.finished[shelf] = append(r.finished[shelf], c)
	r.bytes[shelf] += len(result)
	for len(r.finished[shelf]) > most || r.bytes[shelf] > keptBytes && len(r.finished[shelf]) > 1 {
		oldest := r.finished[shelf][0]
		r.finished[shelf][0] = nil
		r.finished[shelf] = r.finished[shelf][1:]
		r.bytes[shelf] -= len(oldest.result)
		delete(r.byID, oldest.request)
	}
}

// abandon ends a call that never began; a repeat is a new one.
func (r *replies) abandon(c *running, err error) {
	r.mu.Lock()
	delete(r.byID, c.request)
	c.request = ""
	r.mu.Unlock()
	r.finish(c, nil, err)
}

// cancel calls a running call off.
func (r *replies) cancel(request string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.byID[request]; ok {
		c.cancel(fault.New(fault.Cancelled, "the call was called off"))
	}
}

// drain refuses new calls; the channel closes when the running ones finished.
func (r *replies) drain() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.draining {
		r.draining = true
		if r.active == 0 {
			close(r.quiet)
		}
	}
	return r.quiet
}

// running is the number of calls that are not finished.
func (r *replies) running() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}
