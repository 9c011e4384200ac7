package netplan

import (
	"fmt"
	"net/netip"

	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// scope is what DHCP has of one subnet.
type scope struct {
	region   model.ID
	line     wire.Part
	leases   wire.Part
	problems []string
}

func (p *Plan) scope(subnet model.ID) *scope {
	if made, ok := p.scopes[subnet]; ok {
		return made
	}
	made := planScope(p.view, subnet)
	p.scopes[subnet] = made
	return made
}

func planScope(v model.View, subnet model.ID) *scope {
	made := new(scope)
	s, ok := model.Find[*model.Subnet](v, subnet)
	if !ok {
		return made
	}
	net, ok := model.Find[*model.VNet](v, s.VNet)
	if !ok {
		return made
	}
	made.region = net.Region
	cidr, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return made // the network says so
	}
	cidr = cidr.Masked()
	project, owned := model.Find[*model.Project](v, s.Project)
	d := wire.Scope{Subnet: string(s.ID), Interface: net.Interface, CIDR: cidr.String(), Router: s.Gateway, DNS: resolver(s), Ranges: []string{},
		Open: infrastructure(s)}
	if owned {
		d.Domain = zoneName(project.Domain)
	}
	for _, text := range s.ExtraRoutes {
		if to, err := netip.ParsePrefix(text); err == nil && to.Addr().Is4() {
			d.Routes = append(d.Routes, to.Masked().String())
		}
	}
	free, err := ipam.Leasable(s)
	if err != nil {
		made.problem("subnet %s leases no addresses: %v", s.ID, err)
	}
	for _, r := range free {
		d.Ranges = append(d.Ranges, r.First+"-"+r.Last)
	}
	made.line = wire.Line(d)
	made.leases = wire.Lines(made.reservations(v, s, project, cidr))
	return made
}

func (made *scope) problem(format string, args ...any) {
	made.problems = append(made.problems, fmt.Sprintf(format, args...))
}

// resolver is the DNS server of a subnet.
func resolver(s *model.Subnet) string {
	if a, err := netip.ParseAddr(s.DNS); err == nil && a.Is4() {
		return s.DNS
	}
	return s.Gateway
}

// reservations are the addresses of a subnet's adapters but those of services, which nobody asks DHCP for.
// A client gets one address: of an adapter with several it is the first.
func (made *scope) reservations(v model.View, s *model.Subnet, project *model.Project, cidr netip.Prefix) []wire.Reservation {
	var out []wire.Reservation
	cards := map[string]bool{}
	for a := range model.By[*model.Adapter](v, "subnet", s.ID) {
		if a.Service != "" || a.MAC == "" {
			continue
		}
		for _, text := range a.Addresses {
			address, err := netip.ParseAddr(text)
			if err != nil || !cidr.Contains(address) {
				continue
			}
			if cards[a.MAC] {
				made.problem("adapter %s has MAC address %s of another adapter of its subnet, and gets no address by DHCP", a.ID, a.MAC)
				break
			}
			cards[a.MAC] = true
			out = append(out, wire.Reservation{Subnet: string(s.ID), MAC: a.MAC, Address: text, Router: zoneGateway(v, project, a.ID, cidr)})
			break
		}
	}
	return out
}

// zoneGateway is the address that the machine of an adapter sends to what is elsewhere to, empty when that
// is the subnet's gateway.
func zoneGateway(v model.View, project *model.Project, adapter model.ID, cidr netip.Prefix) string {
	if project == nil {
		return ""
	}
	for o := range model.By[*model.Instance](v, "adapter", adapter) {
		return gatewayIn(project, o.Zone, cidr)
	}
	return ""
}

// gatewayIn is a project's gateway address of a zone within a network, empty when it has none.
func gatewayIn(project *model.Project, zone model.ID, cidr netip.Prefix) string {
	for _, g := range project.Gateways {
		if at, err := netip.ParseAddr(g.Address); err == nil && g.Zone == zone && cidr.Contains(at) {
			return g.Address
		}
	}
	return ""
}
