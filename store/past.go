package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

// JournalBack returns up to max records from an index downwards, the newest first, like Journal; none
// once the beginning of the journal is reached.
func (s *Store) JournalBack(from uint64, max int) ([]Record, error) {
	return s.readBack(from, max, s.published.Load())
}

func (s *Store) readBack(from uint64, max int, until *snapshot) (out []Record, err error) {
	from, max = min(from, until.state.Index), min(max, readAtOnce)
	err = guarded(func() error {
		return s.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket(journalBucket).Cursor()
			k, v := c.Seek(number(from))
			if k == nil || !bytes.Equal(k, number(from)) {
				return nil // cut, and everything before it
			}
			for size := 0; k != nil && len(out) < max && size < readAtOnceBytes; k, v = c.Prev() {
				r, err := journal.Decode(bytes.Clone(v)) // the pages are not ours after this function
				if err != nil {
					return err
				}
				size += len(v)
				out = append(out, *r)
			}
			return nil
		})
	})
	return out, fault.Wrap(err, fault.Unavailable, "read the journal")
}

// IndexAt is the index of the last record that is not later than a moment. Faults: NotFound with ErrGone
// when the journal does not reach back so far.
func (s *Store) IndexAt(at time.Time) (index uint64, err error) {
	now := s.published.Load()
	if !at.Before(now.state.Time) {
		return now.state.Index, nil
	}
	err = guarded(func() error {
		return s.view(func(tx *bbolt.Tx) error {
			log := tx.Bucket(journalBucket)
			first, v := log.Cursor().First()
			if first == nil {
				return gone("nothing", now.state.Time)
			}
			r, err := journal.Decode(v)
			if err != nil {
				return err
			}
			if at.Before(r.Time) {
				return gone(fmt.Sprintf("record %d", r.Index), r.Time)
			}
			// The record at low is not later, the one at high is. Times never fall.
			low, high := binary.BigEndian.Uint64(first), now.state.Index
			for high-low > 1 {
				mid := low + (high-low)/2
				r, err := journal.Decode(log.Get(number(mid)))
				if err != nil {
					return err
				}
				if at.Before(r.Time) {
					high = mid
				} else {
					low = mid
				}
			}
			index = low
			return nil
		})
	})
	return index, fault.Wrap(err, fault.Unavailable, "search the journal")
}

func gone(from string, at time.Time) error {
	return &fault.Error{Code: fault.NotFound, Err: ErrGone, Message: fmt.Sprintf("the journal reaches back to %s, of %s, and no further", from, at.Format(time.RFC3339))}
}

// At is the state as it was after the record of an index, made from the published state by taking back
// what the journal says was done since, at most limit records of it. Secrets in what is taken back are
// masked. Nobody waits for it. Faults: Malformed for an index that is still to come; NotFound, with
// ErrGone and saying how far back one can look, for one that lies too far back.
func (s *Store) At(ctx context.Context, index uint64, limit uint64) (model.View, error) {
	now := s.published.Load()
	switch {
	case index > now.state.Index:
		return nil, fault.New(fault.Malformed, "the journal ends at record %d", now.state.Index)
	case index == now.state.Index:
		return now.root, nil
	case now.state.Index-index > limit:
		return nil, &fault.Error{Code: fault.NotFound, Err: ErrGone,
			Message: fmt.Sprintf("that is %d records ago; one can look back to record %d (%d records), further with a restored backup", now.state.Index-index, now.state.Index-limit, limit)}
	}
	was := map[target]seal.Value{} // as each object was before the first change since
	for at := now.state.Index; at > index; {
		if err := ctx.Err(); err != nil {
			return nil, fault.From(err)
		}
		records, err := s.readBack(at, int(min(at-index, readAtOnce)), now)
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			return nil, s.reach(now)
		}
		for _, r := range records {
			for _, c := range r.Changes {
				was[target{c.Kind, c.ID}] = c.Before
			}
			at = r.Index - 1
		}
	}
	edit := now.root.Edit()
	var back []model.Object
	for of, value := range was {
		o, err := s.masked(of.kind, value)
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, fmt.Sprintf("look back at %s %s", of.kind, of.id))
		}
		if o != nil {
			back = append(back, o)
		}
		edit.Restore(of.kind, of.id, nil) // all first: what had a name then may have another's now
	}
	for _, o := range back {
		edit.Restore(o.Kind(), o.Base().ID, o)
	}
	return edit.Publish(index), nil
}

// reach is the fault for a record that is no longer kept.
func (s *Store) reach(now *snapshot) error {
	cut, err := s.cutNow()
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "read the journal")
	}
	if first, err := s.read(cut.Index+1, 1, now); err == nil && len(first) == 1 {
		return gone(fmt.Sprintf("record %d", cut.Index), first[0].Time)
	}
	return gone(fmt.Sprintf("record %d", cut.Index), now.state.Time)
}

// masked decodes a value without opening its secrets; nil for none, and for a kind of another release.
func (s *Store) masked(kind model.Kind, v seal.Value) (model.Object, error) {
	t := s.tables[kind]
	if len(v) == 0 || t == nil {
		return nil, nil
	}
	text, err := v.JSON()
	if err != nil {
		return nil, err
	}
	o := t.New()
	return o, json.Unmarshal(text, o)
}
