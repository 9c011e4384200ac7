package netplan

import (
	"net/netip"

	"kowabunga/core/model"
	"kowabunga/core/netrule"
	"kowabunga/core/wire"
)

// opposite is what an exception to a policy does.
func opposite(policy string) string {
	if policy == "drop" {
		return "accept"
	}
	return "drop"
}

// policy reads a policy; whatever is not "drop" lets pass, which is the default.
func policy(text string) string {
	if text == "drop" {
		return "drop"
	}
	return "accept"
}

// network4 reads a network of a rule: in CIDR notation or a single address. ok is false for anything else.
func network4(text string) (string, bool) {
	p, err := netrule.Network("network", text)
	return p.String(), err == nil
}

// portsOf reads the ports of a rule in their canonical form.
func portsOf(text string) (string, bool) {
	set, ok := parsePorts(text)
	return set.String(), ok
}

func (g *gatewayPlan) rule(r wire.Rule) { g.state.Filter = append(g.state.Filter, r) }

// firewall expands what the gateway lets pass. What comes in from outside is refused unless an ingress
// rule admits it, whether or not its port is handed to a machine; what machines send out follows the
// egress policy, and the rules about it say the opposite. The gateway itself answers ping and metadata
// to its machines and IPsec to its peers, and nothing else to anybody.
func (g *gatewayPlan) firewall() {
	if g.private.Subnet == nil {
		return
	}
	lan := g.private.cidr.String()
	g.rule(wire.Rule{Chain: "input", In: wire.Private, Protocol: "vrrp", Source: lan, Action: "accept", Why: "shared addresses"})
	g.rule(wire.Rule{Chain: "input", In: wire.Private, Protocol: "icmp", Source: lan, Action: "accept", Why: "ping"})
	g.rule(wire.Rule{Chain: "input", In: wire.Private, Source: lan, Destination: wire.MetadataAddress + "/32", Protocol: "tcp", Ports: "80", Action: "accept", Why: "metadata"})
	if g.public.Subnet == nil {
		return
	}
	fw := &g.kawaii.Firewall
	for _, r := range fw.Ingress {
		source, ok := network4(r.Source)
		list, good := portsOf(r.Ports)
		if !ok || !good {
			g.problem("ingress rule %s %s from %s cannot be read and admits nothing", r.Protocol, r.Ports, r.Source)
			continue
		}
		for _, vip := range g.vips {
			g.rule(wire.Rule{Chain: "forward", In: wire.Public, Source: source, Destination: vip + "/32", Protocol: r.Protocol, Ports: list, Action: "accept", Why: "ingress rule"})
		}
	}
	g.forwardings(lan)
	g.egress(fw, wire.Public, "0.0.0.0/0")
}

// forwardings hand ports of every public address to machines, for machines of the project as well.
func (g *gatewayPlan) forwardings(lan string) {
	for _, d := range g.kawaii.DNAT {
		list, ok := portsOf(d.Ports)
		to, err := netip.ParseAddr(d.Destination)
		if !ok || err != nil || !to.Is4() {
			g.problem("dnat rule %s %s to %s cannot be read and does nothing", d.Protocol, d.Ports, d.Destination)
			continue
		}
		if !g.admitted(d) {
			g.problem("dnat rule %s %s to %s: no ingress rule admits these ports from outside", d.Protocol, d.Ports, d.Destination)
		}
		for _, vip := range g.vips {
			g.state.DNAT = append(g.state.DNAT, wire.Forwarding{Public: vip, Protocol: d.Protocol, Ports: list, Destination: to.String(), Hairpin: true})
			g.rule(wire.Rule{Chain: "forward", In: wire.Private, Source: lan, Destination: vip + "/32", Protocol: d.Protocol, Ports: list, Action: "accept", Why: "machines at the public address"})
		}
	}
}

// admitted tells whether some ingress rule admits a port of the forwarding.
func (g *gatewayPlan) admitted(d model.DNATRule) bool {
	want, _ := parsePorts(d.Ports)
	for _, r := range g.kawaii.Firewall.Ingress {
		if have, ok := parsePorts(r.Ports); ok && r.Protocol == d.Protocol && len(have.intersect(want)) > 0 {
			return true
		}
	}
	return false
}

// egress is what machines may send out through an interface, to a network.
func (g *gatewayPlan) egress(fw *model.Firewall, out, network string) {
	what := policy(fw.EgressPolicy)
	within, _ := netip.ParsePrefix(network)
	for _, r := range fw.Egress {
		destination, ok := network4(r.Destination)
		list, good := portsOf(r.Ports)
		if !ok || !good {
			g.problem("egress rule %s %s to %s cannot be read and changes nothing", r.Protocol, r.Ports, r.Destination)
			continue
		}
		common, ok := overlap(within, destination)
		if !ok {
			continue
		}
		g.rule(wire.Rule{Chain: "forward", In: wire.Private, Out: out, Source: g.private.cidr.String(), Destination: common, Protocol: r.Protocol, Ports: list, Action: opposite(what), Why: "egress rule"})
	}
	if network == "0.0.0.0/0" {
		network = ""
	}
	g.rule(wire.Rule{Chain: "forward", In: wire.Private, Out: out, Source: g.private.cidr.String(), Destination: network, Action: what, Why: "egress policy"})
}

// overlap is what two networks have in common: the smaller one, or nothing.
func overlap(within netip.Prefix, text string) (string, bool) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !within.Overlaps(p) {
		return "", false
	}
	if p.Bits() < within.Bits() {
		return within.String(), true
	}
	return p.String(), true
}
