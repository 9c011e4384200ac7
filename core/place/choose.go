package place

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Choose returns the host for a machine, deciding on the view alone; live tells whether an agent is
// connected. With a detailed trace there is a fact for every host of the zone: why not, or how good.
//
// Faults: Exhausted when no host has the room, with how many lack what; Unavailable when the only
// obstacles are hosts that are offline or not ready; Invalid and NotFound for the request itself.
func Choose(v model.View, live func(agent model.ID) bool, r Request, tr *trace.Trace) (model.ID, error) {
	q, err := prepare(v, live, r)
	if err != nil {
		return "", err
	}
	return count(v, r).take(q, tr)
}

// count reads the hosts of the request's zone and what is on them.
func count(v model.View, r Request) *table {
	t := &table{}
	for host := range model.By[*model.Kaktus](v, "zone", r.Zone) {
		row, mates := newRow(host), int32(0)
		for l := range loads(v, host.ID) {
			if l.id == r.Self {
				continue
			}
			row.room.Taken = plus(row.room.Taken, l.shape)
			if l.project == r.Project && r.Project != "" {
				mates++
			}
		}
		t.add(row, mates)
	}
	return t
}

// Fits decides whether a machine may take another shape where it is. It counts what the others on the
// host take, so it must be asked before the machine's reservation is written. Giving back is allowed
// even on a host that promised too much.
//
// Faults: Exhausted, saying what is short; Unavailable when the host is offline or never told its size;
// Invalid; NotFound.
func Fits(v model.View, live func(agent model.ID) bool, machine *model.Instance, s model.Shape, tr *trace.Trace) error {
	q, err := prepare(v, live, Request{Shape: s, Zone: machine.Zone})
	if err != nil {
		return err
	}
	host, ok := model.Find[*model.Kaktus](v, machine.Kaktus)
	if !ok {
		return fault.New(fault.NotFound, "the host of machine %q does not exist", machine.Name)
	}
	r := newRow(host)
	for l := range loads(v, host.ID) {
		if l.id != machine.ID {
			r.room.Taken = plus(r.room.Taken, l.shape)
		}
	}
	r.rests = false // the machine is there already
	if why := q.obstacle(&r); why != nothing {
		tr.Add("host", host.ID, trace.Refused, "%s", why)
		return fault.New(fault.Unavailable, "the host of machine %q is %s; try again when it is back", machine.Name, why)
	}
	asked := s
	if s.VCPUs <= machine.VCPUs {
		asked.VCPUs = 0
	}
	if s.Memory <= machine.Memory {
		asked.Memory = 0
	}
	// What is not asked for must not be refused either, though the host may have promised too much of it.
	room := r.room
	if asked.VCPUs == 0 {
		room.Taken.VCPUs = 0
	}
	if asked.Memory == 0 {
		room.Taken.Memory = 0
	}
	if why := room.lacks(asked); why != nothing {
		tr.Add("host", host.ID, trace.Refused, "%s: %s", why, r.room)
		return fault.New(fault.Exhausted, "the host of machine %q is %s for %s; ask for less, or for another machine elsewhere", machine.Name, why, q.says())
	}
	tr.Add("host", host.ID, trace.Chosen, "%s: %s", r.name, r.room)
	return nil
}

// take chooses a host for a machine that is about to be written, and says what it will hold.
func (t *table) take(q *query, tr *trace.Trace) (model.ID, error) {
	r, err := t.choose(q, tr)
	if err != nil {
		return "", err
	}
	held := r.room
	held.Taken = plus(held.Taken, q.Shape)
	tr.Add("room", r.id, trace.Given, "%s with it, held by its record from this commit on", held)
	return r.id, nil
}

// choose picks the best row. Room and score are arithmetic on the row, so they go first; whether the
// agents are there is asked only of hosts that would be better than the best so far.
func (t *table) choose(q *query, tr *trace.Trace) (*row, error) {
	priced := t.priced()
	prices := t.pricesOf(q.Shape, priced)
	var best *row
	var top score
	for i := range t.lean {
		l := &t.lean[i]
		if q.VCPUs > l.free.VCPUs || q.Memory > l.free.Memory || q.Memory > l.largest {
			continue
		}
		s := score{price: prices[l.class], mates: l.mates}
		// Most hosts of a large zone already lose by price or mates; their balance is never worked out.
		if best != nil && (s.price > top.price || s.price == top.price && s.mates > top.mates) {
			continue
		}
		if s.load = l.load(q.Shape); best != nil && s.price == top.price && s.mates == top.mates && s.load > top.load {
			continue
		}
		r := &t.rows[i]
		if s.id = r.id; best != nil && !s.better(top) {
			continue
		}
		if q.obstacle(r) == nothing {
			best, top = r, s
		}
	}
	tr.Add("machine", "", trace.Given, "%s in zone %q of %d hosts", q.says(), q.zone.Name, len(t.rows))
	if !priced {
		tr.Add("price", "", trace.Given, "not compared, the hosts of the zone charge in unlike currencies")
	}
	if tr.Detailed() {
		t.explain(q, best, prices, tr)
	}
	if best == nil {
		return nil, t.refuse(q, tr)
	}
	tr.Add("host", best.id, trace.Chosen, "%s: %s", best.name, top)
	return best, nil
}

// String says a score in words.
func (s score) String() string {
	return fmt.Sprintf("price %.2f a month, %d machines of the project, %.0f%% full with it", float64(s.price)/1e6, s.mates, s.load*100)
}

// why is the one reason a host is told to be refused for.
func (q *query) why(r *row) lack {
	if l := q.obstacle(r); l != nothing {
		return l
	}
	return r.room.lacks(q.Shape)
}

// explain records every host but the chosen one, in order of id.
func (t *table) explain(q *query, best *row, prices []int64, tr *trace.Trace) {
	byID := make([]int, len(t.rows))
	for i := range byID {
		byID[i] = i
	}
	slices.SortFunc(byID, func(a, b int) int { return cmp.Compare(t.rows[a].id, t.rows[b].id) })
	for _, at := range byID {
		r := &t.rows[at]
		if r == best {
			continue
		}
		if l := q.why(r); l != nothing {
			tr.Add("host", r.id, trace.Refused, "%s: %s; %s", r.name, l, r.room)
			continue
		}
		tr.Add("host", r.id, trace.Allowed, "%s: %s", r.name, t.rate(at, q, prices[r.class]))
	}
}

// refuse builds the error of a zone without a host for the machine.
func (t *table) refuse(q *query, tr *trace.Trace) error {
	if len(t.rows) == 0 {
		tr.Add("zone", q.zone.ID, trace.Refused, "no hosts")
		return fault.New(fault.Exhausted, "zone %q has no host; add one, or choose another zone", q.zone.Name)
	}
	reasons := t.reasons(q)
	full, passing := false, false
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		l := lack(r.Why)
		passing = passing || l.passing()
		full = full || l == noRoom || l == noCPUs || l == noMemory || l == tooSmall
		parts[i] = r.String()
	}
	told := strings.Join(parts, ", ")
	tr.Add("zone", q.zone.ID, trace.Refused, "%s", told)
	if passing && !full {
		return fault.New(fault.Unavailable, "no host of zone %q can take %s now: %s; try again when they are back", q.zone.Name, q.says(), told)
	}
	return fault.New(fault.Exhausted, "no host of zone %q can take %s: %s; ask for less, choose another zone or add hosts", q.zone.Name, q.says(), told)
}
