package store

import (
	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
	"kowabunga/store/tree"
)

// hold makes what the file knows as published the visible state, and keeps what comes after it.
func (s *Store) hold() error {
	s.halted.Store(&halt{fault.New(fault.Unavailable, "this Kahuna takes no changes: it has begun no epoch")})
	shown := &snapshot{root: s.tip, state: s.state}
	m := s.state.Published
	if m == nil || m.Index == s.state.Index {
		s.last = shown
		s.grown(nil)
		s.show(shown.state.Index)
		return nil
	}
	if m.Index > s.state.Index {
		return fault.New(fault.Unavailable, "the file ends at record %d, of which %d were published; restore a backup", s.state.Index, m.Index)
	}
	tail, err := s.tailAfter(m.Position)
	if err != nil {
		return err
	}
	shown.state.Position, shown.state.Time, shown.state.Reign = m.Position, m.Time, m.Reign
	if shown.root, err = s.undone(m.Index, tail); err != nil {
		return err
	}
	s.tip, s.last = shown.root, shown
	s.grown(nil)
	s.show(m.Index)
	file := s.state
	for _, r := range tail {
		root, err := s.replayed(s.tip, r)
		if err != nil {
			return &fault.Error{Code: fault.Unavailable, Message: "the data contradicts its journal; restore a backup", Err: err}
		}
		r.root, s.tip = root, root
	}
	s.last = &snapshot{root: s.tip, state: file}
	s.grown(tail)
	return nil
}

// tailAfter reads the records after a position.
func (s *Store) tailAfter(at Position) (out []*pending, err error) {
	err = guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(journalBucket).Cursor()
			for k, v := c.Seek(number(at.Index + 1)); k != nil; k, v = c.Next() {
				r, err := journal.Decode(append([]byte(nil), v...))
				if err != nil {
					return err
				}
				if err := r.Follows(at.Index, at.Hash); err != nil {
					return err
				}
				p, err := s.opened(r)
				if err != nil {
					return err
				}
				at = Position{r.Index, r.Hash}
				out = append(out, p)
			}
			return nil
		})
	})
	if err == nil && at != s.state.Position {
		err = fault.New(fault.Unavailable, "the journal does not lead from what was published to its end; restore a backup")
	}
	return out, fault.Wrap(err, fault.Unavailable, "read what is not published")
}

// undone is the state before the tail of the journal.
func (s *Store) undone(index uint64, tail []*pending) (*tree.Root, error) {
	was := map[target]seal.Value{}
	for _, r := range tail {
		for _, c := range r.record.Changes {
			of := target{c.Kind, c.ID}
			if _, later := was[of]; !later {
				was[of] = c.Before
			}
		}
	}
	edit := s.tip.Edit()
	for of := range was {
		edit.Restore(of.kind, of.id, nil) // all first: keys may have gone from one to another
	}
	for of, v := range was {
		o, err := s.Object(of.kind, v)
		if err != nil {
			return nil, err
		}
		if o != nil {
			edit.Restore(of.kind, of.id, o)
		}
	}
	return edit.Publish(index), nil
}
