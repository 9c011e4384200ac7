package netplan

import (
	"fmt"
	"net/netip"

	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// balancer makes the document of a node of a Konvey.
func (p *Plan) balancer(n *model.Node, made *node) {
	o, ok := model.Find[*model.Konvey](p.view, n.Owner)
	if !ok || o.Region != made.region {
		made.stray(n, "load balancer")
		return
	}
	s := &wire.KonveyState{Schema: wire.KonveySchema, Node: string(n.ID), Konvey: string(o.ID), Name: o.Name, Project: string(n.Project), Region: string(made.region), Zone: string(n.Zone)}
	problem := func(format string, args ...any) { s.Problems = append(s.Problems, fmt.Sprintf(format, args...)) }
	p.balancerAddress(o, n, s, problem)
	p.endpoints(o, s, problem)
	if err := s.Validate(); err != nil {
		problems := append(s.Problems, "cannot be carried out: "+err.Error())
		*s = wire.KonveyState{Schema: s.Schema, Node: s.Node, Konvey: s.Konvey, Name: s.Name, Project: s.Project, Region: s.Region, Zone: s.Zone, Problems: problems}
	}
	made.body, made.problems = s.Encode(), s.Problems
}

// balancerAddress puts the node on the subnet of its address. The node that is
// not the standby is first in line for it.
func (p *Plan) balancerAddress(o *model.Konvey, n *model.Node, s *wire.KonveyState, problem func(string, ...any)) {
	l, ok := p.onLan(o.Subnet, o.Region)
	if !ok {
		problem("the project has no subnet in region %s", o.Region)
		return
	}
	s.Interfaces = []wire.Leg{p.leg(wire.Private, l, n.Adapter, n.Address)}
	s.Resolver = resolver(l.Subnet)
	gateway := l.Gateway
	if project, ok := model.Find[*model.Project](p.view, o.Project); ok {
		s.Search = zoneName(project.Domain)
		if own := gatewayIn(project, n.Zone, l.cidr); own != "" {
			gateway = own
		}
	}
	s.Routes = []wire.WeightedRoute{{Destination: "0.0.0.0/0", Via: gateway, Interface: wire.Private, Metric: 10}}
	at, err := netip.ParseAddr(o.VIP)
	switch lost, loser := p.network(o.Region).claims.losers[o.ID]; {
	case loser:
		problem("%s", lost)
		return
	case err != nil || !l.cidr.Contains(at):
		problem("it has no virtual address")
		return
	}
	vip := wire.BalancerVIP{Address: netip.PrefixFrom(at, l.cidr.Bits()).String(), VRID: o.VRID, Priority: wire.PriorityOwn}
	if n.Standby {
		vip.Priority = wire.PriorityOther
	}
	s.VIPs = []wire.BalancerVIP{vip}
}

func (p *Plan) endpoints(o *model.Konvey, s *wire.KonveyState, problem func(string, ...any)) {
	at := place{o.Region, o.Project}
	for _, e := range o.Endpoints {
		s.Endpoints = append(s.Endpoints, wire.Endpoint{Name: e.Name, Protocol: e.Protocol, Port: e.Port, Check: wire.DefaultCheck(e.Protocol)})
		if len(e.Backends.Hosts) == 0 {
			problem("endpoint %s has no backends", e.Name)
		}
		for _, host := range e.Backends.Hosts {
			b := wire.Backend{Endpoint: e.Name, Host: host, Port: e.Backends.Port, Addresses: []string{}}
			if a, err := netip.ParseAddr(host); err == nil {
				b.Addresses = append(b.Addresses, a.String())
			} else if known := p.namesOf(at).lookup(host); len(known) > 0 {
				b.Addresses = append(b.Addresses, known...)
			}
			s.Backends = append(s.Backends, b)
		}
	}
}
