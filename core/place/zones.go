package place

import (
	"fmt"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Seat is a host found in a zone.
type Seat struct {
	Zone, Host model.ID
}

// PerZone chooses one host in each of the zones for a thing that has one node per zone, such as a gateway.
// The request's own Zone does not count; Exclude does, so that a node may be moved off a host. The seats
// stand in the order of the zones.
//
// A zone without room does not take the others' nodes away: what was found is returned also with an
// error, which has the code of the first zone that has no host and names all such zones. Whoever needs
// all of them refuses; whoever comes back later takes what there is. Faults: those of Choose.
func PerZone(v model.View, live func(agent model.ID) bool, r Request, zones []model.ID, tr *trace.Trace) ([]Seat, error) {
	return (*Board)(nil).PerZone(v, live, r, zones, tr)
}

// PerZone is the function PerZone, answered from what the board knows.
func (b *Board) PerZone(v model.View, live func(agent model.ID) bool, r Request, zones []model.ID, tr *trace.Trace) ([]Seat, error) {
	var seats []Seat
	var first error
	var told []string
	for _, zone := range zones {
		r.Zone = zone
		host, err := b.Choose(v, live, r, tr)
		if err == nil {
			seats = append(seats, Seat{Zone: zone, Host: host})
			continue
		}
		if code := fault.CodeOf(err); code != fault.Exhausted && code != fault.Unavailable {
			return nil, err // of the request itself, which no zone can mend
		}
		if first == nil {
			first = err
		}
		told = append(told, fault.From(err).Public())
	}
	if first == nil {
		return seats, nil
	}
	if len(told) == 1 {
		return seats, first
	}
	return seats, &fault.Error{Code: fault.CodeOf(first), Message: fmt.Sprintf("%d of %d zones have no host for it: %s", len(told), len(zones), strings.Join(told, "; "))}
}
