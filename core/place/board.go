package place

import (
	"iter"
	"slices"

	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Board keeps the room of every host, and how the machines of each project are spread, for a state that
// changes little by little. It is told by Follow what every commit changed, and answers in a draft as
// Choose would: what the draft itself changed it reads from there. The zero value is ready for use.
//
// A Board is for one goroutine at a time: the one that commits.
type Board struct {
	filled bool
	index  uint64 // of the state it follows
	ahead  []name // what it read from a draft, which may never have come to be

	zones map[model.ID]*table
	hosts map[model.ID]*spot
	loads map[model.ID]load
	mates map[model.ID]map[*spot]int32 // loads by project and host

	marked []int // rows that say how many mates they have, during a decision
}

// name is an object of any kind.
type name struct {
	kind model.Kind
	id   model.ID
}

// spot is a host: where its row is, and what is on it. Rows move when others leave, so it is an index. A
// host may have loads before it has a row, or after, while a draft is read piece by piece.
type spot struct {
	zone  model.ID
	row   int // -1 for none
	loads int
	taken model.Shape
}

// draft is a view that tells which objects it has otherwise than the state it began from.
type draft interface {
	Touched() iter.Seq2[model.Kind, model.ID]
}

// Follow tells the board that the state has become v, after the one with index from, and what may be
// other than it was there. States that were never published and are taken back are told in the same way.
// A board that missed something notices by the index, and reads everything anew when it is next asked.
func (b *Board) Follow(from uint64, v model.View, touched iter.Seq2[model.Kind, model.ID]) {
	if !b.filled {
		return
	}
	if from != b.index {
		b.filled = false
		return
	}
	b.filled = false // should this not come to its end
	b.forget(v)
	for kind, id := range touched {
		b.sync(v, name{kind, id})
	}
	b.filled, b.index = true, v.Index()
}

// catchUp makes the board agree with a draft.
func (b *Board) catchUp(v model.View, d draft) {
	if !b.filled || b.index != v.Index() {
		b.fill(v)
	} else {
		b.forget(v)
		for kind, id := range d.Touched() {
			b.sync(v, name{kind, id})
		}
	}
	for kind, id := range d.Touched() {
		if tracked(kind) {
			b.ahead = append(b.ahead, name{kind, id})
		}
	}
}

// forget reads again what came from a draft.
func (b *Board) forget(v model.View) {
	for _, n := range b.ahead {
		b.sync(v, n)
	}
	b.ahead = b.ahead[:0]
}

// fill reads all hosts and what is on them.
func (b *Board) fill(v model.View) {
	*b = Board{
		filled: true, index: v.Index(),
		zones: map[model.ID]*table{}, hosts: map[model.ID]*spot{}, loads: map[model.ID]load{}, mates: map[model.ID]map[*spot]int32{},
	}
	for host := range model.All[*model.Kaktus](v) {
		b.sync(v, name{model.KindKaktus, host.ID})
	}
	for _, kind := range loaded {
		for o := range v.All(kind) {
			b.sync(v, name{kind, o.Base().ID})
		}
	}
}

func tracked(kind model.Kind) bool { return kind == model.KindKaktus || slices.Contains(loaded, kind) }

// sync makes the board know one object as it is in the view now: new, changed, gone or as before.
func (b *Board) sync(v model.View, n name) {
	switch {
	case n.kind == model.KindKaktus:
		host, ok := model.Find[*model.Kaktus](v, n.id)
		b.drop(n.id)
		if ok {
			b.put(host)
		}
	case tracked(n.kind):
		if old, ok := b.loads[n.id]; ok {
			delete(b.loads, n.id)
			b.count(old, -1)
		}
		if o, ok := v.Get(n.kind, n.id); ok {
			now, _ := loadOf(o)
			b.loads[n.id] = now
			b.count(now, +1)
		}
	}
}

// Choose is the function Choose, answered from what the board knows: the view is asked only about the
// zone, the pools and the group. Without a board (nil), or on a view that is no draft of the state the
// board follows, everything is counted.
func (b *Board) Choose(v model.View, live func(agent model.ID) bool, r Request, tr *trace.Trace) (model.ID, error) {
	d, ok := v.(draft)
	if b == nil || !ok || r.Self != "" {
		return Choose(v, live, r, tr)
	}
	q, err := prepare(v, live, r)
	if err != nil {
		return "", err
	}
	b.catchUp(v, d)
	t, ok := b.zones[r.Zone]
	if !ok {
		t = &table{}
	}
	if r.Project != "" {
		b.mark(t, r)
		defer b.wipe(t)
	}
	return t.take(q, tr)
}

// mark writes how many machines of the project each row of the zone has.
func (b *Board) mark(t *table, r Request) {
	for at, n := range b.mates[r.Project] {
		if at.row >= 0 && at.zone == r.Zone {
			t.lean[at.row].mates = n
			b.marked = append(b.marked, at.row)
		}
	}
}

// wipe takes the marks off again.
func (b *Board) wipe(t *table) {
	for _, at := range b.marked {
		t.lean[at].mates = 0
	}
	b.marked = b.marked[:0]
}

// at is the spot of a host.
func (b *Board) at(host model.ID) *spot {
	s, ok := b.hosts[host]
	if !ok {
		s = &spot{row: -1}
		b.hosts[host] = s
	}
	return s
}

// put adds a host that has no row.
func (b *Board) put(host *model.Kaktus) {
	t, ok := b.zones[host.Zone]
	if !ok {
		t = &table{}
		b.zones[host.Zone] = t
	}
	s := b.at(host.ID)
	r := newRow(host)
	r.room.Taken = s.taken
	t.add(r, 0)
	s.zone, s.row = host.Zone, len(t.rows)-1
}

// drop takes a host's row away.
func (b *Board) drop(id model.ID) {
	s, ok := b.hosts[id]
	if !ok || s.row < 0 {
		return
	}
	t := b.zones[s.zone]
	t.remove(s.row)
	if s.row < len(t.rows) {
		b.hosts[t.rows[s.row].id].row = s.row
	}
	if len(t.rows) == 0 {
		delete(b.zones, s.zone)
	}
	if s.row = -1; s.loads == 0 {
		delete(b.hosts, id)
	}
}

// count adds a load to the sums (by +1) or takes it away (by -1).
func (b *Board) count(l load, by int) {
	s := b.at(l.host)
	if s.loads += by; by > 0 {
		s.taken = plus(s.taken, l.shape)
	} else {
		s.taken = minus(s.taken, l.shape)
	}
	if s.row >= 0 {
		t := b.zones[s.zone]
		t.rows[s.row].room.Taken = s.taken
		t.refresh(s.row)
	}
	hosts := b.mates[l.project]
	if hosts == nil {
		hosts = map[*spot]int32{}
		b.mates[l.project] = hosts
	}
	if hosts[s] += int32(by); hosts[s] == 0 {
		delete(hosts, s)
	}
	if len(hosts) == 0 {
		delete(b.mates, l.project)
	}
	if s.row < 0 && s.loads == 0 {
		delete(b.hosts, l.host)
	}
}
