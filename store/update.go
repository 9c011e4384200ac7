package store

import (
	"context"
	"sync/atomic"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// job is a change on its way through the committer.
type job struct {
	ctx   context.Context
	cause Cause
	f     func(model.Draft) error
	trim  bool                        // without f: cut the journal; otherwise prove that the disk works
	act   func(context.Context) error // instead of f: alone in the committer
	late  bool                        // act does not need the bbolt file to have everything
	taken atomic.Bool
	done  chan answer // buffered: the committer never waits for a caller
}

// reply answers, unless that was done.
func (j *job) reply(a answer) {
	select {
	case j.done <- a:
	default:
	}
}

type answer struct {
	index uint64
	err   error
}

// Update runs f on a draft of the present state, commits what it did and returns the journal index of
// that commit once it is durable and published; without any change, the index of the state f saw.
//
// f runs exactly once, in the committer: it must not block, nor call Update. What it returns as an error
// is returned as it is, and then nothing was changed; a panic becomes a fault of code Internal. Objects
// get the index as their Version, and their times.
//
// A context that ends before f ran withdraws the change (Cancelled, or Unavailable past a deadline).
// Afterwards it is too late: the result is delivered when it is known. Other faults: Unavailable when
// the store is closed or cannot write.
func (s *Store) Update(ctx context.Context, cause Cause, f func(model.Draft) error) (uint64, error) {
	return s.submit(&job{ctx: ctx, cause: cause, f: f, done: make(chan answer, 1)})
}

// Try runs f on a draft of the published state that nobody else sees and that is dropped afterwards:
// nothing is written, and no writer waits. What f returns is returned.
func (s *Store) Try(f func(model.Draft) error) error {
	now := s.published.Load()
	return f(now.root.EditAt(now.state.Index+1, stamp(s.opts.Now(), now.state.Time)))
}

// Trim cuts the journal to what Options.Retention keeps. Each commit cuts a little, too; this is for
// times without any.
func (s *Store) Trim(ctx context.Context) error {
	_, err := s.submit(&job{ctx: ctx, trim: true, done: make(chan answer, 1)})
	return fault.Wrap(err, fault.Unavailable, "trim the journal")
}

// Probe returns once something was written and synced after it was called: the disk works. It also keeps
// what is published up to now, for the next start. Fault: Unavailable when that fails. After records that could
// not be written it writes more than they had: a disk that is full takes what is little.
func (s *Store) Probe(ctx context.Context) error {
	_, err := s.submit(&job{ctx: ctx, done: make(chan answer, 1)})
	return fault.Wrap(err, fault.Unavailable, "probe the disk")
}

func (s *Store) submit(j *job) (uint64, error) {
	if err := j.ctx.Err(); err != nil {
		return 0, withdrawn(err)
	}
	select {
	case <-s.closing: // looked at first: a select with room in the queue would choose by chance
		return 0, closed()
	default:
	}
	if h := s.halted.Load(); h != nil && j.f != nil {
		return 0, h.reason
	}
	select {
	case s.queue <- j:
	case <-j.ctx.Done():
		return 0, withdrawn(j.ctx.Err())
	case <-s.closing:
		return 0, closed()
	}
	select {
	case a := <-j.done:
		return a.index, a.err
	case <-j.ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return 0, withdrawn(j.ctx.Err())
		}
	case <-s.done:
	}
	select {
	case a := <-j.done:
		return a.index, a.err
	case <-s.done:
	}
	select {
	case a := <-j.done: // answered just before the committer ended
		return a.index, a.err
	default:
		return 0, closed() // queued behind its back
	}
}

func withdrawn(err error) error {
	f := *fault.From(err)
	f.Message = "the change was called off before it was made"
	return &f
}

func closed() error { return fault.New(fault.Unavailable, "the store is closed") }
