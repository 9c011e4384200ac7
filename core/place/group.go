package place

import (
	"fmt"
	"math"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// keepApart looks up where the other members of the request's group are. Of a group that is spread over
// zones this settles, before any host is looked at, whether the zone may have another.
func (q *query) keepApart(v model.View) error {
	if q.Kwarantine == "" {
		return nil
	}
	group, ok := model.Find[*model.Kwarantine](v, q.Kwarantine)
	if !ok {
		return fault.New(fault.NotFound, "there is no kwarantine %s", q.Kwarantine)
	}
	q.group = group
	if group.Policy == model.ApartByHost {
		q.held = map[model.ID]bool{}
		for member := range model.By[*model.Instance](v, "kwarantine", group.ID) {
			if member.ID != q.Self {
				q.held[member.Kaktus] = true
			}
		}
		return nil
	}
	s := spreadOf(v, group, q.zone.Region, q.Self)
	if q.quota = s.allows(q.zone.ID); q.quota > 0 {
		return nil
	}
	return &fault.Error{Code: fault.Conflict, Field: "kwarantine", Message: fmt.Sprintf("zone %q has %d of kwarantine %q, which %s; %s",
		q.zone.Name, s.have[q.zone.ID], group.Name, s.rule(), s.advice())}
}

// spread is how many members a group has in each zone of a region.
type spread struct {
	policy string
	zones  []*model.Zone // of the region, those that have hosts
	have   map[model.ID]int64
}

// spreadOf counts the members of a group but for one machine.
func spreadOf(v model.View, group *model.Kwarantine, region, but model.ID) spread {
	s := spread{policy: group.Policy, have: map[model.ID]int64{}}
	for member := range model.By[*model.Instance](v, "kwarantine", group.ID) {
		if member.ID != but {
			s.have[member.Zone]++
		}
	}
	for zone := range model.By[*model.Zone](v, "region", region) {
		for range model.By[*model.Kaktus](v, "zone", zone.ID) {
			s.zones = append(s.zones, zone)
			break
		}
	}
	return s
}

// allows is how many more members a zone may have; negative when it has more than it may.
func (s spread) allows(zone model.ID) int64 {
	if s.policy == model.ApartByZone {
		return 1 - s.have[zone]
	}
	fewest := int64(math.MaxInt64)
	for _, other := range s.zones {
		if other.ID != zone {
			fewest = min(fewest, s.have[other.ID])
		}
	}
	if fewest == math.MaxInt64 {
		return fewest // the only zone has all of them
	}
	return fewest + 1 - s.have[zone]
}

func (s spread) rule() string {
	if s.policy == model.ApartByZone {
		return "has one machine a zone"
	}
	return "is spread evenly over the zones of the region"
}

func (s spread) advice() string {
	var free []string
	for _, zone := range s.zones {
		if s.allows(zone.ID) > 0 {
			free = append(free, fmt.Sprintf("%q", zone.Name))
		}
	}
	if free == nil {
		return "no zone of the region can have another; add one, or leave the group"
	}
	return "choose zone " + strings.Join(free, " or ")
}

// Together counts the other members of a machine's group that are where it is although the group is to
// be apart: on its host, or in its zone beyond what the group allows there. Such a thing comes of joining
// a group later, or of a changed policy, and stays until one of them is placed anew.
func Together(v model.View, machine *model.Instance) (group *model.Kwarantine, others int64) {
	group, ok := model.Find[*model.Kwarantine](v, machine.Kwarantine)
	if !ok {
		return nil, 0
	}
	if group.Policy != model.ApartByHost {
		zone, ok := model.Find[*model.Zone](v, machine.Zone)
		if !ok {
			return group, 0
		}
		return group, max(0, -spreadOf(v, group, zone.Region, "").allows(zone.ID))
	}
	for member := range model.By[*model.Instance](v, "kwarantine", group.ID) {
		if member.ID != machine.ID && member.Kaktus == machine.Kaktus {
			others++
		}
	}
	return group, others
}
