package store

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/failpoint"
	"kowabunga/store/journal"
)

// moments are those of a transaction at which a crash is interesting. Between before-sync and after-sync
// bbolt writes and syncs the pages, then the page that makes them count.
type moments struct{ beforeWrite, beforeSync, afterSync failpoint.Point }

func momentsOf(name string) moments {
	return moments{
		failpoint.Register("store." + name + ".before-write"),
		failpoint.Register("store." + name + ".before-sync"),
		failpoint.Register("store." + name + ".after-sync"),
	}
}

var (
	ofCommit = momentsOf("commit")
	ofBegin  = momentsOf("begin")
	ofAppend = momentsOf("append")
	ofCut    = momentsOf("cut")
)

// fillJournal is how full pages of the journal are made: records only ever go to the end.
const fillJournal = 0.95

// write makes records durable in one transaction and returns the state they lead to. The state of the
// store is only replaced by committed.
func (s *Store) write(at moments, records []*pending, cuts int) (next state, err error) {
	next = s.state
	err = s.transact(at, func(tx *bbolt.Tx) error {
		log := tx.Bucket(journalBucket)
		log.FillPercent = fillJournal
		objects := tx.Bucket(objectsBucket)
		for _, r := range records {
			if r.raw != nil {
				if err := s.applyRaw(objects, r); err != nil {
					return err
				}
			} else {
				if err := apply(objects, r); err != nil {
					return err
				}
				r.record.Prev = next.Hash
				r.raw = r.record.Encode()
			}
			if err := log.Put(number(r.record.Index), r.raw); err != nil {
				return err
			}
			next.Hash = r.record.Hash
			next.Bytes += 8 + int64(len(r.raw))
		}
		if err := s.cut(log, &next, cuts); err != nil {
			return err
		}
		next.Published = s.note(next)
		if err := writeState(tx, &next); err != nil {
			return err
		}
		s.offer(records)
		return nil
	})
	return next, err
}

// transact runs f in a transaction with one fsync.
func (s *Store) transact(at moments, f func(*bbolt.Tx) error) error {
	return guarded(func() error {
		if err := at.beforeWrite.Hit(); err != nil {
			return err
		}
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // nothing after a commit
		if err := f(tx); err != nil {
			return err
		}
		if err := at.beforeSync.Hit(); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		return at.afterSync.Hit()
	})
}

// Whether a disk that was full has room again is tried with so much, which is more than a record has but for
// the largest. It has a bucket of its own: what a crash in between leaves takes room, and no time of later
// commits, until the next trial.
const roomBytes = 1 << 20

var roomBucket = []byte("room")

// room returns once so much was written and synced, and given up again.
func (s *Store) room() error {
	err := s.transact(ofCommit, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(roomBucket)
		if err != nil {
			return err
		}
		return b.Put(roomBucket, make([]byte, roomBytes))
	})
	if err != nil {
		return err
	}
	return s.transact(ofCommit, func(tx *bbolt.Tx) error { return tx.DeleteBucket(roomBucket) })
}

// stands tells whether the file provably ends where the last known commit did.
func (s *Store) stands() bool {
	var file state
	err := guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) (err error) {
			file, err = readState(tx)
			return err
		})
	})
	return err == nil && file.Position == s.late.before(s.last.state.Position)
}

// apply writes what a record changes and completes the record with the values from before.
func apply(objects *bbolt.Bucket, r *pending) error {
	r.record.Changes = make([]Change, len(r.changes))
	for i, c := range r.changes {
		b, err := objects.CreateBucketIfNotExists([]byte(c.Kind))
		if err != nil {
			return err
		}
		out := &r.record.Changes[i]
		*out = Change{Kind: c.Kind, ID: c.ID, Op: journal.Update, Before: b.Get([]byte(c.ID)), After: r.after[i]}
		switch {
		case (c.Before == nil) != (out.Before == nil):
			return fault.New(fault.Internal, "%s %s is in the file or in memory, but not in both", c.Kind, c.ID)
		case c.Before == nil:
			out.Op = journal.Create
		case c.After == nil:
			out.Op, out.Version = journal.Delete, c.Before.Base().Version
			// The bytes of Before stay good until the transaction ends, deleted or not.
			if err := b.Delete([]byte(c.ID)); err != nil {
				return err
			}
			continue
		}
		out.Version = c.After.Base().Version
		if err := b.Put([]byte(c.ID), r.after[i]); err != nil {
			return err
		}
	}
	return nil
}

// differs tells whether an object is not what a record of another node says that its change i found. Fault: Conflict.
func (s *Store) differs(was []byte, r *pending, i int) error {
	c := &r.record.Changes[i]
	// Restored and installed files hold the same objects sealed anew, in other bytes.
	if bytes.Equal(was, c.Before) || len(was) > 0 && len(c.Before) > 0 && same(s.sealer, s.tables[c.Kind], c.Before, r.changes[i].Before) {
		return nil
	}
	return &fault.Error{Code: fault.Conflict, Err: errDiffers,
		Message: fmt.Sprintf("record %d changes %s %s from what it is not here: the two nodes differ; install a snapshot", r.record.Index, c.Kind, c.ID)}
}

// applyRaw writes what a record of another node changes. Fault: Conflict when an object is not what the
// record says it was before.
func (s *Store) applyRaw(objects *bbolt.Bucket, r *pending) error {
	for i, c := range r.record.Changes {
		b, err := objects.CreateBucketIfNotExists([]byte(c.Kind))
		if err != nil {
			return err
		}
		if err := s.differs(b.Get([]byte(c.ID)), r, i); err != nil {
			return err
		}
		if c.Op == journal.Delete {
			err = b.Delete([]byte(c.ID))
		} else {
			err = b.Put([]byte(c.ID), c.After)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
