// Package turn lets work on one thing happen one at a time while work on different things runs side
// by side: each key has its own queue.
package turn

import (
	"context"
	"sync"

	"kowabunga/core/fault"
)

// Turns hands out turns by key. The zero value is ready.
type Turns struct {
	mu     sync.Mutex
	queues map[string]*queue
}

type queue struct {
	token chan struct{} // holds one value while the turn is free
	users int           // holder and waiters
}

// Take waits for the turn of a key and returns the function that passes it on. It gives up with the
// context's error.
func (t *Turns) Take(ctx context.Context, key string) (func(), error) {
	t.mu.Lock()
	q := t.queues[key]
	if q == nil {
		q = &queue{token: make(chan struct{}, 1)}
		q.token <- struct{}{}
		if t.queues == nil {
			t.queues = map[string]*queue{}
		}
		t.queues[key] = q
	}
	q.users++
	t.mu.Unlock()

	select {
	case <-q.token:
		if ctx.Err() != nil { // both were ready; work that was called off must not run after what undoes it
			q.token <- struct{}{}
			t.leave(key, q)
			return nil, fault.From(context.Cause(ctx))
		}
		return sync.OnceFunc(func() {
			q.token <- struct{}{}
			t.leave(key, q)
		}), nil
	case <-ctx.Done():
		t.leave(key, q)
		return nil, fault.From(context.Cause(ctx))
	}
}

func (t *Turns) leave(key string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.queues, key)
	}
}
