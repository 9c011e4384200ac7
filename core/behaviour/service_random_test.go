package behaviour_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

// consistent checks what must hold of gateways and load balancers after every request.
func (c *cloud) consistent(t *rapid.T) {
	type slot struct {
		segment model.ID
		vrid    int64
	}
	vrids := map[slot]string{}
	segment := func(subnet model.ID) model.ID {
		s, ok := model.Find[*model.Subnet](c.root, subnet)
		if !ok {
			t.Fatalf("there is no subnet %s", subnet)
		}
		return s.VNet
	}
	claim := func(owner string, vrid int64, subnets ...model.ID) {
		for _, s := range subnets {
			at := slot{segment(s), vrid}
			if vrids[at] != "" {
				t.Fatalf("VRRP id %d on one segment has %s and %s", vrid, vrids[at], owner)
			}
			vrids[at] = owner
		}
	}
	addresses := map[string]string{}
	take := func(subnet model.ID, address, owner string) {
		at := string(subnet) + " " + address
		if addresses[at] != "" {
			t.Fatalf("%s has %s and %s", at, addresses[at], owner)
		}
		addresses[at] = owner
	}
	used := map[model.ID]bool{}
	shown := map[model.ID][]int64{}
	for a := range model.All[*model.Adapter](c.root) {
		for _, address := range a.Addresses {
			take(a.Subnet, address, a.Name)
		}
	}
	for k := range model.All[*model.Kawaii](c.root) {
		hosts := map[model.ID]bool{}
		for _, n := range c.nodes(k.ID) {
			if hosts[n.Kaktus] {
				t.Fatalf("%s has two nodes on a host", k.Name)
			}
			hosts[n.Kaktus] = true
			used[n.Adapter], used[n.Public] = true, true
		}
		for _, vip := range k.VIPs {
			claim(k.Name, vip.VRID, k.PublicSubnet, k.PrivateSubnet)
			take(k.PrivateSubnet, vip.Private, k.Name)
			used[vip.PublicAdapter] = true
			shown[k.Project] = append(shown[k.Project], vip.VRID)
		}
		for _, p := range k.Peerings {
			there, _ := model.Find[*model.Subnet](c.root, p.Subnet)
			mutual := false
			for other := range model.By[*model.Kawaii](c.root, "project", there.Project) {
				mutual = mutual || slices.ContainsFunc(other.Peerings, func(q model.Peering) bool { return q.Subnet == k.PrivateSubnet })
			}
			want := 0
			if mutual {
				want = len(k.VIPs)
			}
			if len(p.Legs) != want {
				t.Fatalf("%s has %d addresses on %s, mutual %v", k.Name, len(p.Legs), there.Name, mutual)
			}
			for _, leg := range p.Legs {
				used[leg.Adapter] = true
			}
		}
	}
	for k := range model.All[*model.Konvey](c.root) {
		claim(k.Name, k.VRID, k.Subnet)
		shown[k.Project] = append(shown[k.Project], k.VRID)
		used[k.Adapter] = true
		nodes := c.nodes(k.ID)
		if k.Failover != (len(nodes) == 2) || len(nodes) == 2 && nodes[0].Kaktus == nodes[1].Kaktus {
			t.Fatalf("%s with failover %v has nodes %+v", k.Name, k.Failover, nodes)
		}
		for _, n := range nodes {
			used[n.Adapter] = true
		}
	}
	for a := range model.All[*model.Adapter](c.root) {
		if !used[a.ID] {
			t.Fatalf("adapter %q is nobody's", a.Name)
		}
	}
	for p := range model.All[*model.Project](c.root) {
		ids := shown[p.ID]
		slices.Sort(ids)
		if !slices.Equal(slices.Compact(ids), p.VRRPIDs) {
			t.Fatalf("project %s shows VRRP ids %v, has %v", p.Name, p.VRRPIDs, ids)
		}
	}
}

// Whatever is created, changed and deleted in whatever order: no address and no VRRP id is given twice,
// peerings have addresses exactly while both sides want them, and nothing is left behind.
func TestAnyOrderOfRequestsKeepsServicesConsistent(t *testing.T) {
	chance.Check(t, func(rt *rapid.T) {
		c := newCloud(t)
		projects := []string{"a", "b", "c"}
		for _, p := range projects {
			c.project(p, "eu")
		}
		empty := c.services()
		zones := 2
		do := func(id string, names map[string]string, body string) { _, _ = c.ask(id, names, body) }
		for range rapid.IntRange(1, 25).Draw(rt, "requests") {
			p := rapid.SampledFrom(projects).Draw(rt, "project")
			peers := `{"vpc_peerings":[`
			for i, q := range rapid.SliceOfNDistinct(rapid.SampledFrom(others(projects, p)), 0, 2, rapid.ID).Draw(rt, "peers") {
				if i > 0 {
					peers += ","
				}
				peers += `{"subnet":"` + string(c.id(model.KindSubnet, q+"-eu")) + `"}`
			}
			peers += `]}`
			balancer := fmt.Sprintf(`{"name":"lb-%s","failover":%v,%s}`, p, rapid.Bool().Draw(rt, "failover"), web)
			switch rapid.IntRange(0, 8).Draw(rt, "request") {
			case 0, 1:
				do("CreateProjectRegionKawaii", in(p, "eu"), peers)
			case 2:
				do("UpdateKawaii", map[string]string{"kawaiiId": "kawaii-" + p}, peers)
			case 3:
				do("DeleteKawaii", map[string]string{"kawaiiId": "kawaii-" + p}, "")
			case 4:
				do("CreateProjectRegionKonvey", in(p, "eu"), balancer)
			case 5:
				do("UpdateKonvey", map[string]string{"konveyId": "lb-" + p}, balancer)
			case 6:
				do("DeleteKonvey", map[string]string{"konveyId": "lb-" + p}, "")
			case 7:
				if zones < 4 {
					zones++
					do("CreateZone", map[string]string{"regionId": "eu"}, fmt.Sprintf(`{"name":"eu-z%d"}`, zones))
				}
			case 8:
				do("DeleteZone", map[string]string{"zoneId": fmt.Sprintf("eu-z%d", zones)}, "")
			}
			c.consistent(rt)
		}
		for _, p := range projects {
			do("DeleteKawaii", map[string]string{"kawaiiId": "kawaii-" + p}, "")
			do("DeleteKonvey", map[string]string{"konveyId": "lb-" + p}, "")
		}
		if got := c.services(); got != empty {
			rt.Fatalf("left behind: %s", got)
		}
	})
}

func others(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}
