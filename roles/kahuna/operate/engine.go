// Package operate turns authorised requests into commits and runs the operations they need: every
// step journalled before it is sent, resumed after a crash, unwound after a failure.
package operate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/store"
)

// Request is one call of the API, authenticated but not yet authorised or decoded.
type Request struct {
	Op    *catalogue.Op
	Who   access.Identity
	Path  map[string]model.ID // path parameters by name; not yet known to exist
	Query behaviour.Query     // checked against the declared types
	Body  []byte
	ID    string       // request id, for journal and logs
	From  string       // remote address
	V1    bool         // objects that are still being created do not exist for the caller
	Wait  bool         // v1: answer when the operation has ended; v2: answer at once
	Hash  model.Secret // stored form of a password that was drawn for this request
	Key   string       // v2's Idempotency-Key: a repeat within a day gets the first answer
	Named *Named       // v2's PUT by name: Op is the update, the path is found out in the transaction
	Match Match        // v2's If-Match and If-None-Match
	Ref   string       // v2: what the caller called the object of a deletion, by which a repeat under the same key is known
	Pin   string       // v2: hash of the plan the caller saw; nothing is done when it is no longer that
}

// Answer is what came of a request.
type Answer struct {
	Object    model.Object  // the object to show, nil for deletions and actions without one
	View      model.View    // the view to show it from
	Operation model.ID      // the operation behind it, empty when none was needed
	Joined    bool          // the request repeated one that was running or never got its answer
	Key       string        // a key to show once, v2 only
	Op        *catalogue.Op // what the request came to: for one by name the creation or the update
}

// Store is what the engine needs of the store.
type Store interface {
	View() model.View
	Update(ctx context.Context, cause store.Cause, f func(model.Draft) error) (uint64, error)
	// Try runs f on a draft that is dropped afterwards.
	Try(f func(model.Draft) error) error
}

// Call is one call to an agent.
type Call struct {
	Agents   []model.ID
	Method   string
	Request  string // idempotency id
	Trace    string // request id of the API call behind it
	Timeout  time.Duration
	Args     json.RawMessage
	Progress func(agentproto.Progress)
}

// Caller reaches agents. Call returns Lost when none of them answered, and the agent's own fault when it
// answered with one. When ctx ends with ErrCalledOff as its cause the agent is to stop as well; for every other
// cause it goes on, and is asked again later.
type Caller interface {
	Call(ctx context.Context, c Call) (json.RawMessage, error)
	Online(agent model.ID) bool
}

// Config is what an engine is made of. Zero durations get defaults.
type Config struct {
	Store  Store
	Board  *place.Board // follows the store; nil: the room on the hosts is counted for each decision
	Agents Caller
	// Choose chooses one of some agents for a call now: prefer, should it be one of them and connected.
	// Fault: Lost, unsent, with Unavailable inside, when none is connected or none of those that are offers the
	// method. Nil: the first that is online.
	Choose func(agents []model.ID, method string, prefer model.ID) (model.ID, error)
	// Objects tells why an agent that is connected does not obey this Kahuna; empty when it does, or is not
	// connected. May be nil.
	Objects func(agent model.ID) string
	Settle  func(request string) // told when nobody asks under a request id any more; may be nil
	Policy  func() gate.Policy   // read at each request, like Rules
	// Dismiss has others be witnesses in the place of agents that are about to be removed, and returns once
	// that is agreed on; until done is called they do not become witnesses again. Faults: Conflict when it is
	// not agreed on in time, Unavailable. Nil where agents are no witnesses.
	Dismiss func(ctx context.Context, agents []model.ID) (done func(), err error)
	Rules   func() behaviour.Config // read at each request, so that a reload takes effect
	Now     func() time.Time
	Seed    func() [32]byte // chance for ids and secrets; crypto/rand when nil
	Log     *slog.Logger

	StepTimeout time.Duration // one attempt of a step that sets none itself; default 5 min
	GiveUp      time.Duration // how long a step may find no agent before the operation unwinds; default 2 min
	Patience    time.Duration // how long a waiting caller is kept while nothing moves; default 1 min
	Keep        time.Duration // how long ended operations are kept; default 7 days
	Flaws       lease.Flaws   // of the decisions what may be released; none in production
	// Pause waits between attempts: delay n, and returns early when ctx ends. Nil waits for real.
	Pause func(ctx context.Context, delay time.Duration)
}

// Engine carries out writes and runs operations. Run must be called once for operations to move.
type Engine struct {
	Config
	shown   atomic.Pointer[Shown] // of the epoch; nil before Reign
	mu      sync.Mutex
	runs    map[model.ID]*run // before Run those that wait for it, then those at work
	ctx     context.Context   // of the runs; nil before Run
	closing bool              // no run begins any more
	wg      sync.WaitGroup
	closed  chan struct{} // closed when Run ends: waiting callers are sent away
}

// New makes an engine.
func New(c Config) *Engine {
	def := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	def(&c.StepTimeout, 5*time.Minute)
	def(&c.GiveUp, 2*time.Minute)
	def(&c.Patience, time.Minute)
	def(&c.Keep, 7*24*time.Hour)
	if c.Seed == nil {
		c.Seed = func() (seed [32]byte) { rand.Read(seed[:]); return }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Rules == nil {
		c.Rules = func() behaviour.Config { return behaviour.Config{} }
	}
	if c.Policy == nil {
		c.Policy = func() gate.Policy { return gate.Policy{} }
	}
	if c.Pause == nil {
		c.Pause = func(ctx context.Context, delay time.Duration) {
			t := time.NewTimer(delay)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}
	}
	e := &Engine{Config: c, runs: map[model.ID]*run{}, closed: make(chan struct{})}
	if e.Choose == nil {
		e.Choose = e.firstOnline
	}
	return e
}

// Run resumes every operation that has not ended, runs new ones as they come, and returns when ctx has
// ended and no step is being driven any more. Operations it leaves behind are resumed by the next Run
// on the same store.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	for id, r := range e.runs {
		e.begin(id, r)
	}
	e.mu.Unlock()
	for _, state := range []operation.State{operation.Running, operation.Unwinding} {
		for op := range model.By[*operation.Operation](e.Store.View(), "state", state) {
			e.Log.Info("resuming operation", "operation", op.ID, "what", op.What, "state", op.State)
			e.drive(op.ID)
		}
	}
	e.mu.Lock()
	e.wg.Go(func() { e.keepReporting(ctx) })
	e.mu.Unlock()
	for ctx.Err() == nil {
		if err := e.prune(ctx); err != nil && ctx.Err() == nil {
			e.Log.Warn("old operations stay", "error", err)
		}
		e.Pause(ctx, time.Hour)
	}
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	close(e.closed)
	e.wg.Wait()
	return nil
}

// Online tells whether an agent is connected, as decisions see it.
func (e *Engine) Online(agent model.ID) bool { return e.Agents.Online(agent) }

// prune forgets operations that ended long ago.
func (e *Engine) prune(ctx context.Context) error {
	before := e.Now().Add(-e.Keep)
	var old []model.ID
	for op := range model.All[*operation.Operation](e.Store.View()) {
		if op.State.Final() && op.Finished.Before(before) {
			old = append(old, op.ID)
		}
	}
	for len(old) > 0 {
		batch := old[:min(len(old), 500)]
		old = old[len(batch):]
		_, err := e.Store.Update(ctx, store.Cause{Actor: "kahuna", What: "forget operations"}, func(d model.Draft) error {
			for _, id := range batch {
				if err := d.Delete(operation.Kind, id); err != nil && !fault.Is(err, fault.NotFound) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
