package netplan_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/testdata/chance"
	"kowabunga/testdata/topology"
)

// foreign are the words that name a region, or anything that is only there: ids and names of its objects,
// its networks.
func foreign(v model.View, region model.ID) map[string]string {
	words := map[string]string{}
	name := func(o model.Object, more ...string) {
		for _, word := range append(more, string(o.Base().ID), o.Base().Name) {
			if word != "" {
				words[word] = string(o.Kind()) + " " + o.Base().Name
			}
		}
	}
	if o, ok := model.Find[*model.Region](v, region); ok {
		name(o, o.Domain)
	}
	for z := range model.By[*model.Zone](v, "region", region) {
		name(z)
		for h := range model.By[*model.Kaktus](v, "zone", z.ID) {
			name(h)
			for _, agent := range h.Agents {
				a, _ := model.Find[*model.Agent](v, agent)
				name(a)
			}
		}
		for o := range model.By[*model.Instance](v, "zone", z.ID) {
			name(o)
		}
		for n := range model.By[*model.Node](v, "zone", z.ID) {
			name(n)
		}
	}
	for k := range model.By[*model.Kiwi](v, "region", region) {
		name(k)
	}
	for k := range model.By[*model.Kawaii](v, "region", region) {
		name(k)
	}
	for n := range model.By[*model.VNet](v, "region", region) {
		name(n)
		for s := range model.By[*model.Subnet](v, "vnet", n.ID) {
			name(s, s.CIDR, s.Gateway)
			if p, ok := model.Find[*model.Project](v, s.Project); ok {
				name(p, p.Domain) // whoever has a subnet here is here
			}
			for a := range model.By[*model.Adapter](v, "subnet", s.ID) {
				name(a, append(a.Addresses, a.MAC)...)
			}
		}
	}
	for p := range model.By[*model.Project](v, "region", region) {
		name(p, p.Domain)
		for r := range model.By[*model.Record](v, "project", p.ID) {
			name(r)
		}
	}
	return words
}

// word is whatever an id, a name, an address or a network is made of.
var word = regexp.MustCompile(`[A-Za-z0-9:./_-]+`)

// Nothing that is sent to the agents of one region names another one or anything in it, wherever machines
// are put and whatever comes and goes.
func TestSitesKnowNothingOfEachOther(t *testing.T) {
	base := topology.View()
	chance.Check(t, func(t *rapid.T) {
		e := base.Edit()
		for n := range rapid.IntRange(0, 6).Draw(t, "changes") {
			mutate(t, e, n)
		}
		v := e.Publish(2)
		p := netplan.New(v)
		for _, here := range []model.ID{topology.Region, topology.Abroad} {
			there := topology.Region
			if here == there {
				there = topology.Abroad
			}
			mine, theirs := foreign(v, here), foreign(v, there)
			sent := map[string][]byte{"kiwi": p.Kiwi(here)}
			for z := range model.By[*model.Zone](v, "region", here) {
				for h := range model.By[*model.Kaktus](v, "zone", z.ID) {
					sent["services of "+h.Name] = p.Services(h.ID)
					for _, agent := range h.Agents {
						if state, ok := netplan.Kaktus(v, agent); ok {
							sent["state of "+h.Name], _ = json.Marshal(state)
						}
					}
				}
			}
			for what, body := range sent {
				for _, w := range word.FindAllString(string(body), -1) {
					if _, ours := mine[w]; ours {
						continue // bridges and the like have the same names everywhere
					}
					if secret, leaked := theirs[w]; leaked {
						t.Fatalf("%s of region %s says %q, which is %s of the other region:\n%s", what, here, w, secret, body)
					}
				}
			}
		}
	})
}

// A node without its service, or in another region than it, is nobody's: its host hears nothing of it.
func TestStrayNodesAreLeftOut(t *testing.T) {
	for what, change1 := range map[string]func(model.Draft) error{
		"service gone": func(d model.Draft) error {
			return errors.Join(d.Delete(model.KindKawaii, topology.Kawaii), d.Delete(model.KindKonvey, topology.Konvey))
		},
		"node abroad": func(d model.Draft) error {
			abroad, _ := model.Find[*model.Kaktus](d, topology.Hosts(topology.Abroad)[0])
			for _, owner := range []model.ID{topology.Kawaii, topology.Konvey} {
				for n := range model.By[*model.Node](d, "owner", owner) {
					if err := edit(d, n.ID, func(n *model.Node) { n.Kaktus, n.Zone = abroad.ID, abroad.Zone }); err != nil {
						return err
					}
				}
			}
			return nil
		},
	} {
		root := topology.View()
		var nodes []string
		for _, owner := range []model.ID{topology.Kawaii, topology.Konvey} {
			for n := range model.By[*model.Node](root, "owner", owner) {
				nodes = append(nodes, string(n.ID))
			}
		}
		next, _ := change(t, root, func(d model.Draft) error {
			for e := range model.All[*model.IPsec](d) {
				if err := d.Delete(model.KindIPsec, e.ID); err != nil {
					return err
				}
			}
			return change1(d)
		})
		before, after := netplan.New(root), netplan.New(next)
		said := 0
		for _, host := range append(topology.Hosts(topology.Region), topology.Hosts(topology.Abroad)...) {
			for _, node := range nodes {
				if strings.Contains(string(before.Services(host)), node) {
					said++
				}
				if strings.Contains(string(after.Services(host)), node) {
					t.Errorf("%s: host %s still hears of node %s", what, host, node)
				}
			}
		}
		if said != len(nodes) || said == 0 {
			t.Errorf("%d of %d nodes were said before", said, len(nodes))
		}
	}
}
