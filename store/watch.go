package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
)

// ErrGone is the cause of the fault (NotFound) for a position that retention has cut off. Who gets it
// looks at a view and goes on from the view's index.
var ErrGone = errors.New("cut from the journal")

// readAtOnce bounds what one transaction reads of the journal, in records and bytes.
const (
	readAtOnce      = 256
	readAtOnceBytes = 4 << 20
)

// Journal returns up to max records from index from on, the published ones only; fewer when there are
// no more, or when they are large. Faults: NotFound with ErrGone when the first one was cut, Conflict
// when from lies more than one beyond the end: that position belongs to another journal. Their values are the
// store's, and must not be changed.
func (s *Store) Journal(from uint64, max int) ([]Record, error) {
	return s.read(from, min(max, readAtOnce), s.published.Load())
}

func (s *Store) read(from uint64, max int, until *snapshot) (out []Record, err error) {
	size := 0
	err = s.each(from, until.state.Index, "begin with the present state", func(raw []byte) (bool, error) {
		if len(out) >= max || size >= readAtOnceBytes {
			return false, nil
		}
		r, err := journal.Decode(raw)
		if err != nil {
			return false, err
		}
		size += len(raw)
		out = append(out, *r)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each calls f with the bytes of the records from one index to another, until it wants no more. f may keep
// them and must not change them. instead is what to do when the first was cut. Faults: those of Journal, and f's.
func (s *Store) each(from, end uint64, instead string, f func(raw []byte) (more bool, err error)) error {
	if from > end+1 {
		return fault.New(fault.Conflict, "the journal ends at record %d; record %d belongs to another one", end, from)
	}
	if from == end+1 {
		return nil
	}
	more, err := true, error(nil)
	for from <= end && more && err == nil {
		some := s.remembered(from, end)
		for i := 0; i < len(some) && more && err == nil; i++ {
			more, err = f(some[i])
			from++
		}
		if len(some) == 0 {
			from, more, err = s.filed(from, end, instead, f)
		}
	}
	return fault.Wrap(err, fault.Unavailable, "read the journal")
}

// filed does what each does with the records that the bbolt file has, and tells which comes next.
func (s *Store) filed(from, end uint64, instead string, f func(raw []byte) (more bool, err error)) (next uint64, more bool, err error) {
	next, more = from, true
	err = guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(journalBucket).Cursor()
			k, v := c.Seek(number(from))
			if k == nil || !bytes.Equal(k, number(from)) {
				return &fault.Error{Code: fault.NotFound, Err: ErrGone, Message: fmt.Sprintf("the journal does not reach back to record %d any more; %s", from, instead)}
			}
			for ; k != nil && next <= end && more && err == nil; next++ {
				more, err = f(bytes.Clone(v)) // the pages are not ours after this function
				k, v = c.Next()
			}
			return err
		})
	})
	return next, more, err
}

// Watch yields every published record from index from on, waiting for new ones, until the context ends,
// the store is closed or the loop breaks. An error is yielded once and is the last thing: the faults of
// Journal, Cancelled when the context ends, Unavailable when the store is closed. A slow loop holds up
// nobody; it gets ErrGone when retention overtakes it.
func (s *Store) Watch(ctx context.Context, from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			now := s.published.Load()
			records, err := s.read(from, readAtOnce, now)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range records {
				if ctx.Err() != nil {
					break
				}
				if !yield(r, nil) {
					return
				}
				from = r.Index + 1
			}
			if len(records) > 0 && ctx.Err() == nil {
				continue
			}
			select {
			case <-now.next:
			case <-ctx.Done():
				yield(Record{}, fault.From(ctx.Err()))
				return
			case <-s.done:
				// What was published last must not be missed.
				if s.published.Load() == now {
					yield(Record{}, closed())
					return
				}
			}
		}
	}
}
