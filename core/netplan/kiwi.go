package netplan

import (
	"fmt"
	"slices"

	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// places are the region itself and the projects in it, in order.
func (p *Plan) places(region model.ID) []place {
	out := []place{{region: region}}
	for o := range model.By[*model.Project](p.view, "region", region) {
		out = append(out, place{region, o.ID})
	}
	return out
}

// kiwi puts the document of a region's routers together.
func (p *Plan) kiwi(region model.ID) []byte {
	n := p.network(region)
	problems := slices.Clone(n.problems)
	var scopes, leases []wire.Part
	for _, subnet := range n.subnets {
		s := p.scope(subnet)
		scopes, leases = append(scopes, s.line), append(leases, s.leases)
		problems = append(problems, s.problems...)
	}
	zones, records, more := p.zones(region, n.reverse)
	problems = append(problems, more...)
	problems = append(problems, n.claims.problems()...)
	size := 4096 + 64*(len(zones)+len(problems))
	for _, parts := range [][]wire.Part{leases, records, scopes, {n.members, n.links, n.groups, n.routes, n.nat, n.filter}} {
		for _, part := range parts {
			size += len(part) + 2
		}
	}
	return wire.Begin(wire.KiwiSchema, size).Text("region", string(region)).List("problems", wire.Lines(problems)).
		List("members", n.members).List("interfaces", n.links).List("groups", n.groups).
		List("routes", n.routes).List("nat", n.nat).List("filter", n.filter).
		List("scopes", scopes...).List("reservations", leases...).
		List("zones", wire.Lines(zones)).List("records", records...).End()
}

func (p *Plan) problems(region model.ID) []string {
	n := p.network(region)
	out := slices.Clone(n.problems)
	for _, subnet := range n.subnets {
		out = append(out, p.scope(subnet).problems...)
	}
	_, _, more := p.zones(region, n.reverse)
	return slices.Concat(out, more, n.claims.problems())
}

// zones are the zones of a region and the lines of their records. In a zone that several share, a name
// belongs to who comes first.
func (p *Plan) zones(region model.ID, reverse []string) (zones []wire.Zone, records []wire.Part, problems []string) {
	places := p.places(region)
	sharers := map[string]int{}
	for _, at := range places {
		if made := p.namesOf(at); made.zone != "" {
			if sharers[made.zone]++; sharers[made.zone] == 1 {
				zones = append(zones, wire.Zone{Name: made.zone, TTL: wire.DNSTTL})
			}
		}
	}
	taken := map[string]string{}
	for _, at := range places {
		made := p.namesOf(at)
		problems = append(problems, made.problems...)
		if sharers[made.zone] < 2 {
			records = append(records, made.lines)
			continue
		}
		for _, r := range made.records {
			full := r.Name + "." + made.zone
			if holder, ok := taken[full]; ok {
				problems = append(problems, fmt.Sprintf("name %s of %s is that of %s", full, r.Owner, holder))
				continue
			}
			taken[full] = r.Owner
			records = append(records, wire.Line(r))
		}
	}
	for _, name := range reverse {
		if sharers[name] == 0 {
			zones = append(zones, wire.Zone{Name: name, TTL: wire.DNSTTL, Reverse: true})
		}
	}
	return zones, records, problems
}
