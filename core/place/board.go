package place

import (
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Board keeps the room of every host, and how the machines of each project are spread, for a view that
// changes little by little. Whoever changes hosts or machines tells it by Sync, also when a change is
// taken back; it then answers as Choose would on the same view.
//
// A Board is for one goroutine at a time, such as the one that commits.
type Board struct {
	zones    map[model.ID]*table
	hosts    map[model.ID]spot
	machines map[model.ID]machine
	taken    map[model.ID]model.Shape        // by host, also of hosts not known yet
	mates    map[model.ID]map[model.ID]int32 // machines by project and host
}

// spot is where a host's row is. Rows move when others leave, so it is an index.
type spot struct {
	zone model.ID
	row  int
}

// machine is what a Board remembers of an instance.
type machine struct {
	host, project model.ID
	shape         model.Shape
}

// NewBoard reads all hosts and machines of a view.
func NewBoard(v model.View) *Board {
	b := &Board{
		zones: map[model.ID]*table{}, hosts: map[model.ID]spot{}, machines: map[model.ID]machine{},
		taken: map[model.ID]model.Shape{}, mates: map[model.ID]map[model.ID]int32{},
	}
	for host := range model.All[*model.Kaktus](v) {
		b.Sync(v, model.KindKaktus, host.ID)
	}
	for instance := range model.All[*model.Instance](v) {
		b.Sync(v, model.KindInstance, instance.ID)
	}
	return b
}

// Sync makes the board know one object as it is in the view now: new, changed, gone or as before. Kinds
// other than kaktus and instance do not matter to it.
func (b *Board) Sync(v model.View, kind model.Kind, id model.ID) {
	switch kind {
	case model.KindKaktus:
		host, ok := model.Find[*model.Kaktus](v, id)
		b.drop(id)
		if ok {
			b.put(host)
		}
	case model.KindInstance:
		if old, ok := b.machines[id]; ok {
			delete(b.machines, id)
			b.count(old, -1)
		}
		if instance, ok := model.Find[*model.Instance](v, id); ok {
			now := machine{host: instance.Kaktus, project: instance.Project, shape: weight(instance)}
			b.machines[id] = now
			b.count(now, +1)
		}
	}
}

// Choose is the function Choose, answered from what the board knows. The view is asked only about the
// zone and the pools. Without a board (nil) it counts on the view.
func (b *Board) Choose(v model.View, live func(agent model.ID) bool, r Request, tr *trace.Trace) (model.ID, error) {
	if b == nil {
		return Choose(v, live, r, tr)
	}
	q, err := prepare(v, live, r)
	if err != nil {
		return "", err
	}
	t, ok := b.zones[r.Zone]
	if !ok {
		t = &table{}
	}
	if r.Project != "" {
		b.mark(t, r, true)
		defer b.mark(t, r, false)
	}
	return t.choose(q, tr)
}

// mark writes the project's machines into the rows of the zone, or wipes them.
func (b *Board) mark(t *table, r Request, on bool) {
	for host, n := range b.mates[r.Project] {
		if at, ok := b.hosts[host]; ok && at.zone == r.Zone {
			if !on {
				n = 0
			}
			t.rows[at.row].mates = n
		}
	}
}

// put adds a host that is not on the board.
func (b *Board) put(host *model.Kaktus) {
	t, ok := b.zones[host.Zone]
	if !ok {
		t = &table{}
		b.zones[host.Zone] = t
	}
	r := newRow(host)
	r.room.Taken = b.taken[host.ID]
	t.add(r)
	b.hosts[host.ID] = spot{zone: host.Zone, row: len(t.rows) - 1}
}

// drop takes a host off the board, moving the last row of its zone into the gap.
func (b *Board) drop(id model.ID) {
	at, ok := b.hosts[id]
	if !ok {
		return
	}
	delete(b.hosts, id)
	t := b.zones[at.zone]
	t.forget(t.rows[at.row].tariff.currency)
	last := len(t.rows) - 1
	if at.row != last {
		t.rows[at.row] = t.rows[last]
		b.hosts[t.rows[at.row].id] = at
	}
	t.rows[last] = row{}
	t.rows = t.rows[:last]
	if last == 0 {
		delete(b.zones, at.zone)
	}
}

func (t *table) forget(currency string) {
	if t.currencies[currency]--; t.currencies[currency] <= 0 {
		delete(t.currencies, currency)
	}
}

// count adds a machine to the sums (by +1) or takes it away (by -1).
func (b *Board) count(m machine, by int32) {
	taken := b.taken[m.host]
	if by > 0 {
		taken = plus(taken, m.shape)
	} else {
		taken = minus(taken, m.shape)
	}
	if taken == (model.Shape{}) {
		delete(b.taken, m.host)
	} else {
		b.taken[m.host] = taken
	}
	if at, ok := b.hosts[m.host]; ok {
		b.zones[at.zone].rows[at.row].room.Taken = taken
	}
	hosts := b.mates[m.project]
	if hosts == nil {
		hosts = map[model.ID]int32{}
		b.mates[m.project] = hosts
	}
	if hosts[m.host] += by; hosts[m.host] == 0 {
		delete(hosts, m.host)
	}
	if len(hosts) == 0 {
		delete(b.mates, m.project)
	}
}
