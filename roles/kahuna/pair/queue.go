package pair

import "sync"

// Queue runs functions one after another, each when those before it are done. Adding never waits.
type Queue struct {
	mu     sync.Mutex
	some   *sync.Cond
	waits  []func()
	closed bool
}

// NewQueue makes an empty queue.
func NewQueue() *Queue {
	q := &Queue{}
	q.some = sync.NewCond(&q.mu)
	return q
}

// Add has f run when all before it are done.
func (q *Queue) Add(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.waits = append(q.waits, f)
		q.some.Signal()
	}
}

// Run works until the queue is closed and everything in it is done.
func (q *Queue) Run() {
	for {
		q.mu.Lock()
		for len(q.waits) == 0 && !q.closed {
			q.some.Wait()
		}
		if len(q.waits) == 0 {
			q.mu.Unlock()
			return
		}
		f := q.waits[0]
		q.waits = q.waits[1:]
		q.mu.Unlock()
		f()
	}
}

// Close lets Run return when everything in the queue is done. What is added later is dropped.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
}
