package behaviour

import (
	"fmt"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// A peering is declared by one side and takes effect when both have: only then has a gateway addresses on
// the other's subnet, so that nobody uses up what belongs to somebody who did not agree.

// declare checks the peerings of a gateway and keeps what they had. old is what is stored, nil at first.
func declare(v model.View, r *Request, k, old *model.Kawaii) error {
	for i := range k.Peerings {
		p := &k.Peerings[i]
		at := fmt.Sprintf("vpc_peerings[%d]", i)
		for j := range i {
			if k.Peerings[j].Subnet == p.Subnet {
				return fault.Bad(at+".subnet", "subnet %s stands in vpc_peerings[%d] already; put all its rules there", p.Subnet, j)
			}
		}
		if p.Subnet == k.PrivateSubnet {
			return fault.Bad(at+".subnet", "subnet %s is the gateway's own", p.Subnet)
		}
		for j := range p.Ingress {
			if err := checkPorts(fmt.Sprintf("%s.ingress[%d].ports", at, j), p.Ingress[j].Ports); err != nil {
				return err
			}
		}
		for j := range p.Egress {
			if err := checkPorts(fmt.Sprintf("%s.egress[%d].ports", at, j), p.Egress[j].Ports); err != nil {
				return err
			}
		}
		var had *model.Peering
		if old != nil {
			if j := slices.IndexFunc(old.Peerings, func(q model.Peering) bool { return q.Subnet == p.Subnet }); j >= 0 {
				had = &old.Peerings[j]
				p.Legs, p.Granted = had.Legs, had.Granted
			}
		}
		if err := peerable(v, r, k, at+".subnet", p, had != nil); err != nil {
			return err
		}
	}
	return nil
}

// peerable refuses subnets that a gateway cannot peer with. Whether one does not exist, lies in another
// region or belongs to the installation is all the same to somebody who may not declare it.
func peerable(v model.View, r *Request, k *model.Kawaii, field string, p *model.Peering, had bool) error {
	s, ok := model.Find[*model.Subnet](v, p.Subnet)
	if !ok || regionOf(v, s) != k.Region || s.Project == "" && !had && !r.Who.SuperAdmin() {
		return fault.Bad(field, "this region has no subnet %s that the gateway could peer with; subnets that belong to no project are for superAdmins to declare", p.Subnet)
	}
	if n, ok := model.Find[*model.VNet](v, s.VNet); ok && !n.Private {
		if !r.Who.SuperAdmin() {
			return fault.Bad(field, "this region has no subnet %s that the gateway could peer with; subnets that belong to no project are for superAdmins to declare", p.Subnet)
		}
		return fault.Bad(field, "subnet %q is on public vnet %q, which gateways reach without a peering", s.Name, n.Name)
	}
	if s.Project == "" && r.Who.SuperAdmin() {
		p.Granted = true
	}
	return nil
}

// agreed tells whether the other side of a peering has agreed to it.
func agreed(v model.View, k *model.Kawaii, p *model.Peering) bool {
	s, ok := model.Find[*model.Subnet](v, p.Subnet)
	if !ok {
		return false
	}
	if s.Project == "" {
		return p.Granted
	}
	other := gatewayIn(v, s.Project, k.Region)
	return other != nil && other.Phase != model.Deleting && slices.ContainsFunc(other.Peerings, func(q model.Peering) bool { return q.Subnet == k.PrivateSubnet })
}

// strictness says what becomes of a peering that could take effect but finds no address.
type strictness bool

const (
	demand strictness = true  // the request fails
	spare  strictness = false // the zone goes without
)

// settlePeerings gives the peerings of a gateway that take effect an address in each of its zones, takes the
// addresses of those that no longer do, and stores the gateway if that changed it. Only what takes effect
// with this request can be refused for want of an address: that a zone goes without is no reason to refuse
// a later change of something else.
func settlePeerings(d model.Draft, r *Request, k *model.Kawaii, s strictness) (*model.Kawaii, error) {
	old := k
	k = model.Edit(k)
	k.Peerings = slices.Clone(k.Peerings)
	for i := range k.Peerings {
		p := &k.Peerings[i]
		if !agreed(d, k, p) {
			p.Legs = nil
			r.Trace.Add("peering", p.Subnet, trace.Given, "pending: the other side has not declared its counterpart")
			continue
		}
		legs := slices.DeleteFunc(slices.Clone(p.Legs), func(leg model.PeeringIP) bool { return !holds(k, leg.Zone) })
		there, ok := model.Find[*model.Subnet](d, p.Subnet)
		if !ok {
			continue
		}
		for _, vip := range k.VIPs {
			if slices.ContainsFunc(legs, func(leg model.PeeringIP) bool { return leg.Zone == vip.Zone }) {
				continue
			}
			z, _ := model.Find[*model.Zone](d, vip.Zone)
			if room, err := ipam.Count(d, there); err != nil {
				return k, err
			} else if room.Free == 0 {
				err := fault.New(fault.Exhausted, "subnet %s has no free address for gateway %q in zone %q; each side of a peering needs one for each zone", there.ID, k.Name, z.Name)
				if s == demand && len(p.Legs) == 0 {
					return k, err
				}
				r.Trace.Add("peering", p.Subnet, trace.Refused, "%s", err.Public())
				continue
			}
			card, err := serviceCard(d, r, k.ID, there, k.Name+"-"+z.Name+"-peer-adapter", true)
			if err != nil {
				return k, err
			}
			legs = append(legs, model.PeeringIP{Zone: vip.Zone, Address: card.Addresses[0], Adapter: card.ID})
		}
		p.Legs = legs
		r.Trace.Add("peering", p.Subnet, trace.Allowed, "active: both sides have declared it")
	}
	if slices.EqualFunc(old.Peerings, k.Peerings, func(a, b model.Peering) bool { return slices.Equal(a.Legs, b.Legs) }) {
		k = old
	} else if err := d.Put(k); err != nil {
		return k, err
	}
	return k, sweep(d, k.ID, kept(k))
}

func holds(k *model.Kawaii, zone model.ID) bool {
	return slices.ContainsFunc(k.VIPs, func(p model.GatewayVIP) bool { return p.Zone == zone })
}

// settleBoth settles a gateway and all that a change of it can concern: those that declared peerings with
// its subnet.
func settleBoth(d model.Draft, r *Request, k *model.Kawaii) (*model.Kawaii, error) {
	k, err := settlePeerings(d, r, k, demand)
	if err != nil {
		return k, err
	}
	return k, settlePeers(d, r, k)
}

// settlePeers settles the gateways that declared a peering with the subnet of this one.
func settlePeers(d model.Draft, r *Request, k *model.Kawaii) error {
	var peers []*model.Kawaii
	for other := range model.By[*model.Kawaii](d, "peer", k.PrivateSubnet) {
		if other.ID != k.ID {
			peers = append(peers, other)
		}
	}
	for _, other := range peers {
		if _, err := settlePeerings(d, r, other, demand); err != nil {
			return err
		}
	}
	return nil
}
