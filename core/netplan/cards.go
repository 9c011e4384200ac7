package netplan

import (
	"slices"
	"strings"

	"kowabunga/core/agentproto"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
)

// cards are the network cards on a host that may send more than under their own addresses, for other
// reasons than that they have them. An adapter is marked as reserved for that:
//
//   - Part of no machine, on a subnet of a project, it is an address that moves between machines: all of
//     the project's machines there may use it, with its MAC address where no other project and no router
//     of the platform has that on the segment: nothing of two projects' may send under one.
//   - Part of a machine, it is a router's, which forwards what others send. The mark counts where nobody
//     else is harmed: on a subnet of no project, where administrators alone mark adapters, and on a
//     segment that is one project's altogether.
func cards(v model.View, host model.ID) []agentproto.Card {
	var out []agentproto.Card
	may := map[model.ID]bool{} // send under the MAC address of an adapter
	for m := range model.By[*model.Instance](v, "kaktus", host) {
		for _, id := range m.Adapters {
			a, ok := model.Find[*model.Adapter](v, id)
			if !ok {
				continue
			}
			s, ok := model.Find[*model.Subnet](v, a.Subnet)
			if !ok || s.Project != "" && s.Project != m.Project {
				continue
			}
			c := agentproto.Card{Adapter: string(a.ID), Router: a.Reserved && segregated(v, s)}
			if s.Project != "" {
				for moving := range model.By[*model.Adapter](v, "reserved", s.ID) {
					if moving.Kompute == "" && moving.Service == "" && !attached(v, moving.ID) {
						if _, asked := may[moving.ID]; !asked {
							may[moving.ID] = ipam.MaySend(v, moving)
						}
						if may[moving.ID] {
							c.MACs = append(c.MACs, moving.MAC)
						}
						c.Addresses = append(c.Addresses, moving.Addresses...)
					}
				}
			}
			if c.Router || len(c.MACs) > 0 || len(c.Addresses) > 0 {
				slices.Sort(c.MACs)
				slices.Sort(c.Addresses)
				c.MACs = slices.Compact(c.MACs)
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, func(a, b agentproto.Card) int { return strings.Compare(a.Adapter, b.Adapter) })
	return out
}

// segregated tells whether a subnet is of no project, or its segment has no subnets but of its project.
func segregated(v model.View, s *model.Subnet) bool {
	if s.Project == "" {
		return true
	}
	n, ok := model.Find[*model.VNet](v, s.VNet)
	if !ok {
		return false
	}
	for _, net := range ipam.Along(v, n) {
		for other := range model.By[*model.Subnet](v, "vnet", net.ID) {
			if other.Project != s.Project {
				return false
			}
		}
	}
	return true
}

func attached(v model.View, adapter model.ID) bool {
	for range model.By[*model.Instance](v, "adapter", adapter) {
		return true
	}
	return false
}

// cards says that what the cards on a subnet may send is to be told again.
func (d *dirt) cards(v model.View, subnet model.ID) {
	for a := range model.By[*model.Adapter](v, "subnet", subnet) {
		for m := range model.By[*model.Instance](v, "adapter", a.ID) {
			d.agentsOf(v, m.Kaktus)
		}
	}
}

// attachment says so of one machine's cards and, where it takes up a moving address or gives it back, of
// the others that may use it.
func (d *dirt) attachment(v model.View, o *model.Instance) {
	for _, id := range o.Adapters {
		a, ok := model.Find[*model.Adapter](v, id)
		if !ok {
			continue
		}
		d.sharers(v, a)
		for range model.By[*model.Adapter](v, "reserved", a.Subnet) {
			d.agentsOf(v, o.Kaktus)
			break
		}
	}
}

// sharers says that what may be sent under an adapter's MAC address is to be told again, to whoever may.
func (d *dirt) sharers(v model.View, a *model.Adapter) {
	if a.Reserved {
		d.cards(v, a.Subnet)
	}
	for other := range model.By[*model.Adapter](v, "card", a.MAC) {
		if other.Reserved && other.Subnet != a.Subnet {
			d.cards(v, other.Subnet)
		}
	}
}

// cardsOf says so of what is part of a gateway or load balancer.
func (d *dirt) cardsOf(v model.View, service model.ID) {
	for a := range model.By[*model.Adapter](v, "service", service) {
		d.sharers(v, a)
	}
}

// vrid says so of the virtual MAC addresses of a VRRP router id.
func (d *dirt) vrid(v model.View, vrid int64) {
	if vrid < ipam.FirstVRID || vrid > ipam.LastVRID {
		return
	}
	for _, mac := range ipam.VRouterMACs(vrid) {
		for a := range model.By[*model.Adapter](v, "card", mac) {
			if a.Reserved {
				d.cards(v, a.Subnet)
			}
		}
	}
}

func (d *dirt) agentsOf(v model.View, host model.ID) {
	if h, ok := model.Find[*model.Kaktus](v, host); ok {
		for _, agent := range h.Agents {
			d.affected.Agents[agent] = true
		}
	}
}
