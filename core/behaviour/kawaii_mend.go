package behaviour

import (
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// What becomes of gateways when zones and hosts come and go.

// mendZones gives the zones what the gateway lacks there, each by itself: what one cannot have now does
// not stand in the way of the others, and the trace tells why.
func mendZones(d model.Draft, r *Request, k *model.Kawaii, zones []*model.Zone) (*model.Kawaii, error) {
	for _, z := range zones {
		one := []*model.Zone{z}
		if !holds(k, z.ID) {
			mended, err := addVIPs(d, r, k, one)
			if err := lacking(r, "virtual addresses", z, err); err != nil {
				return k, err
			}
			if err != nil {
				continue
			}
			k = mended
		}
		if slices.ContainsFunc(nodesOf(d, k.ID), func(n *model.Node) bool { return n.Zone == z.ID }) {
			continue
		}
		if err := lacking(r, "node", z, addNodes(d, r, k, one)); err != nil {
			return k, err
		}
	}
	return k, nil
}

// lacking records why a zone does not get something, and returns faults that are no such reason.
func lacking(r *Request, what string, z *model.Zone, err error) error {
	if err == nil {
		return nil
	}
	switch fault.CodeOf(err) {
	case fault.Exhausted, fault.Unavailable, fault.Invalid:
		r.Trace.Add(what, z.ID, trace.Refused, "zone %q: %s", z.Name, fault.From(err).Public())
		return nil
	}
	return err
}

// welcomeZone gives the gateways of a region their addresses and nodes in a zone that is new.
func welcomeZone(d model.Draft, r *Request, z *model.Zone) error {
	for _, old := range gatewaysOf(d, z.Region) {
		k, err := mendZones(d, r, old, []*model.Zone{z})
		if err != nil {
			return err
		}
		if k == old {
			continue // no addresses, or it had them
		}
		if k, err = settlePeerings(d, r, k, spare); err != nil {
			return err
		}
		if err := noteVRIDs(d, k.Project); err != nil {
			return err
		}
	}
	return nil
}

// Understaffed tells whether a gateway lacks addresses or a node in a zone of its region.
func Understaffed(v model.View, zone model.ID) bool {
	z, ok := model.Find[*model.Zone](v, zone)
	if !ok {
		return false
	}
	for _, k := range gatewaysOf(v, z.Region) {
		if !holds(k, zone) || !slices.ContainsFunc(nodesOf(v, k.ID), func(n *model.Node) bool { return n.Zone == zone }) {
			return true
		}
	}
	return false
}

// Staff gives the gateways of a zone's region what they lack there, as far as that is possible now. It is
// for whoever notices that the zone has a host with room; of the request it needs time, draw, the agents
// that are connected and a trace, which tells what was not possible.
func Staff(d model.Draft, r *Request, zone model.ID) error {
	z, ok := model.Find[*model.Zone](d, zone)
	if !ok {
		return nil
	}
	return welcomeZone(d, r, z)
}

// gatewaysOf are the gateways of a region but those that go with their project.
func gatewaysOf(v model.View, region model.ID) []*model.Kawaii {
	var out []*model.Kawaii
	for k := range model.By[*model.Kawaii](v, "region", region) {
		if k.Phase != model.Deleting {
			out = append(out, k)
		}
	}
	return out
}

// leaveZone takes a zone's addresses from the gateways of its region. A node there is on a host, which has
// to go before the zone does.
func leaveZone(d model.Draft, z *model.Zone) error {
	for _, k := range gatewaysOf(d, z.Region) {
		at := slices.IndexFunc(k.VIPs, func(p model.GatewayVIP) bool { return p.Zone == z.ID })
		if at < 0 {
			continue
		}
		for t := range model.By[*model.IPsec](d, "kawaii", k.ID) {
			if t.IP == k.VIPs[at].Public {
				return fault.New(fault.Conflict, "tunnel %q of gateway %q ends at %s, the gateway's address in zone %q; delete the tunnel first", t.Name, k.Name, t.IP, z.Name)
			}
		}
		k = model.Edit(k)
		k.VIPs = slices.Delete(slices.Clone(k.VIPs), at, at+1)
		k.Peerings = slices.Clone(k.Peerings)
		for i := range k.Peerings {
			legs := slices.Clone(k.Peerings[i].Legs)
			k.Peerings[i].Legs = slices.DeleteFunc(legs, func(leg model.PeeringIP) bool { return leg.Zone == z.ID })
		}
		if err := d.Put(k); err != nil {
			return err
		}
		if err := sweep(d, k.ID, kept(k)); err != nil {
			return err
		}
		if err := noteVRIDs(d, k.Project); err != nil {
			return err
		}
	}
	return nil
}

// kept are the adapters that reserve a gateway's addresses.
func kept(k *model.Kawaii) []model.ID {
	var out []model.ID
	for i := range k.VIPs {
		out = append(out, k.VIPs[i].PublicAdapter)
	}
	for i := range k.Peerings {
		for _, leg := range k.Peerings[i].Legs {
			out = append(out, leg.Adapter)
		}
	}
	return out
}
