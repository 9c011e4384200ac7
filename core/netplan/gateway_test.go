package netplan_test

import (
	"slices"
	"strings"
	"testing"

	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/core/wire"
	"kowabunga/testdata/topology"
)

// gateways are the nodes of a gateway, by zone.
func gateways(t testing.TB, v model.View, owner model.ID) map[string]*wire.KawaiiState {
	t.Helper()
	p := netplan.New(v)
	out := map[string]*wire.KawaiiState{}
	for n := range model.By[*model.Node](v, "owner", owner) {
		s, err := wire.DecodeServices(p.Services(n.Kaktus))
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Kawaii {
			if s.Kawaii[i].Node == string(n.ID) {
				out[string(n.Zone)] = &s.Kawaii[i]
			}
		}
	}
	return out
}

func has(rules []wire.Rule, want wire.Rule) bool {
	return slices.ContainsFunc(rules, func(r wire.Rule) bool { r.Why = ""; return r == want })
}

// Exceptions say the opposite of the policy, on what is forwarded, by the port of the destination; nothing
// comes in that no rule admits; DNAT knows udp (fault B15).
func TestB15FirewallSaysTheOppositeOnForwardedTraffic(t *testing.T) {
	root := topology.View()
	for zone, s := range gateways(t, root, topology.Kawaii) {
		if !has(s.Filter, wire.Rule{Chain: "forward", In: wire.Private, Out: wire.Public, Source: "10.50.201.0/24", Destination: "0.0.0.0/0", Protocol: "tcp", Ports: "25", Action: "drop"}) {
			t.Errorf("zone %s: policy accept, and the exception does not drop", zone)
		}
		if !slices.ContainsFunc(s.DNAT, func(d wire.Forwarding) bool { return d.Protocol == "udp" && d.Ports == "53" }) {
			t.Errorf("zone %s: no DNAT of udp", zone)
		}
	}
	root, _ = change(t, root, func(d model.Draft) error {
		return edit(d, topology.Kawaii, func(k *model.Kawaii) { k.Firewall.EgressPolicy, k.Firewall.Ingress = "drop", nil })
	})
	for zone, s := range gateways(t, root, topology.Kawaii) {
		if !has(s.Filter, wire.Rule{Chain: "forward", In: wire.Private, Out: wire.Public, Source: "10.50.201.0/24", Destination: "0.0.0.0/0", Protocol: "tcp", Ports: "25", Action: "accept"}) {
			t.Errorf("zone %s: policy drop, and the exception does not accept", zone)
		}
		for _, r := range s.Filter {
			if r.In == wire.Public && r.Chain == "forward" && r.Action == "accept" {
				t.Errorf("zone %s: without ingress rules %+v lets something in", zone, r)
			}
		}
		if !slices.ContainsFunc(s.Problems, func(p string) bool { return strings.Contains(p, "no ingress rule admits") }) {
			t.Errorf("zone %s: nobody is told that the forwarded ports are closed: %q", zone, s.Problems)
		}
	}
}

// Every zone's node is first in line for the pair of its own zone, whose two addresses move together, and
// leaves through its own public address first.
func TestZoneAffinity(t *testing.T) {
	nodes := gateways(t, topology.View(), topology.Kawaii)
	if len(nodes) != 3 {
		t.Fatalf("%d nodes, want one in each zone", len(nodes))
	}
	for zone, s := range nodes {
		own := ""
		for _, p := range s.VIPs {
			want := 100
			if p.Zone == zone {
				want, own = 150, strings.TrimSuffix(p.Public, "/26")
			}
			if p.Priority != want || p.Public == "" || p.Private == "" || p.VRID == 0 {
				t.Errorf("zone %s: pair %+v, want priority %d and both addresses", zone, p, want)
			}
		}
		if s.Routes[0].Source != own || s.Routes[0].Metric >= s.Routes[1].Metric || s.NAT[0].Addresses[0] != own {
			t.Errorf("zone %s leaves by %+v and %+v, want %s first", zone, s.Routes, s.NAT[0], own)
		}
	}
}

// A peering passes what both sides let pass, and nothing as soon as one of them no longer agrees.
func TestPeeringNeedsBothSides(t *testing.T) {
	peer := func(s *wire.KawaiiState) (rules []wire.Rule) {
		for _, r := range s.Filter {
			if r.Out == "peer-000028a4" {
				r.Why = ""
				rules = append(rules, r)
			}
		}
		return rules
	}
	root := topology.View()
	for zone, s := range gateways(t, root, topology.Kawaii) {
		// The policy lets everything leave, with rules or without; 22 and 5432 may come in there.
		want := []wire.Rule{{Chain: "forward", In: wire.Private, Out: "peer-000028a4", Source: "10.50.201.0/24", Destination: "10.50.202.0/24", Protocol: "tcp", Ports: "22,5432", Action: "accept"}}
		if got := peer(s); !slices.Equal(got, want) {
			t.Errorf("zone %s: %+v", zone, got)
		}
	}
	root, _ = change(t, root, func(d model.Draft) error {
		for k := range model.By[*model.Kawaii](d, "project", topology.Other) {
			return edit(d, k.ID, func(k *model.Kawaii) { k.Peerings = nil })
		}
		return nil
	})
	for zone, s := range gateways(t, root, topology.Kawaii) {
		if got := peer(s); len(got) > 0 || !slices.ContainsFunc(s.Problems, func(p string) bool { return strings.Contains(p, "waits for the other side") }) {
			t.Errorf("zone %s: %+v, problems %q", zone, got, s.Problems)
		}
		if slices.ContainsFunc(s.Interfaces, func(l wire.Leg) bool { return l.Name == "peer-000028a4" }) {
			t.Errorf("zone %s: a leg on a subnet whose owner does not agree", zone)
		}
	}
}

// Gateways of different projects stand on different segments; only a peering puts one on the other's, under
// an address of its own, and only with both sides agreed (fault A21).
func TestA21ProjectsShareNoSegment(t *testing.T) {
	v := topology.View()
	owner := map[string]string{} // of a bridge
	for n := range model.All[*model.Node](v) {
		z, _ := model.Find[*model.Zone](v, n.Zone)
		if z.Region != topology.Region || n.Role != "kawaii" {
			continue
		}
		s := gateways(t, v, n.Owner)[string(n.Zone)]
		for _, l := range s.Interfaces {
			switch had, taken := owner[l.Bridge]; {
			case l.Name != wire.Private:
				continue
			case taken && had != s.Project:
				t.Errorf("projects %s and %s are both on %s", had, s.Project, l.Bridge)
			}
			owner[l.Bridge] = s.Project
		}
		for _, l := range s.Interfaces {
			if l.Name == wire.Public && l.Address != "" {
				t.Errorf("node %s has address %s of its own on the public segment", n.Name, l.Address)
			}
		}
	}
	if len(owner) != 2 {
		t.Errorf("bridges %v, want one for each project", owner)
	}
}
