package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/seal"
	"kowabunga/store/wal"
)

// How much may be in the log before the bbolt file gets it, and how long it may stay there while nothing comes. A
// transaction costs what a sync of the log does several times over, and little more for a thousand records.
const (
	foldRecords = 1024
	foldAfter   = time.Second
)

var ofFold = momentsOf("fold")

// unfolded is what is on disk in the log and not in the bbolt file yet.
type unfolded struct {
	log     *wal.File // nil while there is none
	records []lateRecord
	latest  map[target]seal.Value // what the records made of objects; nil of one that is gone
	after   time.Duration         // how long they may stay while nothing comes
	idle    *time.Timer           // until then
	marked  uint64                // up to which record the log says that all was synced
	without bool                  // no log can be made
}

type lateRecord struct {
	index uint64
	prev  Hash
	raw   []byte
}

// takesLog tells whether records of the other node may go to the log: not where there is none yet, nor when they are
// many or large, which the bbolt file takes as fast. All that is in the log is remembered (recent), too.
func (s *Store) takesLog(records []*pending) bool {
	if s.late.log == nil || len(records) > foldRecords/4 || len(s.late.records)+len(records) > foldRecords {
		return false
	}
	size := 0
	for _, r := range records {
		if size += len(r.raw); len(r.raw) > keptBytes {
			return false
		}
	}
	return s.late.log.Fits(len(records), size)
}

// logged makes records durable in the log.
func (s *Store) logged(records []*pending) (next state, err error) {
	if err := s.asBefore(records); err != nil {
		return next, err
	}
	raw := make([][]byte, len(records))
	for i, r := range records {
		raw[i] = r.raw
	}
	if err := s.late.log.Append(s.published.Load().state.Index, raw); err != nil {
		// Whether it has them is not known. What it had before is in the bbolt file with the next transaction.
		return next, errors.Join(err, s.closeLog())
	}
	next = s.state
	next.Hash = records[len(records)-1].record.Hash
	s.late.add(records)
	s.isLate.Store(true)
	return next, nil
}

// never is a timer that does not run until it is reset.
func never() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (u *unfolded) add(records []*pending) {
	for _, r := range records {
		u.records = append(u.records, lateRecord{r.record.Index, r.record.Prev, r.raw})
		for _, c := range r.record.Changes {
			u.latest[target{c.Kind, c.ID}] = c.After
		}
	}
}

// asBefore verifies that objects are what records say they were before. Fault: Conflict.
func (s *Store) asBefore(records []*pending) error {
	return guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			objects, now := tx.Bucket(objectsBucket), map[target]seal.Value{}
			for _, r := range records {
				for i, c := range r.record.Changes {
					of := target{c.Kind, c.ID}
					was, known := now[of]
					if !known {
						was, known = s.late.latest[of]
					}
					if b := objects.Bucket([]byte(c.Kind)); !known && b != nil {
						was = b.Get([]byte(c.ID))
					}
					if err := s.differs(was, r, i); err != nil {
						return err
					}
					now[of] = c.After
				}
			}
			return nil
		})
	})
}

// fold puts what is in the log into the bbolt file, in one transaction with which it is void in the log. Nothing is
// written, by whoever folds first, while only the file knows what stands.
func (s *Store) fold() error {
	switch {
	case s.broken:
		return s.Err()
	case len(s.late.records) == 0:
		return nil
	}
	return s.foldAll()
}

// void does the same after a write to the log that failed: what that left there counts no more. Where this fails, too,
// the next transaction does it; a process that dies before may find the records that failed, which the other node did
// send and nobody counted on. While only the bbolt file knows what stands, it is left alone.
func (s *Store) void() {
	if !s.broken {
		_ = s.foldAll()
	}
}

func (s *Store) foldAll() error {
	next := s.state
	err := s.transact(ofFold, func(tx *bbolt.Tx) error {
		log := tx.Bucket(journalBucket)
		log.FillPercent = fillJournal
		for _, r := range s.late.records {
			if err := log.Put(number(r.index), r.raw); err != nil {
				return err
			}
			next.Bytes += 8 + int64(len(r.raw))
		}
		for of, v := range s.late.latest {
			if err := become(tx, of, v); err != nil {
				return err
			}
		}
		if err := s.cut(log, &next, trimAtLeast+trimPerRecord*len(s.late.records)); err != nil {
			return err
		}
		next.Published = s.note(next)
		next.Lap = newLap()
		return writeState(tx, &next)
	})
	if err != nil {
		return s.failed(err)
	}
	s.late.forget()
	s.isLate.Store(false)
	s.committed(next, nil)
	s.beginLap()
	return nil
}

func (u *unfolded) forget() { u.records, u.latest, u.marked = nil, map[target]seal.Value{}, 0 }

// become makes an object what it is to be. One that came and went meanwhile was never filed.
func become(tx *bbolt.Tx, of target, v seal.Value) error {
	if len(v) > 0 {
		return place(tx, []byte(of.kind), []byte(of.id), v)
	}
	if b := tx.Bucket(objectsBucket).Bucket([]byte(of.kind)); b != nil {
		return b.Delete([]byte(of.id))
	}
	return nil
}

// tidy folds what should not stay in the log any longer, and marks what does. Nobody waits for it: a fault is logged, and
// whoever needs the bbolt file, or room in the log, tries again.
func (s *Store) tidy(idle bool) {
	n := len(s.late.records)
	if n == 0 || (idle || n > foldRecords*3/4) && s.fold() == nil {
		return
	}
	if index := s.late.records[n-1].index; s.late.log != nil && s.late.marked < index {
		s.late.marked = index
		if err := s.late.log.Mark(index); err != nil {
			s.log.Warn("what is synced cannot be marked in "+walName, "error", err)
		}
	}
	s.late.idle.Reset(s.late.after)
}

// view reads the bbolt file, once it has everything up to End. Not for the committer, which folds itself.
func (s *Store) view(f func(*bbolt.Tx) error) error {
	if s.isLate.Load() {
		nothing := func(context.Context) error { return nil }
		if _, err := s.alone(context.Background(), nothing); err != nil {
			return err
		}
	}
	return s.db.View(f)
}

// before is where the bbolt file ends.
func (u *unfolded) before(end Position) Position {
	if len(u.records) == 0 {
		return end
	}
	return Position{u.records[0].index - 1, u.records[0].prev}
}

// newLap draws a key for the log.
func newLap() *lap {
	var key lap
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return &key
}

// lap is the key under which frames of the log count, hexadecimal in the state.
type lap [wal.KeySize]byte

// MarshalText implements encoding.TextMarshaler.
func (l lap) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, l[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *lap) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(l) {
		return fault.New(fault.Malformed, "the key of the log is none")
	}
	copy(l[:], raw)
	return nil
}

// beginLap has the log count under the key that the bbolt file has by now.
func (s *Store) beginLap() {
	if key := s.last.state.Lap; s.late.log != nil && key != nil {
		s.late.log.Begin(*key)
	}
}

// openLog opens the log, or makes it, for a store that follows another. Without one the bbolt file takes everything.
func (s *Store) openLog() {
	if s.late.log != nil || s.late.without {
		return
	}
	path := filepath.Join(s.opts.Dir, walName)
	log, err := wal.Open(path)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Malformed) {
		if err = wal.Make(path); err == nil {
			log, err = wal.Open(path)
		}
	}
	if err != nil {
		s.late.without = true
		s.log.Warn("there is no "+walName+"; what the other node sends is written without it until the next start, which takes longer", "error", err)
		return
	}
	s.late.log = log
}

// closeLog lets go of the log.
func (s *Store) closeLog() (err error) {
	if s.late.log != nil {
		err, s.late.log = s.late.log.Close(), nil
	}
	return err
}
