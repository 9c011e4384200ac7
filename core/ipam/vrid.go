package ipam

import (
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// The VRRP router ids given to gateways and load balancers. RFC 9568 section 5.2.3 has 1 to 255; those
// above LastVRID are for the routers of the region, which stand on the same segments.
const (
	FirstVRID = 1
	LastVRID  = 239
)

// VRIDs returns the n lowest VRRP router ids that no gateway and no load balancer uses on any of the
// segments, whoever owns it: routers with the same id on one segment would take each other's addresses.
// Ids whose virtual MAC address an adapter has there, as machines of projects that speak VRRP do, come
// last: they are given when there is no other, lest adapters keep everybody from having gateways, and
// from then on no machine may send under that address (see MaySend).
//
// Faults: Exhausted, naming the segment that has the fewest left; NotFound for an unknown segment.
func VRIDs(v model.View, segments []model.ID, n int, tr *trace.Trace) ([]int64, error) {
	var taken [LastVRID + 1]bool
	var fullest *model.VNet
	most := -1
	var whole []Segment
	for _, id := range segments {
		segment, ok := model.Find[*model.VNet](v, id)
		if !ok {
			return nil, fault.New(fault.NotFound, "there is no vnet %s", id)
		}
		whole = append(whole, SegmentOf(segment))
		count := 0
		for vrid := range used(v, segment) {
			taken[vrid] = true
			count++
		}
		tr.Add("VRRP ids", segment.ID, trace.Given, "%d of %d in use on vnet %q", count, LastVRID, segment.Name)
		if count > most {
			fullest, most = segment, count
		}
	}
	out := make([]int64, 0, n)
	var squatted []int64
	for vrid := int64(FirstVRID); vrid <= LastVRID && len(out) < n; vrid++ {
		switch {
		case taken[vrid]:
		case carded(v, whole, vrid):
			squatted = append(squatted, vrid)
		default:
			out = append(out, vrid)
		}
	}
	if len(squatted) > 0 {
		tr.Add("VRRP ids", "", trace.Given, "adapters have the virtual MAC addresses of %v, which come last", squatted)
	}
	out = append(out, squatted[:min(n-len(out), len(squatted))]...)
	if len(out) < n {
		tr.Add("VRRP ids", fullest.ID, trace.Refused, "%d are needed, %d are free", n, len(out))
		return nil, fault.New(fault.Exhausted, "vnet %q has too few free VRRP ids: %d are needed and %d of %d are in use; delete gateways or load balancers there, or have another vnet added",
			fullest.Name, n, most, LastVRID)
	}
	tr.Add("VRRP ids", "", trace.Chosen, "%v, the lowest free on all segments", out)
	return out, nil
}

// carded tells whether an adapter on one of the segments has a virtual MAC address of this id.
func carded(v model.View, segments []Segment, vrid int64) bool {
	for _, mac := range VRouterMACs(vrid) {
		for a := range model.By[*model.Adapter](v, "card", mac) {
			if there, ok := segmentOf(v, a); ok && slices.Contains(segments, there) {
				return true
			}
		}
	}
	return false
}

// used is the ids in use on the segment of a vnet, each once.
func used(v model.View, n *model.VNet) map[int64]bool { return usedOn(v, n.Region, Along(v, n)...) }

// usedOn is the ids in use on some vnets of a region.
func usedOn(v model.View, region model.ID, nets ...*model.VNet) map[int64]bool {
	here := map[model.ID]bool{}
	for _, n := range nets {
		for s := range model.By[*model.Subnet](v, "vnet", n.ID) {
			here[s.ID] = true
		}
	}
	out := map[int64]bool{}
	mark := func(vrid int64) {
		if vrid >= FirstVRID && vrid <= LastVRID {
			out[vrid] = true
		}
	}
	for k := range model.By[*model.Kawaii](v, "region", region) {
		if here[k.PublicSubnet] || here[k.PrivateSubnet] {
			for i := range k.VIPs {
				mark(k.VIPs[i].VRID)
			}
		}
	}
	for k := range model.By[*model.Konvey](v, "region", region) {
		if here[k.Subnet] {
			mark(k.VRID)
		}
	}
	return out
}
