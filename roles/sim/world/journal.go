package world

import (
	"maps"
	"time"

	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/store/journal"
)

// chain is the log of a node as it is on disk, with the state that it makes.
type chain struct {
	cut    lease.Position
	base   state // at cut
	recs   []stored
	head   state     // at the end
	last   time.Time // of the record at cut
	synced uint64
	forks  []fork

	// Of the program that writes.
	making *stored // is being written
	read   bool    // and somebody has it
}

// stored is a record of the log.
type stored struct {
	pos  lease.Position
	data []byte
	rec  *journal.Record
}

// fork is a tail that was cut off, kept for people.
type fork struct {
	from, to uint64
}

func newChain() *chain { return &chain{base: newState(), head: newState()} }

// End is the last record.
func (c *chain) End() lease.Position {
	if len(c.recs) == 0 {
		return c.cut
	}
	return c.recs[len(c.recs)-1].pos
}

// Cut is the last record that retention removed.
func (c *chain) Cut() lease.Position { return c.cut }

// At tells of a record that is kept, or of the cut.
func (c *chain) At(index uint64) ([32]byte, lease.Epoch, bool) {
	if index == c.cut.Index {
		return c.cut.Hash, lease.Epoch{}, true
	}
	if r, ok := c.get(index); ok {
		return r.pos.Hash, r.rec.Epoch, true
	}
	return [32]byte{}, lease.Epoch{}, false
}

// Making is the record that is being written.
func (c *chain) Making() (lease.Position, lease.Epoch) {
	if c.making == nil {
		return lease.Position{}, lease.Epoch{}
	}
	return c.making.pos, c.making.rec.Epoch
}

// Makes tells whether a record is the one that is being written.
func (c *chain) Makes(p lease.Position) bool { return c.making != nil && c.making.pos == p }

// made ends the writing of a record, and tells whether somebody has it.
func (c *chain) made() (read bool) {
	read = c.read
	c.making, c.read = nil, false
	return read
}

func (c *chain) get(index uint64) (stored, bool) {
	if index <= c.cut.Index || index > c.End().Index {
		return stored{}, false
	}
	return c.recs[index-c.cut.Index-1], true
}

// after gives the records that follow a position up to an index, at most so many, as messages carry them.
func (c *chain) after(p lease.Position, to uint64, most int) []lease.Entry {
	hash, _, there := c.At(p.Index)
	if !there || p.Index > 0 && hash != p.Hash {
		return nil
	}
	var out []lease.Entry
	for i := p.Index + 1; i <= min(to, c.End().Index) && len(out) < most; i++ {
		r, _ := c.get(i)
		out = append(out, r.entry())
	}
	if m := c.making; m != nil && m.pos.Index <= to && len(out) < most {
		out, c.read = append(out, m.entry()), true
	}
	return out
}

func (s *stored) entry() lease.Entry {
	return lease.Entry{Position: s.pos, Epoch: s.rec.Epoch, Data: s.data}
}

// next decodes the records that are to follow the end, or tells that they cannot.
func (c *chain) next(entries []lease.Entry) ([]stored, bool) {
	end := c.End()
	var out []stored
	for _, e := range entries {
		r, err := journal.Decode(e.Data)
		if err != nil || r.Follows(end.Index, end.Hash) != nil {
			return nil, false
		}
		end = lease.Position{Index: r.Index, Hash: r.Hash}
		out = append(out, stored{end, e.Data, r})
	}
	return out, true
}

// add appends a record and applies it.
func (c *chain) add(s stored) {
	c.recs = append(c.recs, s)
	c.head.apply(s.rec)
}

// trim removes what lies past an index, undoing it.
func (c *chain) trim(index uint64) (removed int) {
	for c.End().Index > index && len(c.recs) > 0 {
		last := len(c.recs) - 1
		c.head.undo(c.recs[last].rec)
		c.recs[last] = stored{}
		c.recs = c.recs[:last]
		removed++
	}
	c.synced = min(c.synced, c.End().Index)
	return removed
}

// forget cuts the old end of the log, as retention does.
func (c *chain) forget(index uint64) {
	for c.cut.Index < index && len(c.recs) > 0 {
		c.base.apply(c.recs[0].rec)
		c.cut, c.last = c.recs[0].pos, c.recs[0].rec.Time
		c.recs = c.recs[1:]
	}
}

// clone is a copy of the disk at this moment.
func (c *chain) clone() *chain {
	o := *c
	o.base, o.head = c.base.clone(), c.head.clone()
	o.recs = append([]stored(nil), c.recs...)
	return &o
}

// state is what a log amounts to: objects, and which requests were done by which record.
type state struct {
	objects  map[model.ID][]byte
	requests map[string]uint64
}

func newState() state {
	return state{objects: map[model.ID][]byte{}, requests: map[string]uint64{}}
}

func (s state) clone() state {
	return state{objects: maps.Clone(s.objects), requests: maps.Clone(s.requests)}
}

func (s state) apply(r *journal.Record) {
	for _, c := range r.Changes {
		if c.Op == journal.Delete {
			delete(s.objects, c.ID)
		} else {
			s.objects[c.ID] = c.After
		}
	}
	if id := r.Cause.Request; id != "" {
		s.requests[id] = r.Index
	}
}

func (s state) undo(r *journal.Record) {
	for i := len(r.Changes) - 1; i >= 0; i-- {
		c := r.Changes[i]
		if c.Op == journal.Create {
			delete(s.objects, c.ID)
		} else {
			s.objects[c.ID] = c.Before
		}
	}
	if id := r.Cause.Request; id != "" {
		delete(s.requests, id)
	}
}

// equal tells whether two states are the same.
func (s state) equal(o state) bool {
	return maps.EqualFunc(s.objects, o.objects, func(a, b []byte) bool { return string(a) == string(b) }) && maps.Equal(s.requests, o.requests)
}

// timeOf is the time of a record that is kept, or of the cut.
func (c *chain) timeOf(index uint64) time.Time {
	if r, ok := c.get(index); ok {
		return r.rec.Time
	}
	return c.last
}
