package netplan

import (
	"fmt"
	"net/netip"
	"slices"

	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// gatewayPlan is one node of a gateway on its way to a document.
type gatewayPlan struct {
	*Plan
	kawaii  *model.Kawaii
	node    *model.Node
	state   *wire.KawaiiState
	private lan
	public  lan
	vips    []string // public addresses, that of the node's own zone first
}

// gateway makes the document of a node of a Kawaii.
func (p *Plan) gateway(n *model.Node, made *node) {
	k, ok := model.Find[*model.Kawaii](p.view, n.Owner)
	if !ok || k.Region != made.region {
		made.stray(n, "gateway")
		return
	}
	s := &wire.KawaiiState{Schema: wire.KawaiiSchema, Node: string(n.ID), Kawaii: string(k.ID), Name: k.Name, Project: string(n.Project), Region: string(made.region), Zone: string(n.Zone)}
	g := &gatewayPlan{Plan: p, kawaii: k, node: n, state: s}
	g.segments()
	g.pairs()
	g.routes()
	g.firewall()
	g.peerings()
	g.tunnels()
	served := p.documentsOf(place{k.Region, k.Project})
	if err := s.Validate(); err != nil {
		// Better a node that does nothing and says why than a host that refuses all its nodes.
		problems := append(s.Problems, "cannot be carried out: "+err.Error())
		*s = wire.KawaiiState{Schema: s.Schema, Node: s.Node, Kawaii: s.Kawaii, Name: s.Name, Project: s.Project, Region: s.Region, Zone: s.Zone, Problems: problems}
	}
	made.body, made.problems = s.EncodeWith(served), s.Problems
}

func (g *gatewayPlan) problem(format string, args ...any) {
	g.state.Problems = append(g.state.Problems, fmt.Sprintf(format, args...))
}

// onLan finds a subnet with its segment, in the region alone.
func (p *Plan) onLan(subnet, region model.ID) (lan, bool) {
	s, ok := model.Find[*model.Subnet](p.view, subnet)
	if !ok {
		return lan{}, false
	}
	n, ok := model.Find[*model.VNet](p.view, s.VNet)
	cidr, err := netip.ParsePrefix(s.CIDR)
	return lan{s, n, cidr.Masked()}, ok && n.Region == region && err == nil && cidr.Addr().Is4()
}

// leg is an interface of a node on a subnet. The address is that of the adapter, or the one given.
func (p *Plan) leg(name string, l lan, adapter model.ID, address string) wire.Leg {
	leg := wire.Leg{Name: name, Bridge: l.net.Interface, Subnet: string(l.ID)}
	if a, ok := model.Find[*model.Adapter](p.view, adapter); ok {
		leg.MAC = a.MAC
		if address == "" && len(a.Addresses) > 0 {
			address = a.Addresses[0]
		}
	}
	if at, err := netip.ParseAddr(address); err == nil && l.cidr.Contains(at) {
		leg.Address = netip.PrefixFrom(at, l.cidr.Bits()).String()
	}
	return leg
}

// segments finds the project's own subnet and the public one and puts a leg on each.
func (g *gatewayPlan) segments() {
	var ok bool
	if g.private, ok = g.onLan(g.kawaii.PrivateSubnet, g.kawaii.Region); !ok {
		g.problem("the project has no subnet in region %s", g.kawaii.Region)
		g.private = lan{}
	} else {
		g.state.Interfaces = append(g.state.Interfaces, g.leg(wire.Private, g.private, g.node.Adapter, g.node.Address))
	}
	if g.public, ok = g.onLan(g.kawaii.PublicSubnet, g.kawaii.Region); !ok {
		g.problem("there is no public subnet for it in region %s", g.kawaii.Region)
		g.public = lan{}
	} else {
		leg := g.leg(wire.Public, g.public, g.node.Public, "")
		leg.Address = "" // it speaks with its virtual address alone
		g.state.Interfaces = append(g.state.Interfaces, leg)
	}
}

// pairs are the virtual addresses of all zones; the node is first in line for those of its own.
func (g *gatewayPlan) pairs() {
	if lost, ok := g.network(g.kawaii.Region).claims.losers[g.kawaii.ID]; ok {
		g.problem("%s", lost)
		return
	}
	if len(g.kawaii.VIPs) == 0 {
		g.problem("it has no virtual addresses")
	}
	for _, pair := range g.kawaii.VIPs {
		v := wire.Pair{Zone: string(pair.Zone), VRID: pair.VRID, Priority: wire.PriorityOther}
		if pair.Zone == g.node.Zone {
			v.Priority = wire.PriorityOwn
		}
		if at, err := netip.ParseAddr(pair.Public); err == nil && g.public.Subnet != nil && g.public.cidr.Contains(at) {
			v.Public = netip.PrefixFrom(at, g.public.cidr.Bits()).String()
			if pair.Zone == g.node.Zone {
				g.vips = slices.Insert(g.vips, 0, pair.Public)
			} else {
				g.vips = append(g.vips, pair.Public)
			}
		}
		if at, err := netip.ParseAddr(pair.Private); err == nil && g.private.Subnet != nil && g.private.cidr.Contains(at) {
			v.Private = netip.PrefixFrom(at, g.private.cidr.Bits()).String()
		}
		g.state.VIPs = append(g.state.VIPs, v)
	}
}

// routes are the ways out, one for each public address, that of the own zone first; and the networks that
// the region's routers reach for the project.
func (g *gatewayPlan) routes() {
	if g.public.Subnet != nil {
		for i, vip := range g.vips {
			g.state.Routes = append(g.state.Routes, wire.WeightedRoute{Destination: "0.0.0.0/0", Via: g.public.Gateway, Interface: wire.Public, Source: vip, Metric: 10 + 10*i})
		}
	}
	if g.private.Subnet == nil {
		return
	}
	for _, text := range g.private.ExtraRoutes {
		if to, err := netip.ParsePrefix(text); err == nil && to.Addr().Is4() {
			g.state.Routes = append(g.state.Routes, wire.WeightedRoute{Destination: to.Masked().String(), Via: g.private.Gateway, Interface: wire.Private, Metric: 10})
		}
	}
	if g.public.Subnet != nil && len(g.vips) > 0 {
		g.state.NAT = append(g.state.NAT, wire.Translation{Source: g.private.cidr.String(), Out: wire.Public, Addresses: g.vips})
	}
}

// documentsOf are the metadata of a project's machines in a region. What a machine costs is not in them:
// prices depend on all hosts of the installation.
func (p *Plan) documentsOf(at place) wire.Part {
	if made, ok := p.documents[at]; ok {
		return made
	}
	var all []wire.MachineDocument
	for o := range model.By[*model.Instance](p.view, "project", at.project) {
		if z, ok := model.Find[*model.Zone](p.view, o.Zone); !ok || z.Region != at.region {
			continue
		}
		if address, subnet := metadata.Local(p.view, o); subnet != nil {
			all = append(all, wire.MachineDocument{Machine: string(o.ID), Address: address.String(), Secret: o.SecretHash, Document: string(wire.Line(metadata.Of(p.view, o, nil)))})
		}
	}
	made := wire.Lines(all)
	p.documents[at] = made
	return made
}
