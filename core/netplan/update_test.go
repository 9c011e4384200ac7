package netplan_test

import (
	"bytes"
	"encoding/json"
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

// documents are all documents of a view, by what they are for.
func documents(v model.View, p *netplan.Plan) map[string][]byte {
	out := map[string][]byte{}
	for r := range model.All[*model.Region](v) {
		out["kiwi "+string(r.ID)] = p.Kiwi(r.ID)
	}
	for h := range model.All[*model.Kaktus](v) {
		out["services "+string(h.ID)] = p.Services(h.ID)
		for _, agent := range h.Agents {
			state, _ := netplan.Kaktus(v, agent)
			out["state "+string(agent)], _ = json.Marshal(state)
		}
	}
	return out
}

// changes are the objects that differ between two states of the same tables.
func changes(e *tree.Edit) []netplan.Ref {
	var out []netplan.Ref
	for _, c := range e.Changes() {
		out = append(out, netplan.Ref{Kind: c.Kind, ID: c.ID})
	}
	return out
}

// change edits a state and returns the next one with what changed.
func change(t testing.TB, root *tree.Root, edit func(model.Draft) error) (*tree.Root, []netplan.Ref) {
	t.Helper()
	e := root.Edit()
	if err := edit(e); err != nil {
		t.Fatal(err)
	}
	return e.Publish(root.Index() + 1), changes(e)
}

func edit[O model.Object](d model.Draft, id model.ID, f func(O)) error {
	o, ok := model.Find[O](d, id)
	if !ok {
		return fmt.Errorf("no object %s", id)
	}
	o = model.Edit(o)
	f(o)
	return d.Put(o)
}

// mutate makes one random change that the tables allow; whether behaviours would is not asked.
func mutate(t *rapid.T, d model.Draft, n int) {
	pick := func(kind model.Kind) model.Object {
		var all []model.Object
		for o := range d.All(kind) {
			all = append(all, o)
		}
		if len(all) == 0 {
			return nil
		}
		return all[rapid.IntRange(0, len(all)-1).Draw(t, "which")].Clone()
	}
	kinds := []model.Kind{model.KindRegion, model.KindZone, model.KindKaktus, model.KindKiwi, model.KindVNet, model.KindSubnet, model.KindProject, model.KindAdapter, model.KindInstance,
		model.KindRecord, model.KindKawaii, model.KindIPsec, model.KindKonvey, model.KindNode, model.KindVolume}
	o := pick(rapid.SampledFrom(kinds).Draw(t, "kind"))
	if o == nil {
		return
	}
	word := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "word") }
	what := rapid.IntRange(0, 3).Draw(t, "what")
	if what == 0 {
		_ = d.Delete(o.Kind(), o.Base().ID) // refused where others refer to it
		return
	}
	name := fmt.Sprintf("name-%d", n)
	switch o := o.(type) {
	case *model.Region:
		o.Domain = word("eu.example", "acme.local", "", "Bad Domain!")
	case *model.Kaktus:
		if what == 1 {
			o.Name = name
		} else {
			o.Caps.Memory++
		}
	case *model.Kiwi:
		o.Agents = o.Agents[:rapid.IntRange(0, len(o.Agents)).Draw(t, "agents")]
	case *model.VNet:
		o.Interface, o.VLAN = word("br0", "br201", "br999", "no good name!"), int64(rapid.SampledFrom([]int{0, 201, 4094, 5000}).Draw(t, "vlan"))
	case *model.Subnet:
		switch what {
		case 1:
			o.Project = rapid.SampledFrom([]model.ID{"", topology.Acme, topology.Other}).Draw(t, "owner")
		case 2:
			o.ExtraRoutes = []string{word("10.99.0.0/16", "192.168.0.1/16", "nonsense")}
		default:
			o.Gateway = word("10.50.201.1", "10.50.202.1", "", "fe80::1")
		}
	case *model.Project:
		if what == 1 {
			o.Domain = word("acme.local", "marvelous.local", "", "eu-west.example.net", "UPPER.local")
		} else {
			o.Gateways = o.Gateways[:rapid.IntRange(0, len(o.Gateways)).Draw(t, "gateways")]
		}
	case *model.Adapter:
		switch what {
		case 1:
			o.Addresses = []string{word("10.50.201.77", "10.50.202.77", "203.0.113.33", "fe80::2")}
		case 2:
			o.Reserved, o.Kompute = !o.Reserved, ""
			if rapid.Bool().Draw(t, "shared") {
				o.MAC = word("00:00:5e:00:01:05", "00:00:5e:00:02:0a", "da:1e:70:00:00:01")
			}
		default:
			o.Addresses = nil
		}
	case *model.Instance:
		if what == 1 || len(o.Adapters) == 0 {
			o.Name = word("front-web-1", "Front_web 1", name, "ad", strings.Repeat("x", 70))
		} else {
			o.Adapters = nil
		}
	case *model.Record:
		if what == 1 {
			o.Name = word("ad", "front-web-1", name, "*", "a.b", "bad name")
		} else {
			o.Addresses = []string{word("10.50.201.99", "2001:db8::1", "bad")}
		}
	case *model.Kawaii:
		switch what {
		case 1:
			o.VIPs = slices.Clone(o.VIPs[:rapid.IntRange(0, len(o.VIPs)).Draw(t, "pairs")])
			for i := range o.VIPs {
				o.VIPs[i].VRID = int64(rapid.IntRange(0, 30).Draw(t, "vrid"))
			}
		case 2:
			o.Peerings = o.Peerings[:rapid.IntRange(0, len(o.Peerings)).Draw(t, "peerings")]
		default:
			o.Firewall = model.Firewall{EgressPolicy: word("accept", "drop", ""), Ingress: []model.IngressRule{{Source: word("0.0.0.0/0", "x", "10.0.0.1"), Protocol: word("tcp", "sctp"), Ports: word("1-9", "0", "9-1")}}}
		}
	case *model.IPsec:
		o.Phase1DHGroup, o.RemoteSubnet = int64(rapid.SampledFrom([]int{2, 5, 14, 77}).Draw(t, "group")), word("172.16.0.0/24", "nonsense")
	case *model.Konvey:
		o.VRID = int64(rapid.IntRange(0, 30).Draw(t, "vrid"))
		o.Endpoints = []model.Endpoint{{Name: word("a", ""), Port: 80, Protocol: word("tcp", "udp", "x"), Backends: model.Backends{Hosts: []string{word("ad", "acme-web-1.acme.local", "unknown", "10.1.1.1")}, Port: 80}}}
	case *model.Node:
		if h, ok := pick(model.KindKaktus).(*model.Kaktus); ok {
			o.Kaktus, o.Zone = h.ID, h.Zone
		}
	}
	_ = d.Put(o) // refused where a name or address is taken
}

// Whatever happens, a plan that followed it gives what a new one gives, nobody is left out of what is
// affected, and every document can be carried out.
func TestIncrementalIsFull(t *testing.T) {
	base := topology.View()
	chance.Check(t, func(t *rapid.T) {
		root := base
		p := netplan.New(root)
		was := documents(root, p)
		for n := range rapid.IntRange(1, 6).Draw(t, "commits") {
			e := root.Edit()
			for m := range rapid.IntRange(1, 2).Draw(t, "changes") {
				mutate(t, e, 10*n+m)
			}
			refs := changes(e)
			root = e.Publish(root.Index() + 1)
			if rapid.IntRange(0, 3).Draw(t, "asked") == 0 {
				p.Services(topology.Hosts(topology.Region)[2]) // pieces may or may not be there
			}
			affected := p.Update(root, refs)
			now, full := documents(root, p), documents(root, netplan.New(root))
			for name, want := range full {
				if !bytes.Equal(now[name], want) {
					t.Fatalf("after %v, %s is not what a new plan gives:\n%s", refs, name, difference(want, now[name]))
				}
				kind, id, _ := strings.Cut(name, " ")
				told := affected.Regions[model.ID(id)]
				switch kind {
				case "services":
					told = affected.Hosts[model.ID(id)]
				case "state":
					told = affected.Agents[model.ID(id)]
				}
				if had, there := was[name]; there && !bytes.Equal(had, want) && !told {
					t.Fatalf("after %v, %s changed and nobody is told:\n%s", refs, name, difference(had, want))
				}
				var err error
				switch kind {
				case "kiwi":
					_, err = wire.DecodeKiwi(want)
				case "services":
					_, err = wire.DecodeServices(want)
				}
				if err != nil {
					t.Fatalf("after %v, %s cannot be carried out: %v\n%s", refs, name, err, want)
				}
			}
			was = full
		}
	})
}
