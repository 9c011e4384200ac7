package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
	"kowabunga/store/tree"
)

// Cut removes all records after a position and takes back what they changed, in one transaction with one
// fsync. Before that it writes them to a fork file (Fork), whose name must not be taken. At the end of the
// journal there is nothing to do, and no file is made. Faults, with which nothing was cut: Conflict when
// the position is not of this journal or lies before what was published, which is never taken back, or
// when the store is in an epoch of its own that is not halted; those of Fork.
func (s *Store) Cut(ctx context.Context, to Position, fork string) error {
	_, err := s.alone(ctx, func(ctx context.Context) error { return s.cutBack(ctx, to, fork) })
	return fault.Wrap(err, fault.Unavailable, "cut the journal")
}

func (s *Store) cutBack(ctx context.Context, to Position, fork string) error {
	if err := s.idle(); err != nil {
		return err
	}
	at, lost, err := s.keepTo(to)
	defer s.keepAll()
	if err != nil || to.Index == s.last.state.Index {
		return err
	}
	if err := s.fork(ctx, to, fork); err != nil {
		return err
	}
	next := s.state
	next.Position, next.Time, next.Reign = at.state.Position, at.state.Time, at.state.Reign
	var undone error
	err = s.transact(ofCut, func(tx *bbolt.Tx) error {
		if undone = undo(tx, &next); undone != nil {
			return undone
		}
		next.Published = s.note(next)
		return writeState(tx, &next)
	})
	if undone != nil {
		return &fault.Error{Code: fault.Unavailable, Message: "the data contradicts its journal; restore a backup, or install a snapshot", Err: undone}
	}
	if err != nil {
		return s.failed(err)
	}
	s.state, s.oldest = next, time.Time{}
	s.last = &snapshot{root: at.root, state: next}
	s.retreat(at.root, lost)
	s.shortened()
	return nil
}

// keepTo finds the state at a position and what was changed since, and lets nothing after it be published
// until keepAll.
func (s *Store) keepTo(to Position) (at *snapshot, lost []tree.Change, err error) {
	if err := s.has(to); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at = s.published.Load()
	if to.Index < at.state.Index {
		return nil, nil, fault.New(fault.Conflict, "record %d is published, and so is everything up to record %d; that cannot be taken back", to.Index+1, at.state.Index)
	}
	s.cutting, s.keep = true, to.Index
	for _, h := range s.held {
		if h.state.Index <= to.Index {
			at = h
		} else {
			lost = append(lost, h.changes...)
		}
	}
	return at, lost, nil
}

func (s *Store) keepAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutting = false
}

// undo takes records back until the state of the file is at the position of next, whose Bytes it counts.
func undo(tx *bbolt.Tx, next *state) error {
	log := tx.Bucket(journalBucket)
	for {
		k, v := log.Cursor().Last()
		if k == nil || binary.BigEndian.Uint64(k) <= next.Index {
			return nil
		}
		v = bytes.Clone(v) // the page changes below
		r, err := journal.Decode(v)
		if err != nil {
			return err
		}
		for i := len(r.Changes) - 1; i >= 0; i-- {
			if err := revise(tx, &r.Changes[i], r.Changes[i].Before); err != nil {
				return err
			}
		}
		next.Bytes -= 8 + int64(len(v))
		if err := log.Delete(number(r.Index)); err != nil {
			return err
		}
	}
}

// shortened notes that the file ends where the last state is.
func (s *Store) shortened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) > 0 && s.held[len(s.held)-1].state.Index > s.last.state.Index {
		s.held = s.held[:len(s.held)-1]
	}
	s.end.Store(&s.last.state)
}
