package place

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Outlook is what would come of a request now, when nothing is asked for in earnest.
type Outlook struct {
	Host    model.ID // that it would go to, empty for none
	Fits    int64    // machines of this shape that the zone could take now
	Reasons []Reason // why hosts can take none, the most frequent first
	Refused error    // what the request would be answered with, nil when there is a host
}

// Reason is why some hosts cannot take a machine.
type Reason struct {
	Why   string
	Hosts int
}

// String says how many are how: "3 short of memory".
func (r Reason) String() string { return fmt.Sprintf("%d %s", r.Hosts, r.Why) }

// Foresee says what would come of a request: where it would go, how many such machines would fit, and
// why not more. The facts of the trace are those of Choose; of a group that is apart, only as many
// fit as it allows on a host or in the zone. Faults: Invalid and NotFound for the request itself.
func Foresee(v model.View, live func(agent model.ID) bool, r Request, tr *trace.Trace) (Outlook, error) {
	q, err := prepare(v, live, r)
	if fault.Is(err, fault.Conflict) {
		return Outlook{Refused: err}, nil
	}
	if err != nil {
		return Outlook{}, err
	}
	t := count(v, r)
	out := Outlook{Reasons: t.reasons(q)}
	best, err := t.choose(q, tr)
	if out.Refused = err; err == nil {
		out.Host = best.id
	}
	for i := range t.rows {
		out.Fits = min(out.Fits, math.MaxInt64/2) + q.fits(&t.rows[i])
	}
	out.Fits = min(out.Fits, q.quota)
	return out, nil
}

// fits is how many such machines a host could take, one after the other.
func (q *query) fits(r *row) int64 {
	if q.why(r) != nothing {
		return 0
	}
	if q.held != nil {
		return 1
	}
	return min((r.room.Total.VCPUs-r.room.Taken.VCPUs)/q.VCPUs, (r.room.Total.Memory-r.room.Taken.Memory)/q.Memory, math.MaxInt64/2)
}

// reasons counts the hosts that cannot take the machine by why.
func (t *table) reasons(q *query) []Reason {
	tally := map[lack]int{}
	for i := range t.rows {
		if l := q.why(&t.rows[i]); l != nothing {
			tally[l]++
		}
	}
	out := make([]Reason, 0, len(tally))
	for l, n := range tally {
		out = append(out, Reason{string(l), n})
	}
	slices.SortFunc(out, func(a, b Reason) int { return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Why, b.Why)) })
	return out
}
