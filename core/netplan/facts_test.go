package netplan_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/core/wire"
	"kowabunga/store/tree"
	"kowabunga/testdata/topology"
)

func kiwi(t testing.TB, v model.View, region model.ID) *wire.KiwiState {
	t.Helper()
	s, err := wire.DecodeKiwi(netplan.New(v).Kiwi(region))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

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

// A change of one record, or of one machine's name where no gateway tells its metadata, is one line of the
// routers of its region, and of no other document.
func TestOneRecordIsOneLine(t *testing.T) {
	root := topology.View()
	for what, change1 := range map[string]func(model.Draft) error{
		"record": func(d model.Draft) error {
			return edit(d, topology.Record, func(r *model.Record) { r.Addresses = []string{"10.50.201.99"} })
		},
		"machine": func(d model.Draft) error {
			return edit(d, topology.Machine, func(o *model.Instance) { o.Name = "front" })
		},
	} {
		if what == "machine" { // without the gateway and the load balancer, which tell and know its name
			root, _ = change(t, root, func(d model.Draft) error {
				for _, owner := range []model.ID{topology.Kawaii, topology.Konvey} {
					for n := range model.By[*model.Node](d, "owner", owner) {
						if err := d.Delete(model.KindNode, n.ID); err != nil {
							return err
						}
					}
				}
				return nil
			})
		}
		p := netplan.New(root)
		before := documents(root, p)
		next, refs := change(t, root, change1)
		p.Update(next, refs)
		for name, body := range documents(next, p) {
			old, now := bytes.Split(before[name], []byte("\n")), bytes.Split(body, []byte("\n"))
			lines := 0
			for i := range max(len(old), len(now)) {
				if i >= len(old) || i >= len(now) || !bytes.Equal(old[i], now[i]) {
					lines++
				}
			}
			want := 0
			if name == "kiwi "+string(topology.Region) {
				want = 1
			}
			if lines != want {
				t.Errorf("%s: %d lines of %s changed, want %d", what, lines, name, want)
			}
		}
	}
}

// Every agent of a region gets all names, of machines and of records (faults B10 and B11): the state is
// whole and the same for all.
func TestB11NamesOfMachinesAreInTheWholeState(t *testing.T) {
	s := kiwi(t, topology.View(), topology.Region)
	for _, name := range []string{"acme-web-1", "acme-web-2", "acme-web-3", "ad"} {
		if !slices.ContainsFunc(s.Records, func(r wire.Record) bool { return r.Zone == "acme.local" && r.Name == name }) {
			t.Errorf("%s.acme.local is not there", name)
		}
	}
	if len(s.Members) != 2 {
		t.Errorf("members %v, want both agents of the Kiwi", s.Members)
	}
}

// A renamed machine has its new name alone (fault B28).
func TestB28RenameLeavesNothing(t *testing.T) {
	root, _ := change(t, topology.View(), func(d model.Draft) error {
		return edit(d, topology.Record, func(r *model.Record) { r.Name = "ldap" })
	})
	body := string(netplan.New(root).Kiwi(topology.Region))
	if strings.Contains(body, `"name":"ad"`) || !strings.Contains(body, `"name":"ldap"`) {
		t.Error("the old name is there, or the new one is not")
	}
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
		// All but 22 may leave, 22 and 5432 may come in there.
		want := []wire.Rule{{Chain: "forward", In: wire.Private, Out: "peer-000028a4", Source: "10.50.201.0/24", Destination: "10.50.202.0/24", Protocol: "tcp", Ports: "5432", Action: "accept"}}
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

// Nothing panics where sets are empty: regions without zones or public segments, gateways without
// addresses, balancers without endpoints (fault B22).
func TestB22EmptySets(t *testing.T) {
	d := tree.New(topology.Tables()).Edit()
	id := topology.ID
	for _, o := range []model.Object{
		&model.Region{Meta: model.Meta{ID: id(1), Name: "empty"}}, &model.Kiwi{Meta: model.Meta{ID: id(2), Name: "kiwi"}, Region: id(1)}, &model.Project{Meta: model.Meta{ID: id(3), Name: "p"}, Regions: []model.ID{id(1)}},
		&model.Zone{Meta: model.Meta{ID: id(4), Name: "z"}, Region: id(1)}, &model.Kaktus{Meta: model.Meta{ID: id(5), Name: "h"}, Zone: id(4)},
		&model.VNet{Meta: model.Meta{ID: id(6), Name: "n"}, Region: id(1), Interface: "br1", Private: true}, &model.Subnet{Meta: model.Meta{ID: id(7), Name: "s"}, VNet: id(6), Project: id(3), CIDR: "10.0.0.0/24", Gateway: "10.0.0.1"},
		&model.Kawaii{Meta: model.Meta{ID: id(8), Name: "gw"}, Project: id(3), Region: id(1), PrivateSubnet: id(7)},
		&model.Konvey{Meta: model.Meta{ID: id(9), Name: "lb"}, Project: id(3), Region: id(1), Subnet: id(7), Endpoints: []model.Endpoint{{Name: "e", Port: 1, Protocol: "tcp"}}},
		&model.Node{Meta: model.Meta{ID: id(10), Name: "n1"}, Project: id(3), Zone: id(4), Kaktus: id(5), Owner: id(8), Role: "kawaii"},
		&model.Node{Meta: model.Meta{ID: id(11), Name: "n2"}, Project: id(3), Zone: id(4), Kaktus: id(5), Owner: id(9), Role: "konvey"},
	} {
		if err := d.Put(o); err != nil {
			t.Fatal(err)
		}
	}
	v := d.Publish(1)
	p := netplan.New(v)
	kiwi(t, v, id(1))
	s, err := wire.DecodeServices(p.Services(id(5)))
	if err != nil || len(s.Kawaii) != 1 || len(s.Konvey) != 1 {
		t.Fatalf("%+v: %v", s, err)
	}
	if len(s.Kawaii[0].Problems) == 0 || len(s.Konvey[0].Problems) == 0 {
		t.Errorf("nobody is told what is missing: %q, %q", s.Kawaii[0].Problems, s.Konvey[0].Problems)
	}
	for _, none := range []model.ID{"", id(99)} {
		kiwi(t, v, none)
		if _, err := wire.DecodeServices(p.Services(none)); err != nil {
			t.Error(err)
		}
	}
}

// No two routers of a segment have the same VRRP id, whoever they belong to; where two want one, the
// older keeps it, the other says so, and the Kiwis move out of the way of both.
func TestRouterIDsAreUniqueOnEverySegment(t *testing.T) {
	base := topology.View()
	rapid.Check(t, func(t *rapid.T) {
		e := base.Edit()
		vrid := func() int64 { return rapid.SampledFrom([]int64{7, 10, 254, 255}).Draw(t, "vrid") }
		for k := range model.All[*model.Kawaii](base) {
			k = model.Edit(k)
			k.VIPs = slices.Clone(k.VIPs)
			for i := range k.VIPs {
				k.VIPs[i].VRID = vrid() - int64(i)
			}
			_ = e.Put(k)
		}
		for k := range model.All[*model.Konvey](base) {
			k = model.Edit(k)
			k.VRID = vrid()
			_ = e.Put(k)
		}
		v := e.Publish(2)
		p := netplan.New(v)
		type router struct {
			bridge string
			vrid   int64
		}
		owner := map[router]string{}
		claim := func(bridge string, vrid int64, who string) {
			if had, taken := owner[router{bridge, vrid}]; taken && had != who {
				t.Fatalf("%s and %s both have VRRP id %d on %s", had, who, vrid, bridge)
			}
			owner[router{bridge, vrid}] = who
		}
		s, err := wire.DecodeKiwi(p.Kiwi(topology.Region))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range s.Groups {
			claim(g.Interface, g.VRID, "the Kiwi")
		}
		for _, host := range topology.Hosts(topology.Region) {
			s, err := wire.DecodeServices(p.Services(host))
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range s.Kawaii {
				for _, pair := range k.VIPs {
					for _, leg := range k.Interfaces[:2] {
						claim(leg.Bridge, pair.VRID, k.Kawaii)
					}
				}
			}
			for _, k := range s.Konvey {
				for _, vip := range k.VIPs {
					claim(k.Interfaces[0].Bridge, vip.VRID, k.Konvey)
				}
			}
		}
	})
}

// A load balancer that loses its VRRP id to an older gateway is planned anew although nobody changed it.
func TestContestOfRouterIDs(t *testing.T) {
	root := topology.View()
	p := netplan.New(root)
	documents(root, p)
	konvey, _ := model.Find[*model.Konvey](root, topology.Konvey)
	next, refs := change(t, root, func(d model.Draft) error {
		return edit(d, topology.Kawaii, func(k *model.Kawaii) {
			k.VIPs = slices.Clone(k.VIPs)
			k.VIPs[0].VRID = konvey.VRID
		})
	})
	affected := p.Update(next, refs)
	for n := range model.By[*model.Node](next, "owner", topology.Konvey) {
		if !affected.Hosts[n.Kaktus] {
			t.Errorf("host %s is not told", n.Kaktus)
		}
		s, err := wire.DecodeServices(p.Services(n.Kaktus))
		if err != nil || len(s.Konvey) != 1 || len(s.Konvey[0].VIPs) > 0 || len(s.Konvey[0].Problems) == 0 {
			t.Errorf("host %s: %+v %v", n.Kaktus, s.Konvey, err)
		}
	}
}

// What a load balancer knows of its backends: names as they were written, and what they mean now.
func TestBackends(t *testing.T) {
	v := topology.View()
	p := netplan.New(v)
	for n := range model.By[*model.Node](v, "owner", topology.Konvey) {
		s, err := wire.DecodeServices(p.Services(n.Kaktus))
		if err != nil {
			t.Fatal(err)
		}
		k := s.Konvey[0]
		want := []wire.Backend{
			{Endpoint: "https", Host: "acme-web-1", Port: 8443, Addresses: []string{"10.50.201.10"}}, {Endpoint: "https", Host: "acme-web-2.acme.local", Port: 8443, Addresses: []string{"10.50.201.11"}},
			{Endpoint: "https", Host: "10.50.201.12", Port: 8443, Addresses: []string{"10.50.201.12"}}, {Endpoint: "dns", Host: "acme-web-3", Port: 53, Addresses: []string{"10.50.201.12"}},
		}
		if len(k.Backends) != len(want) {
			t.Fatalf("backends %+v", k.Backends)
		}
		for i := range want {
			if string(wire.Line(k.Backends[i])) != string(wire.Line(want[i])) {
				t.Errorf("backend %+v, want %+v", k.Backends[i], want[i])
			}
		}
		priority := wire.PriorityOwn
		if n.Standby {
			priority = wire.PriorityOther
		}
		if k.VIPs[0].Priority != priority {
			t.Errorf("node %s has priority %d, want %d", n.Name, k.VIPs[0].Priority, priority)
		}
	}
}

// Projects reach nothing through the routers, and the operator's networks are not reached from outside.
func TestRoutersKeepProjectsApart(t *testing.T) {
	s := kiwi(t, topology.View(), topology.Region)
	for _, net := range []string{"10.50.201.0/24", "10.50.202.0/24"} {
		for _, r := range s.Filter {
			if r.Chain != "forward" || r.Action == "drop" {
				continue
			}
			dropped := slices.IndexFunc(s.Filter, func(d wire.Rule) bool { return d.Action == "drop" && d.Destination == net && d.Source == "" })
			if r.Source == net || dropped < 0 || dropped > slices.Index(s.Filter, r) {
				t.Errorf("%s is reached, or reaches something, by %+v", net, r)
			}
		}
	}
	for _, m := range s.NAT {
		if m.Source != "10.50.101.0/24" {
			t.Errorf("the routers translate %s, which is not the operator's", m.Source)
		}
	}
}
