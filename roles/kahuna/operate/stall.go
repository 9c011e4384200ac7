package operate

import (
	"context"
	"errors"
	"time"

	"kowabunga/core/fault"
)

// ErrCalledOff is why a step's context ends when somebody calls its operation off.
var ErrCalledOff = errors.New("the operation was called off")

// interruptible sets what calls the running step off.
func (r *run) interruptible(stop context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = stop
}

// interrupt calls the running step off, or ends the pause before the next attempt.
func (r *run) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
}

// waits notes that a step could not be done for now, and returns for how long that has been so.
func (r *run) waits(err error, now time.Time, patience time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = now
	}
	r.why = fault.From(err).Public()
	waited := now.Sub(r.since)
	if waited >= patience {
		select {
		case <-r.stalled:
		default:
			close(r.stalled)
		}
	}
	return waited
}

// moving notes that the operation moves again.
func (r *run) moving() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.why = time.Time{}, ""
	select {
	case <-r.stalled:
		r.stalled = make(chan struct{})
	default:
	}
}

// stuck is closed once the operation has waited for longer than callers are asked to.
func (r *run) stuck() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stalled
}

func (r *run) reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why
}
