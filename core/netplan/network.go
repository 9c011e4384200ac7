package netplan

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// network is the part of a region's routers that machines do not change: segments, addresses, routes and
// the packet filter.
type network struct {
	problems []string
	members  wire.Part
	links    wire.Part
	groups   wire.Part
	routes   wire.Part
	nat      wire.Part
	filter   wire.Part
	reverse  []string   // DNS zones of the addresses
	subnets  []model.ID // that DHCP serves, in order
	claims   claims
}

// interfaceForm is what Linux takes as the name of an interface (dev_valid_name), in plain ASCII.
var interfaceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

// lan is a subnet with what there is to know of it.
type lan struct {
	*model.Subnet
	net  *model.VNet
	cidr netip.Prefix
}

// tenant tells whether the subnet is a project's.
func (l *lan) tenant() bool { return l.Project != "" }

// infrastructure tells whether a subnet is the operator's own. One with a pool of gateway addresses waits
// for a project, and is nobody's until then.
func infrastructure(s *model.Subnet) bool {
	return s.Project == "" && s.Application != applicationCeph && len(s.GwPool) == 0
}

// applicationCeph marks a storage network: nothing is routed from it, and gateways may have legs on it.
const applicationCeph = "ceph"

func planNetwork(v model.View, region model.ID) *network {
	n := &network{claims: claimed(v, region)}
	n.members = wire.Lines(members(v, region))
	var links []wire.Interface
	var lans []*lan
	seen := map[string]bool{}
	for net := range model.By[*model.VNet](v, "region", region) {
		if seen[net.Interface] {
			n.problem("vnet %s uses interface %s of another vnet; give it one of its own", net.ID, net.Interface)
			continue
		}
		seen[net.Interface] = true
		if !interfaceForm.MatchString(net.Interface) || net.VLAN < 0 || net.VLAN > 4094 {
			n.problem("vnet %s has interface %q and VLAN %d, which no host can have", net.ID, net.Interface, net.VLAN)
			continue
		}
		links = append(links, wire.Interface{Name: net.Interface, VLAN: net.VLAN, Private: net.Private, VNet: string(net.ID)})
		for s := range model.By[*model.Subnet](v, "vnet", net.ID) {
			cidr, err := netip.ParsePrefix(s.CIDR)
			if err != nil || !cidr.Addr().Is4() {
				n.problem("subnet %s has no IPv4 network", s.ID)
				continue
			}
			lans = append(lans, &lan{s, net, cidr.Masked()})
		}
	}
	n.links = wire.Lines(links)
	n.plan(lans)
	return n
}

func (n *network) problem(format string, args ...any) {
	n.problems = append(n.problems, fmt.Sprintf(format, args...))
}

// members are the agents of all Kiwis of the region: they are one router. The first has the highest
// priority.
func members(v model.View, region model.ID) []wire.Member {
	var out []wire.Member
	seen := map[model.ID]bool{}
	for k := range model.By[*model.Kiwi](v, "region", region) {
		for _, agent := range k.Agents {
			if !seen[agent] && RegionOf(v, agent) == region && len(out) < 250 {
				seen[agent] = true
				out = append(out, wire.Member{Agent: string(agent), Priority: 254 - len(out)})
			}
		}
	}
	return out
}

func (n *network) plan(lans []*lan) {
	var groups []wire.Group
	var routes []wire.Route
	var nat []wire.Masquerade
	shared := map[string]bool{}
	var public []string // interfaces
	for _, l := range lans {
		gateway, err := netip.ParseAddr(l.Gateway)
		if err != nil || !l.cidr.Contains(gateway) {
			n.problem("subnet %s has no gateway within %s", l.ID, l.CIDR)
			continue
		}
		if !l.net.Private {
			n.outside(l, gateway, &routes)
			if !slices.Contains(public, l.net.Interface) {
				public = append(public, l.net.Interface)
			}
			continue
		}
		n.subnets = append(n.subnets, l.ID)
		address := netip.PrefixFrom(gateway, l.cidr.Bits()).String()
		if shared[address] {
			n.problem("subnet %s has gateway %s of another subnet", l.ID, address)
			continue
		}
		shared[address] = true
		n.join(&groups, l.net, address)
		n.reverse = append(n.reverse, reverseZones(l.cidr)...)
	}
	for _, l := range lans {
		for _, out := range public {
			if l.net.Private && infrastructure(l.Subnet) {
				nat = append(nat, wire.Masquerade{Source: l.cidr.String(), Out: out})
			}
		}
	}
	slices.Sort(n.reverse)
	n.reverse = slices.Compact(n.reverse)
	n.groups, n.routes, n.nat = wire.Lines(groups), wire.Lines(routes), wire.Lines(nat)
	n.filter = wire.Lines(routerFilter(lans))
}

// join adds an address to the group of its segment.
func (n *network) join(groups *[]wire.Group, net *model.VNet, address string) {
	for i := range *groups {
		if g := &(*groups)[i]; g.Interface == net.Interface {
			g.Addresses = append(g.Addresses, address)
			return
		}
	}
	vrid, ok := n.claims.free(net.ID)
	if !ok {
		n.problem("all VRRP ids of vnet %s are in use by gateways and load balancers, so that nobody routes for its subnets; move projects to another vnet", net.ID)
		return
	}
	*groups = append(*groups, wire.Group{Interface: net.Interface, VRID: vrid, Addresses: []string{address}})
}

// outside adds the routes through a public segment, whose gateway is somebody else's router: the first is
// the way to everywhere.
func (n *network) outside(l *lan, gateway netip.Addr, routes *[]wire.Route) {
	if len(*routes) == 0 {
		*routes = append(*routes, wire.Route{Destination: "0.0.0.0/0", Via: gateway.String(), Interface: l.net.Interface})
	}
	for _, text := range l.ExtraRoutes {
		to, err := netip.ParsePrefix(text)
		if err != nil || !to.Addr().Is4() {
			n.problem("subnet %s has route %q, which is no IPv4 network", l.ID, text)
			continue
		}
		*routes = append(*routes, wire.Route{Destination: to.Masked().String(), Via: gateway.String(), Interface: l.net.Interface})
	}
}

// routerFilter is what the routers of a region let pass. Private segments are served DNS and DHCP;
// networks behind an extra route and the subnet that declares it reach each other; projects reach nothing
// else and are reached by nobody through here, having gateways of their own; the operator's own subnets
// reach everything else; storage networks reach nothing.
func routerFilter(lans []*lan) []wire.Rule {
	var in, routes, tenants, own []wire.Rule
	seen := map[string]bool{}
	for _, l := range lans {
		link, cidr := l.net.Interface, l.cidr.String()
		if !seen[link] {
			seen[link] = true
			in = append(in, wire.Rule{Chain: "input", In: link, Protocol: "vrrp", Action: "accept", Why: "shared addresses"})
			if l.net.Private {
				in = append(in, wire.Rule{Chain: "input", In: link, Protocol: "icmp", Action: "accept", Why: "ping"},
					wire.Rule{Chain: "input", In: link, Protocol: "udp", Ports: "67", Action: "accept", Why: "DHCP"})
			}
		}
		if !l.net.Private {
			continue
		}
		for _, protocol := range []string{"udp", "tcp"} {
			in = append(in, wire.Rule{Chain: "input", In: link, Source: cidr, Protocol: protocol, Ports: "53", Action: "accept", Why: "DNS"})
		}
		for _, text := range l.ExtraRoutes {
			if to, err := netip.ParsePrefix(text); err == nil && to.Addr().Is4() {
				why := "route of subnet " + string(l.ID)
				routes = append(routes, wire.Rule{Chain: "forward", In: link, Source: cidr, Destination: to.Masked().String(), Action: "accept", Why: why},
					wire.Rule{Chain: "forward", Out: link, Source: to.Masked().String(), Destination: cidr, Action: "accept", Why: why})
			}
		}
		switch {
		case l.tenant():
			why := "subnet of project " + string(l.Project)
			tenants = append(tenants, wire.Rule{Chain: "forward", Source: cidr, Action: "drop", Why: why}, wire.Rule{Chain: "forward", Destination: cidr, Action: "drop", Why: why})
		case infrastructure(l.Subnet):
			own = append(own, wire.Rule{Chain: "forward", In: link, Source: cidr, Action: "accept", Why: "subnet of the operator"})
		}
	}
	return slices.Concat(in, routes, tenants, own)
}

// reverseZones are the DNS zones that the addresses of a network lead back through, of one or two octets'
// precision: at most 256.
func reverseZones(p netip.Prefix) []string {
	b := p.Addr().As4()
	octets := 3
	if p.Bits() <= 16 {
		octets = 2
	}
	if p.Bits() < 8 {
		return nil
	}
	count := 1
	if p.Bits() < 8*octets {
		count = 1 << (8*octets - p.Bits())
	}
	var out []string
	for i := range count {
		if last := int(b[octets-1]) + i; octets == 3 {
			out = append(out, fmt.Sprintf("%d.%d.%d.in-addr.arpa", last, b[1], b[0]))
		} else {
			out = append(out, fmt.Sprintf("%d.%d.in-addr.arpa", last, b[0]))
		}
	}
	return out
}
