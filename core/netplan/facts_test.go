package netplan_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/core/wire"
	"kowabunga/store/tree"
	"kowabunga/testdata/chance"
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
	chance.Check(t, func(t *rapid.T) {
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

// Services with one router id on two vnets that have the same VLAN both keep it, as it was given before VLANs
// counted; the region's routers say so.
func TestRouterIDsOnOneVLAN(t *testing.T) {
	root := topology.View()
	p := netplan.New(root)
	documents(root, p)
	konvey, _ := model.Find[*model.Konvey](root, topology.Konvey)
	home, _ := model.Find[*model.Subnet](root, konvey.Subnet)
	net, _ := model.Find[*model.VNet](root, home.VNet)
	twin := model.ID(topology.ID(990011))
	next, refs := change(t, root, func(d model.Draft) error {
		return errors.Join(
			d.Put(&model.VNet{Meta: model.Meta{ID: twin, Name: "twin"}, Region: net.Region, VLAN: net.VLAN, Interface: "br-twin", Private: true}),
			d.Put(&model.Subnet{Meta: model.Meta{ID: topology.ID(990012), Name: "twin"}, VNet: twin, CIDR: "10.78.0.0/24", Gateway: "10.78.0.1", Application: "user"}),
			d.Put(&model.Konvey{Meta: model.Meta{ID: topology.ID(990013), Name: "twin"}, Project: konvey.Project, Region: net.Region, Subnet: topology.ID(990012), VRID: konvey.VRID}))
	})
	p.Update(next, refs)
	for n := range model.By[*model.Node](next, "owner", topology.Konvey) {
		s, err := wire.DecodeServices(p.Services(n.Kaktus))
		if err != nil || len(s.Konvey) != 1 || len(s.Konvey[0].VIPs) == 0 {
			t.Errorf("host %s: %+v %v", n.Kaktus, s.Konvey, err)
		}
	}
	s, err := wire.DecodeKiwi(p.Kiwi(topology.Region))
	want := fmt.Sprintf("both have VLAN %d", net.VLAN)
	if err != nil || !slices.ContainsFunc(s.Problems, func(text string) bool {
		return strings.Contains(text, want) && strings.Contains(text, string(topology.Konvey))
	}) {
		t.Errorf("%v, problems %q", err, s.Problems)
	}
	if net.VLAN == 0 {
		t.Error("the segment has no VLAN")
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
