package behaviour_test

import (
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// dead takes the agents of a host off the line.
func (c *cloud) dead(host model.ID) {
	o, _ := model.Find[*model.Kaktus](c.root, host)
	for _, agent := range o.Agents {
		c.offline[agent] = true
	}
}

func TestNodesOnDeadHostsAreReplaced(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	lb := c.konvey("shop", "eu", `{`+web+`}`)
	for _, x := range []struct {
		op    string
		path  map[string]string
		owner model.ID
	}{
		{"ReplaceKawaii", map[string]string{"kawaiiId": string(k.ID)}, k.ID}, {"ReplaceKonvey", map[string]string{"konveyId": string(lb.ID)}, lb.ID},
	} {
		before := c.nodes(x.owner)
		c.must(x.op, x.path, "")
		for i, n := range c.nodes(x.owner) {
			if n.Kaktus != before[i].Kaktus {
				t.Errorf("%s: node %s moved from a host that is connected", x.op, n.Name)
			}
		}
		c.dead(before[0].Kaktus)
		c.must(x.op, x.path, "")
		after := c.nodes(x.owner)
		if after[0].Kaktus == before[0].Kaktus || after[0].Zone != before[0].Zone || after[0].Address != before[0].Address || after[1].Kaktus != before[1].Kaktus {
			t.Errorf("%s: before %+v, after %+v", x.op, before, after)
		}
		clear(c.offline)
	}
	for _, n := range c.nodes(k.ID) {
		for h := range model.By[*model.Kaktus](c.root, "zone", n.Zone) {
			c.dead(h.ID)
		}
	}
	c.refused(fault.Unavailable, "", "no host of zone", "ReplaceKawaii", map[string]string{"kawaiiId": string(k.ID)}, "")
	_, err := c.as(access.Identity{User: c.member("shop").User, Role: model.RoleProjectAdmin}, "ReplaceKawaii", map[string]string{"kawaiiId": string(k.ID)}, "")
	c.fault(err, fault.Denied, "", "superAdmin")
}
