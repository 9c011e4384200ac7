package hosts

import (
	"slices"
	"testing"
	"time"

	"kowabunga/core/holding"
	"kowabunga/core/model"
	"kowabunga/store"
)

// A zone whose first host appears after the gateways of its region gets their addresses and nodes.
func TestAHostThatAppearsTakesTheNodesItsZoneLacks(t *testing.T) {
	r := newRig(t, 0)
	r.until("the size is known", func() bool {
		o, _ := model.Find[*model.Kaktus](r.store.View(), id(4))
		return o.Caps.Threads == 8
	})
	change := func(f func(model.Draft) error) {
		t.Helper()
		if _, err := r.store.Update(t.Context(), store.Cause{Actor: "test"}, f); err != nil {
			t.Fatal(err)
		}
	}
	change(func(d model.Draft) error {
		return holding.Lose(d, model.NewDraw([32]byte{1}, time.Unix(1, 0)), "a test")
	})
	o, _ := model.Find[*model.Kaktus](r.store.View(), id(4))
	o = model.Edit(o)
	o.OvercommitCPU, o.OvercommitMemory = 3, 2
	p := &model.Project{Meta: named(6, "shop"), Regions: []model.ID{id(1)}}
	put(t, r.store, o, p, &model.VNet{Meta: named(20, "lan"), Region: id(1), Interface: "br0", Private: true}, &model.VNet{Meta: named(21, "wan"), Region: id(1), Interface: "br1"},
		&model.Subnet{Meta: named(22, "lan"), VNet: id(20), Project: id(6), CIDR: "10.1.0.0/26", Gateway: "10.1.0.1", GwPool: []model.IPRange{{First: "10.1.0.2", Last: "10.1.0.5"}}},
		&model.Subnet{Meta: named(23, "wan"), VNet: id(21), CIDR: "203.0.113.0/24", Gateway: "203.0.113.1"},
		&model.Kawaii{Meta: named(24, "gateway"), Project: id(6), Region: id(1), PrivateSubnet: id(22)})
	r.keeper.staff(id(3))
	if r.store.View().Len(model.KindNode) != 0 {
		t.Error("addresses are handed out before it is known what is in use")
	}
	change(holding.Regain)
	r.until("the zone has its node", func() bool { return r.store.View().Len(model.KindNode) == 1 })
	k, _ := model.Find[*model.Kawaii](r.store.View(), id(24))
	nodes := slices.Collect(model.By[*model.Node](r.store.View(), "owner", id(24)))
	if len(k.VIPs) != 1 || k.VIPs[0].Public != "203.0.113.2" || len(nodes) != 1 || nodes[0].Kaktus != id(4) {
		t.Fatalf("addresses %+v, nodes %+v", k.VIPs, nodes)
	}
	before := r.store.View().Index()
	r.keeper.staff(id(3))
	if after := r.store.View().Index(); after != before {
		t.Errorf("a zone that lacks nothing is written to: %d, %d", before, after)
	}
}
