package agent

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
	"kowabunga/roles/agent/link"
)

// maxEvents bounds the queue of events; beyond it the oldest subject is dropped and counted. Kahuna
// compares inventories when an agent connects, so a dropped event delays, and loses nothing.
const maxEvents = 4096

// events is the queue of what happened: one event for each type and subject, the newest.
type events struct {
	mu      sync.Mutex
	order   []eventKey
	waiting map[eventKey]agentproto.Event
	dropped uint64
	wake    chan struct{}
}

type eventKey struct{ typ, subject string }

func newEvents() *events {
	return &events{waiting: map[eventKey]agentproto.Event{}, wake: make(chan struct{}, 1)}
}

// add queues an event; one already waiting for the same type and subject keeps its place.
func (q *events) add(e agentproto.Event, newer bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := eventKey{e.Type, e.Subject}
	if _, ok := q.waiting[key]; ok {
		if newer {
			q.waiting[key] = e
		}
		return
	}
	q.waiting[key] = e
	q.order = append(q.order, key)
	if len(q.order) > maxEvents {
		delete(q.waiting, q.order[0])
		q.order = q.order[1:]
		q.dropped++
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes the oldest event.
func (q *events) take() (agentproto.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		q.order = nil
		return agentproto.Event{}, false
	}
	key := q.order[0]
	q.order = q.order[1:]
	e := q.waiting[key]
	delete(q.waiting, key)
	return e, true
}

// Event implements Reporter. It never waits.
func (a *Agent) Event(typ, subject string, body any) {
	raw, err := json.Marshal(release.More(body))
	if err != nil {
		a.log.Error("an event cannot be encoded", "type", typ, "subject", subject, "error", err)
		return
	}
	a.events.add(agentproto.Event{Type: typ, Subject: subject, At: time.Now().UnixMilli(), Body: raw}, true)
}

// sendEvents sends queued events to the Kahuna that is obeyed, whichever that is, until ctx ends.
func (a *Agent) sendEvents(ctx context.Context) {
	for {
		changed, conn := a.kahunas.watch(), a.primary()
		if conn == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		e, ok := a.events.take()
		if !ok {
			select {
			case <-a.events.wake:
			case <-changed:
			case <-ctx.Done():
				return
			}
			continue
		}
		if err := a.sendEvent(conn, e); err != nil {
			a.events.add(e, false)
			select {
			case <-changed:
			case <-conn.Done():
			case <-ctx.Done():
				return
			}
			continue
		}
		a.counters.events.Add(1)
	}
}

// sendEvent waits for room in the queue as long as the connection lives.
func (a *Agent) sendEvent(conn *link.Conn, e agentproto.Event) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := conn.Notify(ctx, agentproto.MethodEvent, e)
		cancel()
		if err == nil || conn.Err() != nil || ctx.Err() == nil {
			return err
		}
	}
}

// Call asks Kahuna something. Without a connection it fails with Unavailable at once.
func (a *Agent) Call(ctx context.Context, method string, args, result any) error {
	conn := a.primary()
	if conn == nil {
		return fault.New(fault.Unavailable, "there is no connection to Kahuna; try again when there is")
	}
	raw, err := json.Marshal(release.More(args))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode the arguments of "+method)
	}
	env := agentproto.Envelope{Epoch: a.Obeyed(), Args: raw}
	if deadline, ok := ctx.Deadline(); ok {
		env.Deadline = max(1, time.Until(deadline).Milliseconds())
	}
	return conn.Call(ctx, method, env, result)
}

// Counters are totals since the agent was made.
type Counters struct {
	Connects      uint64 // connections that were welcomed
	DialFailures  uint64
	Calls         uint64 // of Kahuna, repeats and refused ones included
	Repeats       uint64 // calls answered from, or joined to, an earlier one
	Failures      uint64 // calls whose handler failed
	Panics        uint64
	Fenced        uint64 // commands of an older epoch
	Events        uint64 // sent
	EventsDropped uint64
	Running       int // calls running now
}

type counters struct {
	connects, dialFailures, calls, repeats, failures, panics, fenced, events atomic.Uint64
}

// Counters returns the totals, for metrics.
func (a *Agent) Counters() Counters {
	a.events.mu.Lock()
	dropped := a.events.dropped
	a.events.mu.Unlock()
	c := &a.counters
	return Counters{
		Connects: c.connects.Load(), DialFailures: c.dialFailures.Load(), Calls: c.calls.Load(), Repeats: c.repeats.Load(),
		Failures: c.failures.Load(), Panics: c.panics.Load(), Fenced: c.fenced.Load(), Events: c.events.Load(),
		EventsDropped: dropped, Running: a.replies.running(),
	}
}
