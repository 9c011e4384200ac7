package store

import (
	"fmt"
	"slices"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store/failpoint"
	"kowabunga/store/tree"
)

var beforeAnswer = failpoint.Register("store.commit.before-answer")

// snapshot is a state that was committed.
type snapshot struct {
	root    *tree.Root
	state   state
	changes []tree.Change // that led to it, while it is not published
	next    chan struct{} // closed when the next one is published
}

// waiter is a caller whose answer tells about a state that is not published yet.
type waiter struct {
	job    *job
	answer answer
	index  uint64 // of the state the answer tells about
	wrote  bool   // the change is part of it
}

// halt is why no changes are taken.
type halt struct{ reason error }

// shown is what was published when something was committed.
type shown struct {
	Position
	Time  time.Time `json:"time"`
	Reign Epoch     `json:"reign"`
}

// note is what a commit that leads to a state notes as published; nothing when all of it is.
func (s *Store) note(next state) *shown {
	if !s.opts.Held {
		return nil
	}
	now := s.published.Load().state
	if now.Index == next.Index {
		return nil
	}
	return &shown{now.Position, now.Time, now.Reign}
}

// await lets callers wait for the publication of what their answers tell about. It returns the reason
// when the store was halted meanwhile; then nobody waits.
func (s *Store) await(waiting []waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.halted.Load(); h != nil && len(waiting) > 0 {
		return h.reason
	}
	now := s.published.Load().state.Index
	for _, w := range waiting {
		if w.index <= now {
			w.job.reply(w.answer) // published since
		} else {
			s.waiters = append(s.waiters, w)
		}
	}
	return nil
}

// unwait answers those who wait for something that was not written.
func (s *Store) unwait(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		lost := w.index > s.last.state.Index
		if lost {
			w.job.reply(answer{err: err})
		}
		return lost
	})
}

// grown notes what was committed: the last state, and the records that led to it.
func (s *Store) grown(records []*pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Lock()
	defer s.memory.Unlock()
	for i, r := range records {
		s.recent.add(&r.record, r.raw)
		if !s.opts.Held {
			continue
		}
		at := s.last
		if i < len(records)-1 {
			at = &snapshot{root: r.root, state: s.last.state.at(&r.record)}
		}
		at.changes = r.changes
		s.held = append(s.held, at)
	}
	if !s.opts.Held || s.published.Load() == nil { // all of it is published at once, or it is the first
		s.held = append(s.held, s.last)
	}
	s.end.Store(&s.last.state)
	s.making = making{}
	if len(records) > 0 {
		s.moved()
	}
}

// at is the state as of one of the records that led to it.
func (st state) at(r *Record) state {
	st.Position, st.Time, st.Reign = Position{r.Index, r.Hash}, r.Time, r.Epoch
	return st
}

// Publish shows everything up to the record of an index, as far as it is committed, and answers those
// who wait for it. What is published stays so: an index before the published one changes nothing.
func (s *Store) Publish(index uint64) { s.show(index) }

func (s *Store) show(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cutting {
		index = min(index, s.keep)
	}
	n := 0
	for n < len(s.held) && s.held[n].state.Index <= index {
		n++
	}
	if n > 0 {
		now := s.held[n-1]
		s.held = slices.Delete(s.held, 0, n)
		now.changes, now.next = nil, make(chan struct{})
		if old := s.published.Swap(now); old != nil {
			close(old.next)
		}
		index = now.state.Index
	} else {
		index = min(index, s.published.Load().state.Index)
	}
	n = 0
	for n < len(s.waiters) && s.waiters[n].index <= index {
		n++
	}
	if n == 0 {
		return
	}
	if err := beforeAnswer.Hit(); err != nil {
		s.log.Error("failpoint", "err", err)
	}
	for _, w := range s.waiters[:n] {
		w.job.reply(w.answer)
	}
	s.waiters = slices.Delete(s.waiters, 0, n)
}

// Halt ends the present epoch: from now on Update returns the reason, also to those who are queued, until
// the next Begin. Who waits for the publication of a change gets Unavailable, as it is not known whether
// the change will stand; what is committed stays in the file. Halt does not wait for the disk: a batch
// that is being written may still move End. Begin, Append and Cut come after it. A store that is not Held
// takes changes again only once it is opened anew.
func (s *Store) Halt(reason error) {
	if reason == nil {
		reason = fault.New(fault.Unavailable, "this Kahuna takes no changes at present")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halts++
	s.halted.Store(&halt{reason})
	s.abandon(reason)
}

// Halted tells whether changes are refused, by Halt, before the first Begin, or since Unwritten.
func (s *Store) Halted() bool { return s.halted.Load() != nil }

// abandon answers all who wait, without publishing anything.
func (s *Store) abandon(reason error) {
	for _, w := range s.waiters {
		err := reason
		if w.wrote {
			err = unknown(w.job.cause, reason)
		}
		w.job.reply(answer{err: err})
	}
	clear(s.waiters)
	s.waiters = s.waiters[:0]
}

// unknown is the fault of a change that is committed here, may be elsewhere, and was not published.
func unknown(c Cause, reason error) error {
	text := "the outcome is unknown: the change may stand or not; look at what is there before making it again"
	if c.Request != "" {
		text = fmt.Sprintf("the outcome of request %s is unknown: its change may stand or not; repeat it with the same request id, or look at what is there first", c.Request)
	}
	return &fault.Error{Code: fault.Unavailable, Op: c.What, Message: text, Err: reason}
}

// settle is the last work of the committer: nobody waits any longer, and the file says what was
// published.
func (s *Store) settle() {
	s.mu.Lock()
	s.abandon(closed())
	s.mu.Unlock()
	if s.broken || !s.opts.Held {
		return
	}
	if err := s.fold(); err != nil {
		s.log.Warn("what the other node sent last stays in "+walName+" until the next start", "err", err)
		return
	}
	now, kept := s.note(s.last.state), s.last.state.Published
	if now == nil && kept == nil || now != nil && kept != nil && now.Position == kept.Position {
		return
	}
	if _, err := s.write(ofCommit, nil, 0); err != nil {
		s.log.Warn("what was published is not noted in the file; it is shown again once it is published again", "err", err)
	}
}

// End is where the file ends: everything up to it is committed and synced, published or not.
func (s *Store) End() Position { return s.end.Load().Position }
