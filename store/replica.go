package store

import (
	"context"
	"errors"
	"fmt"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
	"kowabunga/store/tree"
)

// errDiffers is the cause of a fault that was found while writing and left nothing.
var errDiffers = errors.New("the nodes differ")

// Begin appends the record that begins an epoch, after everything that is in the file. From then on
// changes are made in that epoch. The record is committed and waits for Publish like any other. Faults:
// Conflict when the store was not opened as Held, or the epoch is not above every one that the file
// knows of; the reason of a Halt that came while Begin waited for the committer.
func (s *Store) Begin(ctx context.Context, e Epoch) (at Position, err error) {
	s.mu.Lock()
	halts := s.halts
	s.mu.Unlock()
	_, err = s.alone(ctx, func(context.Context) error {
		at, err = s.beginEpoch(e, halts)
		return err
	})
	if err != nil {
		return Position{}, fault.Wrap(err, fault.Unavailable, "begin epoch "+e.String())
	}
	return at, nil
}

func (s *Store) beginEpoch(e Epoch, halts int) (Position, error) {
	high := Epoch{Counter: s.state.Epoch, Node: s.state.Reign.Node}
	switch {
	case !s.opts.Held:
		return Position{}, fault.New(fault.Conflict, "the store began an epoch of its own when it was opened")
	case e.Node == "":
		return Position{}, fault.New(fault.Invalid, "the epoch does not name a node")
	case e.Compare(high) <= 0, e.Counter == high.Counter && s.state.Reign.Counter != high.Counter:
		return Position{}, fault.New(fault.Conflict, "the data knows of epoch %s already; an epoch must be above it", high)
	}
	records := []*pending{s.epochBegins(e)}
	next, err := s.write(ofBegin, records, trimAtLeast)
	if err != nil {
		return Position{}, s.failed(err)
	}
	s.epoch.Store(&e)
	s.mu.Lock()
	stopped := s.halts != halts
	if !stopped {
		s.halted.Store(nil) // before anybody can see that the epoch has begun
	}
	reason := s.halted.Load()
	s.mu.Unlock()
	s.committed(next, records)
	if stopped {
		return Position{}, reason.reason
	}
	return next.Position, nil
}

// HighestEpoch is the highest counter of an epoch that the file knows of: the next one has to be above it.
func (s *Store) HighestEpoch() uint64 { return s.end.Load().Epoch }

// Append takes over records that another node wrote, in one transaction with one fsync, and returns
// where the file ends then. They are not published. Before that it verifies that they continue this
// journal, that epochs and times do not fall, that what they change is here what it was there, that
// every object decodes with the sealing key, and that keys stay unique and references lead somewhere.
// With any fault nothing was changed: Conflict when the records do not follow End, contradict what is
// here, or an epoch begun here is not halted; Malformed when they are damaged; Denied when they are
// sealed with another key.
func (s *Store) Append(ctx context.Context, records [][]byte) (at Position, err error) {
	taken, err := s.received(ctx, records)
	if err == nil {
		_, err = s.submit(&job{ctx: ctx, late: true, done: make(chan answer, 1), act: func(context.Context) error {
			at, err = s.append(taken)
			return err
		}})
	}
	if err != nil {
		return Position{}, fault.Wrap(err, fault.Unavailable, "append to the journal")
	}
	return at, nil
}

// received decodes what another node sent.
func (s *Store) received(ctx context.Context, records [][]byte) ([]*pending, error) {
	out := make([]*pending, len(records))
	for i, b := range records {
		if err := ctx.Err(); err != nil {
			return nil, fault.From(err)
		}
		r, err := journal.Decode(b)
		if err == nil {
			out[i], err = s.opened(r)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Malformed, fmt.Sprintf("record %d of %d", i+1, len(records)))
		}
		out[i].raw = b
	}
	return out, nil
}

// opened decodes the objects that a record leaves.
func (s *Store) opened(r *Record) (*pending, error) {
	p := &pending{record: *r, changes: make([]tree.Change, len(r.Changes))}
	for i, c := range r.Changes {
		p.changes[i] = tree.Change{Kind: c.Kind, ID: c.ID}
		t := s.tables[c.Kind]
		if t == nil {
			return nil, fault.New(fault.Conflict, "record %d changes a %q, which this release does not know; run a newer one", r.Index, c.Kind)
		}
		if c.Op == journal.Delete {
			continue
		}
		o, err := s.sealer.Decode(t, c.After)
		if fault.Is(err, fault.Internal) {
			return nil, &fault.Error{Code: fault.Denied, Message: fmt.Sprintf("record %d is sealed with another key than the one given", r.Index), Err: err}
		}
		if err != nil {
			return nil, err
		}
		if meta := o.Base(); meta.ID != c.ID || meta.Version != c.Version {
			return nil, fault.New(fault.Malformed, "record %d says %s %s version %d of what is %s version %d", r.Index, c.Kind, c.ID, c.Version, meta.ID, meta.Version)
		}
		p.changes[i].After = o
	}
	return p, nil
}

// idle tells whether somebody else may decide what the journal holds.
func (s *Store) idle() error {
	switch {
	case !s.opts.Held:
		return fault.New(fault.Conflict, "the store is the only one of its kind; open it as one of a pair to have it follow another")
	case s.halted.Load() == nil:
		return fault.New(fault.Conflict, "this node is in epoch %s of its own; halt it before it follows another", s.Epoch())
	}
	return nil
}

func (s *Store) append(records []*pending) (Position, error) {
	if err := s.idle(); err != nil {
		return Position{}, err
	}
	if len(records) == 0 {
		return s.last.state.Position, nil
	}
	late := s.takesLog(records)
	if !late {
		if err := s.fold(); err != nil {
			return Position{}, err
		}
	}
	for _, r := range records {
		if err := s.follows(r); err != nil {
			s.rewind()
			return Position{}, err
		}
	}
	next, err := s.takeOver(records, late)
	if errors.Is(err, errDiffers) {
		s.rewind()
		return Position{}, err
	}
	if err != nil {
		err = s.failed(err)
		if late {
			s.void()
		}
		return Position{}, err
	}
	s.committed(next, records)
	if !late {
		s.beginLap()
	}
	return next.Position, nil
}

// takeOver makes records of another node durable, in the log or in the bbolt file, which then begins a lap of the log.
func (s *Store) takeOver(records []*pending, late bool) (state, error) {
	if late {
		return s.logged(records)
	}
	if s.openLog(); s.late.log != nil {
		s.state.Lap = newLap()
	}
	return s.write(ofAppend, records, trimAtLeast+trimPerRecord*len(records))
}

// follows makes a record of another node the tip, or refuses it.
func (s *Store) follows(r *pending) error {
	if err := r.record.Follows(s.state.Index, s.state.Hash); err != nil {
		return &fault.Error{Code: fault.Conflict, Message: fault.From(err).Public(), Err: err}
	}
	if r.record.Epoch.Compare(s.state.Reign) < 0 {
		return fault.New(fault.Conflict, "record %d is of epoch %s, after one of epoch %s", r.record.Index, r.record.Epoch, s.state.Reign)
	}
	if r.record.Time.Before(s.state.Time) {
		return fault.New(fault.Conflict, "record %d is earlier than the record before it", r.record.Index)
	}
	root, err := s.replayed(s.tip, r)
	if err != nil {
		return err
	}
	r.root = root
	s.state = s.state.at(&r.record)
	s.state.Epoch = max(s.state.Epoch, r.record.Epoch.Counter)
	s.advance(root, r.changes)
	return nil
}

// replayed is the state that a record leads to.
func (s *Store) replayed(from *tree.Root, r *pending) (*tree.Root, error) {
	root, err := from.Replay(r.record.Index, r.changes)
	if err != nil {
		return nil, fault.Wrap(err, fault.Conflict, fmt.Sprintf("record %d", r.record.Index))
	}
	for i, c := range r.record.Changes {
		was := r.changes[i].Before
		if (was == nil) != (c.Op == journal.Create) || c.Op == journal.Delete && was.Base().Version != c.Version {
			return nil, fault.New(fault.Conflict, "record %d changes %s %s from what it is not here: the two nodes differ; install a snapshot", r.record.Index, c.Kind, c.ID)
		}
	}
	return root, nil
}
