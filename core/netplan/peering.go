package netplan

import (
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// storagePorts are the ports of Ceph and NFS, which a peering with a storage network always opens: the
// port mapper (RFC 1833), NFS (RFC 7530), Ceph monitors (3300 and 6789) and its other daemons.
const storagePorts = "111,2049,3300,6789,6800-7568"

// reach is what may begin in one direction of a peering.
type reach struct {
	tcp, udp ports
	icmp     bool
}

// reachOf reads a policy with its rules. Rules open ports whatever the policy: the user documentation
// peers with policy accept and a rule for all ports, and means that everything passes.
func reachOf(text string, rules []model.PortRule) (reach, bool) {
	opened := map[string]ports{}
	fine := true
	for _, r := range rules {
		set, ok := parsePorts(r.Ports)
		if !ok {
			fine = false
			continue
		}
		opened[r.Protocol] = opened[r.Protocol].union(set)
	}
	// Without a policy nothing passes: it is the default of peerings.
	if text == "accept" {
		return reach{tcp: ports{}.inverse(), udp: ports{}.inverse(), icmp: true}, fine
	}
	return reach{tcp: opened["tcp"], udp: opened["udp"]}, fine
}

func (r reach) and(o reach) reach {
	return reach{tcp: r.tcp.intersect(o.tcp), udp: r.udp.intersect(o.udp), icmp: r.icmp && o.icmp}
}

// counterpart is the peering that the project of a subnet has declared with the project of this gateway,
// nil while it has none. Both must be of one region.
func counterpart(v model.View, k *model.Kawaii, s *model.Subnet) *model.Peering {
	mine := k.PrivateSubnet
	if mine == "" {
		return nil
	}
	for other := range model.By[*model.Kawaii](v, "peer", mine) {
		if other.Project != s.Project || other.Region != k.Region || other.ID == k.ID {
			continue
		}
		for i := range other.Peerings {
			if other.Peerings[i].Subnet == mine {
				return &other.Peerings[i]
			}
		}
	}
	return nil
}

// peerings put a leg on each subnet whose other side agrees, and let pass what both sides do: this
// gateway's egress and the other's ingress. It is decided here, where the traffic begins, because from
// the leg on it meets no other gateway. Nothing begins on the leg: the other side has one of its own.
// For a subnet that belongs to no project, a superAdmin agrees; a storage network opens its ports.
func (g *gatewayPlan) peerings() {
	if g.private.Subnet == nil {
		return
	}
	for i := range g.kawaii.Peerings {
		p := &g.kawaii.Peerings[i]
		there, ok := g.onLan(p.Subnet, g.kawaii.Region)
		if !ok {
			g.problem("peering with subnet %s: it is not of this region", p.Subnet)
			continue
		}
		allowed, fine := reachOf(p.Policy, p.Egress)
		if !fine {
			g.problem("peering with subnet %s: a rule cannot be read and opens nothing", p.Subnet)
		}
		storage, _ := parsePorts(storagePorts)
		switch other := counterpart(g.view, g.kawaii, there.Subnet); {
		case there.Project == g.kawaii.Project:
			g.problem("peering with subnet %s: it is the project's own", p.Subnet)
			continue
		case there.tenant() && other != nil:
			theirs, _ := reachOf(other.Policy, other.Ingress)
			allowed = allowed.and(theirs)
		case !there.tenant() && p.Granted:
			if there.Application == applicationCeph {
				allowed.tcp, allowed.udp = allowed.tcp.union(storage), allowed.udp.union(storage)
			}
		default:
			g.problem("peering with subnet %s waits for the other side to agree", p.Subnet)
			continue
		}
		g.peer(p, there, allowed)
	}
}

func (g *gatewayPlan) peer(p *model.Peering, there lan, allowed reach) {
	for _, leg := range p.Legs {
		if leg.Zone != g.node.Zone {
			continue
		}
		name := wire.PeerPrefix + string(there.ID[max(0, len(there.ID)-8):])
		l := g.leg(name, there, leg.Adapter, leg.Address)
		if l.Address == "" {
			break
		}
		g.state.Interfaces = append(g.state.Interfaces, l)
		source, network, why := g.private.cidr.String(), there.cidr.String(), "peering"
		g.state.NAT = append(g.state.NAT, wire.Translation{Source: source, Out: name, Addresses: []string{leg.Address}})
		for _, open := range []struct {
			protocol string
			ports    ports
		}{{"tcp", allowed.tcp}, {"udp", allowed.udp}} {
			if len(open.ports) > 0 {
				g.rule(wire.Rule{Chain: "forward", In: wire.Private, Out: name, Source: source, Destination: network, Protocol: open.protocol, Ports: open.ports.String(), Action: "accept", Why: why})
			}
		}
		if allowed.icmp {
			g.rule(wire.Rule{Chain: "forward", In: wire.Private, Out: name, Source: source, Destination: network, Protocol: "icmp", Action: "accept", Why: why})
		}
		return
	}
	g.problem("peering with subnet %s: this node has no address there", p.Subnet)
}
