package ipam

import (
	"kowabunga/core/model"
)

// Segment is what is one layer 2, where all cards hear each other: all vnets of a region with the same VLAN,
// whatever their bridges are called, as hosts tag them on one trunk (IEEE 802.1Q); a vnet without a VLAN is one
// by itself. That the trunks of two bridges are apart is nothing that anybody tells Kowabunga.
type Segment struct {
	region model.ID
	vlan   int64
	vnet   model.ID // without a VLAN
}

// SegmentOf is the segment that a vnet is, or is a part of.
func SegmentOf(n *model.VNet) Segment {
	if n.VLAN > 0 {
		return Segment{region: n.Region, vlan: n.VLAN}
	}
	return Segment{vnet: n.ID}
}

// Along are the vnets that are one segment with a vnet, that one included.
func Along(v model.View, n *model.VNet) []*model.VNet {
	out := []*model.VNet{n}
	if n.VLAN == 0 {
		return out
	}
	for other := range model.By[*model.VNet](v, "region", n.Region) {
		if other.ID != n.ID && SegmentOf(other) == SegmentOf(n) {
			out = append(out, other)
		}
	}
	return out
}

// CheckVLAN decides whether a vnet, which had the VLAN of old, may get another one. Where vnets of the region
// have it already they become one segment with it: then no project may have a MAC address twice that of
// another's card, and no VRRP id be used twice.
//
// Faults: Conflict on field vlan.
func CheckVLAN(v model.View, old, n *model.VNet) error {
	if SegmentOf(old) == SegmentOf(n) {
		return nil
	}
	others := Along(v, n)[1:]
	if len(others) == 0 {
		return nil
	}
	const merged = "vnet %q of this region has VLAN %d as well, which makes one segment of both; %s; choose another VLAN"
	mine, theirs := usedOn(v, n.Region, n), usedOn(v, n.Region, others...)
	for vrid := int64(FirstVRID); vrid <= LastVRID; vrid++ {
		if mine[vrid] && theirs[vrid] {
			return conflict("vlan", merged, others[0].Name, n.VLAN, "gateways or load balancers on both have the same VRRP id")
		}
	}
	for s := range model.By[*model.Subnet](v, "vnet", n.ID) {
		for a := range model.By[*model.Adapter](v, "subnet", s.ID) {
			if vrid, virtual := VRouter(a.MAC); virtual && theirs[vrid] {
				return conflict("vlan", merged, others[0].Name, n.VLAN, "adapter "+a.Name+" has the MAC address of a VRRP id that a gateway or load balancer has there")
			}
			for other := range model.By[*model.Adapter](v, "card", a.MAC) {
				net, ok := netOf(v, other)
				if ok && net.ID != n.ID && SegmentOf(net) == SegmentOf(n) && Owner(v, other) != Owner(v, a) {
					return conflict("vlan", merged, net.Name, n.VLAN, "adapter "+a.Name+" has the MAC address of a card of another project there")
				}
			}
		}
	}
	for vrid := range mine {
		for _, mac := range VRouterMACs(vrid) {
			for a := range model.By[*model.Adapter](v, "card", mac) {
				if net, ok := netOf(v, a); ok && net.ID != n.ID && SegmentOf(net) == SegmentOf(n) {
					return conflict("vlan", merged, net.Name, n.VLAN, "adapter "+a.Name+" there has the MAC address of a VRRP id that a gateway or load balancer here has")
				}
			}
		}
	}
	return nil
}

// netOf is the vnet that an adapter is on.
func netOf(v model.View, a *model.Adapter) (*model.VNet, bool) {
	s, ok := model.Find[*model.Subnet](v, a.Subnet)
	if !ok {
		return nil, false
	}
	return model.Find[*model.VNet](v, s.VNet)
}

// segmentOf is the segment that an adapter is on.
func segmentOf(v model.View, a *model.Adapter) (Segment, bool) {
	n, ok := netOf(v, a)
	if !ok {
		return Segment{}, false
	}
	return SegmentOf(n), true
}
