package store

import (
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

// Part is a piece of a backup that is opened when its turn has come. Faults about it have its name.
type Part struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// record adds a record to the journal of the file.
func (f *filling) record(r *journal.Record, b []byte) error {
	f.st.Bytes += 8 + int64(len(b))
	return f.put(len(b), func(tx *bbolt.Tx) error { return tx.Bucket(journalBucket).Put(number(r.Index), b) })
}

// place files an object.
func place(tx *bbolt.Tx, kind, id, value []byte) error {
	b, err := tx.Bucket(objectsBucket).CreateBucketIfNotExists(kind)
	if err != nil {
		return err
	}
	return b.Put(id, value)
}

// revise makes an object what one side of a change says; nothing for none.
func revise(tx *bbolt.Tx, c *Change, value seal.Value) error {
	if len(value) > 0 {
		return place(tx, []byte(c.Kind), []byte(c.ID), value)
	}
	b := tx.Bucket(objectsBucket).Bucket([]byte(c.Kind))
	if b == nil || b.Get([]byte(c.ID)) == nil {
		return fault.New(fault.Malformed, "%s %s is deleted without having been there", c.Kind, c.ID)
	}
	return b.Delete([]byte(c.ID))
}

// segment adds a segment: its records, and what they changed.
func (f *filling) segment(full *Header, sealer *seal.Sealer, part Part) (err error) {
	defer func() { err = fault.Wrap(err, fault.Unavailable, "read "+part.Name) }()
	in, err := part.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	u, h, err := unpackSegment(in)
	if err != nil {
		return err
	}
	switch {
	case h.From != f.st.Position:
		return fault.New(fault.Malformed, "the segment continues record %d (%s); what is before it ends at record %d (%s): a segment is missing or of another chain", h.From.Index, h.From.Hash, f.st.Index, f.st.Hash)
	case h.Schema != full.Schema || h.Epoch != full.Epoch:
		return fault.New(fault.Malformed, "the segment is of schema %d and epoch %s, its chain of %d and %s", h.Schema, h.Epoch, full.Schema, full.Epoch)
	}
	err = u.rest(sealer, h.From, h.Position, backupEnd{}, func(r *journal.Record, b []byte) error {
		if err := f.record(r, b); err != nil {
			return err
		}
		f.st.Time = r.Time
		return f.put(len(b), func(tx *bbolt.Tx) error {
			for i := range r.Changes {
				if err := revise(tx, &r.Changes[i], r.Changes[i].After); err != nil {
					return err
				}
			}
			return nil
		})
	})
	f.st.Position = h.Position
	return err
}

// rewind takes back the records after the moment that is asked for.
func (f *filling) rewind(o RestoreOptions) error {
	if o.At > f.st.Index {
		return outside(fmt.Sprintf("the backup ends at record %d, of %s", f.st.Index, f.st.Time.Format(time.RFC3339)))
	}
	first, when := f.st.Cut.Index+1, time.Time{} // the oldest one that was kept
	for f.st.Index > f.st.Cut.Index {
		past := o.At != 0 && f.st.Index > o.At
		err := f.put(0, func(tx *bbolt.Tx) error {
			log := tx.Bucket(journalBucket)
			key := number(f.st.Index)
			raw := log.Get(key)
			r, err := journal.Decode(append([]byte(nil), raw...)) // the page changes below
			if err != nil {
				return err
			}
			when = r.Time
			if past = past || !o.Until.IsZero() && r.Time.After(o.Until); !past {
				f.st.Time = r.Time
				return nil
			}
			for i := len(r.Changes) - 1; i >= 0; i-- {
				if err := revise(tx, &r.Changes[i], r.Changes[i].Before); err != nil {
					return err
				}
			}
			f.size += len(raw)
			f.st.Bytes -= 8 + int64(len(raw))
			f.st.Position = Position{r.Index - 1, r.Prev}
			return log.Delete(key)
		})
		if err != nil {
			return err
		}
		if !past {
			return nil
		}
	}
	if o.At == 0 && o.Until.IsZero() {
		return nil // a backup without a journal
	}
	if o.At == f.st.Index && when.IsZero() {
		return nil
	}
	return outside(fmt.Sprintf("the journal in the backup reaches back to record %d, of %s", first, when.Format(time.RFC3339)))
}

func outside(message string) error {
	return &fault.Error{Code: fault.NotFound, Err: ErrGone, Message: message + ", and no further"}
}
