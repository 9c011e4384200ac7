package netplan

import (
	"fmt"
	"maps"
	"slices"

	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// claim is a VRRP router id on a segment.
type claim struct {
	vnet model.ID
	vrid int64
}

// claims are who uses which router ids in a region, and who wanted one that somebody else has.
type claims struct {
	owner  map[claim]model.ID
	losers map[model.ID]string // service -> what it did not get
	doubts []string            // ids that two services have on vnets with one VLAN
}

// claimed looks at the gateways and load balancers of a region in order of their creation: who was first
// keeps its id. The allocator gives no id twice, so that there are no losers unless somebody moved
// segments together.
func claimed(v model.View, region model.ID) claims {
	c := claims{owner: map[claim]model.ID{}, losers: map[model.ID]string{}}
	type want struct {
		owner model.ID
		claim
	}
	var wants []want
	for o := range model.By[*model.Kawaii](v, "region", region) {
		for _, pair := range o.VIPs {
			for _, subnet := range []model.ID{o.PublicSubnet, o.PrivateSubnet} {
				if s, ok := model.Find[*model.Subnet](v, subnet); ok {
					wants = append(wants, want{o.ID, claim{s.VNet, pair.VRID}})
				}
			}
		}
	}
	for o := range model.By[*model.Konvey](v, "region", region) {
		if s, ok := model.Find[*model.Subnet](v, o.Subnet); ok && o.VRID != 0 {
			wants = append(wants, want{o.ID, claim{s.VNet, o.VRID}})
		}
	}
	twins := twinned(v, region)
	slices.SortStableFunc(wants, func(a, b want) int { return compareIDs(a.owner, b.owner) })
	for _, w := range wants {
		if holder, taken := c.owner[w.claim]; taken && holder != w.owner {
			c.losers[w.owner] = fmt.Sprintf("VRRP id %d is used by %s on vnet %s already; create the service anew", w.vrid, holder, w.vnet)
			continue
		}
		c.owner[w.claim] = w.owner
		if nets := twins[w.vnet]; len(nets) > 0 {
			c.doubt(w.claim, nets)
		}
	}
	return c
}

// doubt notes that another service has the router id on another vnet with the same VLAN. Both keep it: they
// may have it since before VLANs counted, and the hosts' trunks may be apart.
func (c *claims) doubt(at claim, nets []*model.VNet) {
	for _, other := range nets {
		holder, taken := c.owner[claim{other.ID, at.vrid}]
		if !taken || holder == c.owner[at] || other.ID == at.vnet {
			continue
		}
		text := fmt.Sprintf("VRRP id %d is used by %s on vnet %s and by %s on vnet %s, which both have VLAN %d; should that be one network on the hosts, create one of the services anew",
			at.vrid, holder, other.ID, c.owner[at], at.vnet, other.VLAN)
		if !slices.Contains(c.doubts, text) {
			c.doubts = append(c.doubts, text)
		}
	}
}

// twinned are the vnets of a region that are one segment with another one, each with all of that segment.
func twinned(v model.View, region model.ID) map[model.ID][]*model.VNet {
	all := map[ipam.Segment][]*model.VNet{}
	for n := range model.By[*model.VNet](v, "region", region) {
		all[ipam.SegmentOf(n)] = append(all[ipam.SegmentOf(n)], n)
	}
	out := map[model.ID][]*model.VNet{}
	for _, nets := range all {
		for _, n := range nets {
			if len(nets) > 1 {
				out[n.ID] = nets
			}
		}
	}
	return out
}

func compareIDs(a, b model.ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// free is the router id that the Kiwis take on a segment; ok is false when none is left.
func (c claims) free(vnet model.ID) (int64, bool) {
	for vrid := int64(wire.KiwiVRID); vrid > 0; vrid-- {
		if _, taken := c.owner[claim{vnet, vrid}]; !taken {
			return vrid, true
		}
	}
	return 0, false
}

// problems are who did not get the id that it wanted.
func (c claims) problems() []string {
	var out []string
	for _, owner := range slices.Sorted(maps.Keys(c.losers)) {
		out = append(out, string(owner)+": "+c.losers[owner])
	}
	return append(out, c.doubts...)
}

// same tells whether two looks came to the same losers.
func (c claims) same(o claims) bool { return maps.Equal(c.losers, o.losers) }
