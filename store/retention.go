package store

import (
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/store/journal"
)

// due tells whether retention has something to cut.
func (s *Store) due() bool {
	r := s.opts.Retention
	return r.Bytes > 0 && s.state.Bytes > r.Bytes || r.Age > 0
}

// cut removes up to n records that retention no longer keeps, noting the position of the last one.
func (s *Store) cut(log *bbolt.Bucket, next *state, n int) error {
	keep := s.opts.Retention
	now := stamp(s.opts.Now(), next.Time)
	last := next.Index // stays
	if s.opts.Held {
		// As does what is not published: taking it back needs the journal.
		last = min(last, s.published.Load().state.Index)
	}
	for range n {
		big := keep.Bytes > 0 && next.Bytes > keep.Bytes
		if !big && (keep.Age <= 0 || !s.oldest.IsZero() && now.Sub(s.oldest) <= keep.Age) {
			return nil
		}
		k, v := log.Cursor().First()
		if k == nil || binary.BigEndian.Uint64(k) >= last {
			return nil
		}
		r, err := journal.Decode(v)
		if err != nil {
			return err
		}
		if s.oldest = r.Time; !big && now.Sub(r.Time) <= keep.Age {
			return nil
		}
		next.Cut, next.CutReign = Position{r.Index, r.Hash}, r.Epoch
		next.Bytes -= int64(len(k) + len(v))
		s.oldest = time.Time{} // whatever comes next is looked at
		if err := log.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
