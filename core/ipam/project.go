package ipam

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// The prefix lengths a project may ask for, and the one it gets when it asks for none.
const (
	WidestProject    = 17
	NarrowestProject = 32
	DefaultProject   = 26
)

// ProjectSubnet chooses the subnet of a region that a project shall own: of the private subnets for
// application "user" that nobody owns, the first whose prefix length is size, else the next larger range
// (size-1, ... /17). First is by id of the vnet, then of the subnet, which is the order of creation.
// Passed over are subnets whose gateway pool has too few addresses for the zones of the region, because
// the project could not run in all of them, and those where machines of somebody are attached.
//
// Faults: Invalid with field subnetSize when none is left or size is not 17 to 32; NotFound.
func ProjectSubnet(v model.View, region model.ID, size int, tr *trace.Trace) (*model.Subnet, error) {
	if size < WidestProject || size > NarrowestProject {
		return nil, fault.Bad("subnetSize", "%d is no prefix length of a project's subnet; use %d to %d", size, WidestProject, NarrowestProject)
	}
	r, ok := model.Find[*model.Region](v, region)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no region %s", region)
	}
	var zones []model.ID
	for z := range model.By[*model.Zone](v, "region", region) {
		zones = append(zones, z.ID)
	}
	tr.Add("region", region, trace.Given, "%q: a private subnet of /%d or larger for %d zones", r.Name, size, len(zones))

	found := map[int]*model.Subnet{}
	tally := map[string]int{}
	refuse := func(s *model.Subnet, why string) {
		tally[why]++
		if !tr.Detailed() {
			return
		}
		tr.Add("subnet", s.ID, trace.Refused, "%q %s: %s", s.Name, s.CIDR, why)
	}
	for segment := range model.By[*model.VNet](v, "region", region) {
		if !segment.Private || segment.Phase != model.Ready {
			continue
		}
		for s := range model.By[*model.Subnet](v, "vnet", segment.ID) {
			p, err := netip.ParsePrefix(s.CIDR)
			switch {
			case err != nil || s.Phase != model.Ready:
				refuse(s, "not ready")
			case s.Project != "":
				refuse(s, "owned by another project")
			case s.Application != AppUser:
				refuse(s, "for application "+s.Application)
			case p.Bits() > size:
				refuse(s, "too small")
			case p.Bits() < WidestProject:
				refuse(s, "larger than any project gets")
			case found[p.Bits()] != nil:
				// An earlier one of this size does.
			case inhabited(v, s):
				refuse(s, "has machines or gateways attached")
			case sharesMAC(v, s):
				refuse(s, "has an adapter whose MAC address is in use elsewhere on the vnet")
			default:
				if _, err := Gateways(v, s, zones, nil); err != nil {
					refuse(s, "its gateway pool has too few free addresses for the zones")
					continue
				}
				found[p.Bits()] = s
			}
		}
	}
	for bits := size; bits >= WidestProject; bits-- {
		if s := found[bits]; s != nil {
			if len(tally) > 0 {
				tr.Add("passed over", "", trace.Refused, "%s", tell(tally))
			}
			tr.Add("subnet", s.ID, trace.Chosen, "%q %s", s.Name, s.CIDR)
			return s, nil
		}
	}
	return nil, fault.Bad("subnetSize", "region %q has no free private subnet of /%d or larger, up to /%d: %s; ask for a smaller one or have subnets added",
		r.Name, size, WidestProject, tell(tally))
}

// tell lists how many subnets were refused for what, most frequent first.
func tell(tally map[string]int) string {
	if len(tally) == 0 {
		return "it has no private subnet at all"
	}
	reasons := make([]string, 0, len(tally))
	for why := range tally {
		reasons = append(reasons, why)
	}
	slices.SortFunc(reasons, func(a, b string) int { return cmp.Or(cmp.Compare(tally[b], tally[a]), cmp.Compare(a, b)) })
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", tally[why], why)
	}
	return strings.Join(reasons, ", ")
}

// inhabited tells whether machines or gateways are attached to the subnet; whoever owns them must not end
// up inside another project's network.
func inhabited(v model.View, s *model.Subnet) bool {
	for adapter := range model.By[*model.Adapter](v, "subnet", s.ID) {
		if adapter.Service != "" {
			return true
		}
		for range model.By[*model.Instance](v, "adapter", adapter.ID) {
			return true
		}
	}
	return false
}

// sharesMAC tells whether an adapter on the subnet has the MAC address of one elsewhere on its vnet.
func sharesMAC(v model.View, s *model.Subnet) bool {
	for a := range model.By[*model.Adapter](v, "subnet", s.ID) {
		for other := range sharers(v, a) {
			if other.Subnet != s.ID {
				return true
			}
		}
	}
	return false
}

// Gateways gives each of the zones one address from the subnet's gateway pool and returns the project's
// gateways after that, in the order they were given out. An address once given stays with its zone, so
// adding a zone moves nobody; those added together are served in the order of their names, lowest
// address of the first range first. Gateways of other zones, which is how other regions look, are kept;
// those of zones that no longer exist are dropped and their addresses are free again.
//
// Faults: Invalid with field gw_pool when the pool has too few free addresses; NotFound for an unknown zone.
func Gateways(v model.View, s *model.Subnet, zones []model.ID, existing []model.Gateway) ([]model.Gateway, error) {
	l, err := read(s)
	if err != nil {
		return nil, err
	}
	wanted := make([]*model.Zone, 0, len(zones))
	for _, id := range zones {
		z, ok := model.Find[*model.Zone](v, id)
		if !ok {
			return nil, fault.New(fault.NotFound, "there is no zone %s", id)
		}
		wanted = append(wanted, z)
	}
	slices.SortFunc(wanted, func(a, b *model.Zone) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	wanted = slices.CompactFunc(wanted, func(a, b *model.Zone) bool { return a.ID == b.ID })

	taken := map[uint32]bool{l.gateway: true, l.all.first: true, l.all.last: true}
	var out []model.Gateway
	served := map[model.ID]bool{}
	for _, g := range existing {
		if _, ok := v.Get(model.KindZone, g.Zone); !ok || served[g.Zone] {
			continue
		}
		a, err := parse("", g.Address)
		here := err == nil && l.all.has(a)
		if !here && slices.Contains(zones, g.Zone) {
			continue // from a subnet the project had in this region before
		}
		if here {
			taken[a] = true
		}
		served[g.Zone] = true
		out = append(out, g)
	}
	for adapter := range model.By[*model.Adapter](v, "subnet", s.ID) {
		for _, text := range adapter.Addresses {
			if a, err := parse("", text); err == nil {
				taken[a] = true
			}
		}
	}
	next := l.free(taken)
	for _, z := range wanted {
		if served[z.ID] {
			continue
		}
		a, ok := next()
		if !ok {
			return nil, fault.Bad("gw_pool", "the gateway pool of subnet %q (%s) has no free address for zone %q; it needs one for each of %d zones",
				s.Name, s.CIDR, z.Name, len(wanted))
		}
		out = append(out, model.Gateway{Zone: z.ID, Address: address(a).String()})
	}
	return out, nil
}

// free returns a function that yields the addresses of the gateway pool that are not taken, each once.
func (l layout) free(taken map[uint32]bool) func() (uint32, bool) {
	i, offset := 0, int64(0)
	return func() (uint32, bool) {
		for i < len(l.pool) {
			if offset >= l.pool[i].size() {
				i, offset = i+1, 0
				continue
			}
			a := l.pool[i].first + uint32(offset)
			offset++
			if !taken[a] {
				taken[a] = true
				return a, true
			}
		}
		return 0, false
	}
}
