package holding

import (
	"slices"

	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// Allocated lists the regions in which the changes of a draft hand something new out: a machine, a disk, a
// card with its addresses, a share, a segment, or another host for one of them.
func Allocated(d model.Draft) []model.ID {
	var out []model.ID
	for _, c := range model.Changes(d) {
		if c.After == nil || !takes(c.Before, c.After) {
			continue
		}
		if region := regionOf(d, c.After); !slices.Contains(out, region) {
			out = append(out, region)
		}
	}
	return out
}

// takes tells whether a change hands something new out. Before is nil for a new object.
func takes(before, after model.Object) bool {
	fresh := before == nil
	more := func(was, is []model.ID) bool {
		return slices.ContainsFunc(is, func(id model.ID) bool { return !slices.Contains(was, id) })
	}
	switch is := after.(type) {
	case *model.Instance:
		was, _ := before.(*model.Instance)
		return fresh || was.Kaktus != is.Kaktus || more(was.Adapters, is.Adapters) || more(was.Volumes, is.Volumes)
	case *model.Adapter:
		was, _ := before.(*model.Adapter)
		return fresh || was.MAC != is.MAC || slices.ContainsFunc(is.Addresses, func(a string) bool { return !slices.Contains(was.Addresses, a) })
	case *model.Node:
		was, _ := before.(*model.Node)
		return fresh || was.Kaktus != is.Kaktus || was.Address != is.Address
	case *model.Kawaii:
		was, _ := before.(*model.Kawaii)
		return fresh || len(is.VIPs) > len(was.VIPs)
	case *model.VNet:
		was, _ := before.(*model.VNet)
		return fresh || was.VLAN != is.VLAN || was.Interface != is.Interface
	case *model.Volume, *model.Konvey, *model.Kylo, *model.Kompute:
		return fresh
	}
	return false
}

// regionOf is the region that an object takes something in; empty when that cannot be told.
func regionOf(v model.View, o model.Object) model.ID {
	zone := func(id model.ID) model.ID {
		if z, ok := model.Find[*model.Zone](v, id); ok {
			return z.Region
		}
		return ""
	}
	switch o := o.(type) {
	case *model.Instance:
		return zone(o.Zone)
	case *model.Kompute:
		return zone(o.Zone)
	case *model.Node:
		return zone(o.Zone)
	case *model.Volume:
		return o.Region
	case *model.Kawaii:
		return o.Region
	case *model.Konvey:
		return o.Region
	case *model.Kylo:
		return o.Region
	case *model.VNet:
		return o.Region
	case *model.Adapter:
		if s, ok := model.Find[*model.Subnet](v, o.Subnet); ok {
			if n, ok := model.Find[*model.VNet](v, s.VNet); ok {
				return n.Region
			}
		}
	}
	return ""
}

// Reporters are the agents that report what is held in regions, those of their hosts; without any region
// those of all. One without an identity on record is among them: the record of it may be lost.
func Reporters(v model.View, regions ...model.ID) []lease.Witness {
	var out []lease.Witness
	for host := range model.All[*model.Kaktus](v) {
		z, ok := model.Find[*model.Zone](v, host.Zone)
		if len(regions) > 0 && ok && !slices.Contains(regions, z.Region) && !slices.Contains(regions, "") {
			continue
		}
		for _, id := range host.Agents {
			if a, ok := model.Find[*model.Agent](v, id); ok {
				out = append(out, lease.Witness{Agent: string(id), Identity: a.Identity})
			}
		}
	}
	return out
}
