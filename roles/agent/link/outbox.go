package link

import (
	"context"
	"sync"
)

// Bounds of what may wait to be written to one peer. A message counts for at least leastCost, so the
// budget bounds their number (1,024) as well as their bytes.
const (
	outboxBudget = 8 << 20
	leastCost    = 8 << 10
)

// outbox is the bounded queue of encoded messages in front of a socket. Room is reserved before a
// message enters, waiting as long as the caller's context allows; entering itself never waits. A
// writer runs only while there is something to write, so an idle connection costs no goroutine here.
type outbox struct {
	write func([]byte) error // sends one message; an error ends the connection
	fail  func(error)

	mu      sync.Mutex
	free    int64
	queue   []outgoing
	writing bool
	closed  bool
	room    chan struct{} // closed and replaced when room was freed
	idle    chan struct{} // closed while no writer runs
}

type outgoing struct {
	data []byte
	cost int64
}

func newOutbox(write func([]byte) error, fail func(error)) *outbox {
	idle := make(chan struct{})
	close(idle)
	return &outbox{write: write, fail: fail, free: outboxBudget, room: make(chan struct{}), idle: idle}
}

// reserve waits for room for a message of about size bytes and returns what it costs.
func (o *outbox) reserve(ctx context.Context, size int) (int64, error) {
	cost := min(max(int64(size)+512, leastCost), outboxBudget)
	for {
		o.mu.Lock()
		if o.closed {
			o.mu.Unlock()
			return 0, ErrLost
		}
		if o.free >= cost {
			o.free -= cost
			o.mu.Unlock()
			return cost, nil
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// tryReserve is reserve without waiting.
func (o *outbox) tryReserve(size int) (int64, bool) {
	cost := min(max(int64(size)+512, leastCost), outboxBudget)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.free < cost {
		return 0, false
	}
	o.free -= cost
	return cost, true
}

// release gives back room that was reserved and not used.
func (o *outbox) release(cost int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.freed(cost)
}

// freed must be called with the lock held.
func (o *outbox) freed(cost int64) {
	o.free += cost
	close(o.room)
	o.room = make(chan struct{})
}

// push enters a message whose room is reserved. It reports false when the outbox is closed.
func (o *outbox) push(data []byte, cost int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.queue = append(o.queue, outgoing{data, cost})
	if !o.writing {
		o.writing = true
		o.idle = make(chan struct{})
		go o.drain()
	}
	return true
}

// drain writes until the queue is empty.
func (o *outbox) drain() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.queue = nil
			o.writing = false
			close(o.idle)
			o.mu.Unlock()
			return
		}
		next := o.queue[0]
		o.queue[0] = outgoing{}
		o.queue = o.queue[1:]
		o.mu.Unlock()

		err := o.write(next.data)

		o.mu.Lock()
		o.freed(next.cost)
		o.mu.Unlock()
		if err != nil {
			o.drop()
			o.fail(err)
		}
	}
}

// drop refuses and forgets everything that is not yet being written.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.queue = nil
	close(o.room)
	o.room = make(chan struct{})
}

// flushed is a channel that is closed once nothing is being written.
func (o *outbox) flushed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.idle
}
