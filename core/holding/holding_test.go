package holding_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/catalogue"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store/tree"
)

func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func meta(n int) model.Meta { return model.Meta{ID: id(n), Name: fmt.Sprintf("object%d", n)} }

const (
	region, zone, zoneB                = 1, 2, 3
	host, hostB, agentA, agentB        = 10, 11, 12, 13
	lan, subnet, card, loose, disk     = 20, 21, 22, 23, 24
	pool, shop, machine, gateway, node = 30, 31, 32, 33, 34
	balancer, nodeB, cardOfNode, share = 40, 41, 42, 43
	nfs, making, work                  = 44, 45, 46
)

// world has two hosts, each with its agent, and a machine, a gateway's node, a load balancer's node, a disk
// and a share of theirs on the first.
func world(t *testing.T) *tree.Root {
	t.Helper()
	d := tree.New(append(catalogue.Tables(), operation.Table)).Edit()
	put(t, d, &model.Region{Meta: meta(region)}, &model.Zone{Meta: meta(zone), Region: id(region)}, &model.Zone{Meta: meta(zoneB), Region: id(region)},
		&model.Agent{Meta: meta(agentA), Type: "Kaktus", Identity: "a", Former: []string{"a0"}}, &model.Agent{Meta: meta(agentB), Type: "Kaktus", Identity: "b"},
		&model.Kaktus{Meta: meta(host), Zone: id(zone), Agents: []model.ID{id(agentA)}}, &model.Kaktus{Meta: meta(hostB), Zone: id(zoneB), Agents: []model.ID{id(agentB)}},
		&model.VNet{Meta: meta(lan), Region: id(region), VLAN: 7, Interface: "br0"}, &model.Subnet{Meta: meta(subnet), VNet: id(lan), CIDR: "10.0.0.0/24"},
		&model.Project{Meta: meta(shop)}, &model.Pool{Meta: meta(pool), Region: id(region), Pool: "dir:disks", Agents: []model.ID{id(agentA)}},
		&model.Adapter{Meta: meta(card), Subnet: id(subnet), MAC: "02:00:00:00:00:01", Addresses: []string{"10.0.0.9"}},
		&model.Adapter{Meta: meta(loose), Subnet: id(subnet), MAC: "02:00:00:00:00:02", Addresses: []string{"10.0.0.10"}},
		&model.Adapter{Meta: meta(cardOfNode), Subnet: id(subnet), MAC: "02:00:00:00:00:03", Addresses: []string{"10.0.0.11"}},
		&model.Volume{Meta: meta(disk), Project: id(shop), Region: id(region), Pool: id(pool)},
		&model.Instance{Meta: meta(machine), Project: id(shop), Zone: id(zone), Kaktus: id(host), Adapters: []model.ID{id(card)}, Volumes: []model.ID{id(disk)}},
		&model.Kawaii{Meta: meta(gateway), Project: id(shop), Region: id(region), PrivateSubnet: id(subnet),
			VIPs: []model.GatewayVIP{{Zone: id(zone), VRID: 5, Public: "203.0.113.5", Private: "10.0.0.5", PublicAdapter: id(cardOfNode)}}},
		&model.Node{Meta: meta(node), Project: id(shop), Zone: id(zone), Kaktus: id(host), Owner: id(gateway), Adapter: id(cardOfNode)},
		&model.Konvey{Meta: meta(balancer), Project: id(shop), Region: id(region), Subnet: id(subnet), VIP: "10.0.0.6", VRID: 6, Adapter: id(cardOfNode)},
		&model.Node{Meta: meta(nodeB), Project: id(shop), Zone: id(zone), Kaktus: id(host), Owner: id(balancer), Adapter: id(cardOfNode)},
		&model.NFS{Meta: meta(nfs), Region: id(region), Pool: id(pool)}, &model.Kylo{Meta: meta(share), Project: id(shop), Region: id(region), NFS: id(nfs)},
		&operation.Operation{Meta: meta(work), State: operation.Running, Epoch: lease.Epoch{Counter: 3, Node: "n"}, Steps: []operation.Step{{Name: "create", State: operation.Started, Do: &operation.Call{}}}},
		&model.Volume{Meta: model.Meta{ID: id(making), Name: "making", Phase: model.Creating, Operation: id(work)}, Project: id(shop), Region: id(region), Pool: id(pool)})
	return d.Publish(1)
}

func put(t *testing.T, d model.Draft, objects ...model.Object) {
	t.Helper()
	for _, o := range objects {
		if err := d.Put(o); err != nil {
			t.Fatalf("put %s %q: %v", o.Kind(), o.Base().Name, err)
		}
	}
}

// change edits an object in a draft.
func change[O model.Object](t *testing.T, d model.Draft, n int, f func(O)) {
	t.Helper()
	o, ok := model.Find[O](d, id(n))
	if !ok {
		t.Fatalf("no object %d", n)
	}
	o = model.Edit(o)
	f(o)
	put(t, d, o)
}

// texts are holds for people: "identity kind id", in order.
func texts(holds []lease.Hold) []string {
	out := []string{}
	for _, h := range holds {
		out = append(out, h.Agent.Identity+" "+string(h.Kind)+" "+h.ID)
	}
	slices.Sort(out)
	return out
}

// both are holds of the first host's agent, as it is and as it was.
func both(things ...string) []string {
	var out []string
	for _, thing := range things {
		out = append(out, "a "+thing, "a0 "+thing)
	}
	slices.Sort(out)
	return out
}

var machineHolds = []string{"machine " + string(id(machine)), "volume " + string(id(disk)), "mac 02:00:00:00:00:01", "address 10.0.0.9"}

// What a change takes from agents, whatever else the same change does to what tells whose it was.
func TestReleased(t *testing.T) {
	vrrp := func(n int) string { return fmt.Sprintf("vrrp id %d on subnet %s", n, id(subnet)) }
	remove := func(t *testing.T, d model.Draft, kind model.Kind, n int) {
		t.Helper()
		if err := d.Delete(kind, id(n)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, d model.Draft)
		want []string
	}{
		"nothing":   {func(*testing.T, model.Draft) {}, nil},
		"a name":    {func(t *testing.T, d model.Draft) { change(t, d, machine, func(o *model.Instance) { o.Name = "other" }) }, nil},
		"a machine": {func(t *testing.T, d model.Draft) { remove(t, d, model.KindInstance, machine) }, both(machineHolds...)},
		"a machine with its parts": {func(t *testing.T, d model.Draft) {
			remove(t, d, model.KindInstance, machine)
			remove(t, d, model.KindAdapter, card)
			remove(t, d, model.KindVolume, disk)
		}, both(machineHolds...)},
		"a machine elsewhere": {func(t *testing.T, d model.Draft) {
			change(t, d, machine, func(o *model.Instance) { o.Kaktus = id(hostB) })
		}, both(machineHolds...)},
		"a card of a machine": {func(t *testing.T, d model.Draft) {
			change(t, d, machine, func(o *model.Instance) { o.Adapters = nil })
		}, both("mac 02:00:00:00:00:01", "address 10.0.0.9")},
		"the address of a card": {func(t *testing.T, d model.Draft) {
			change(t, d, card, func(o *model.Adapter) { o.Addresses = []string{"10.0.0.12"} })
		}, both("address 10.0.0.9")},
		"a card of nobody": {func(t *testing.T, d model.Draft) { remove(t, d, model.KindAdapter, loose) }, nil},
		"a disk of no machine": {func(t *testing.T, d model.Draft) {
			change(t, d, machine, func(o *model.Instance) { o.Volumes = nil })
			remove(t, d, model.KindVolume, disk)
		}, both("volume " + string(id(disk)))},
		"a gateway": {func(t *testing.T, d model.Draft) {
			remove(t, d, model.KindNode, node)
			remove(t, d, model.KindKawaii, gateway)
		}, both("machine "+string(id(node)), "mac 02:00:00:00:00:03", "address 10.0.0.11", vrrp(5), "address 203.0.113.5", "address 10.0.0.5")},
		"a zone of a gateway": {func(t *testing.T, d model.Draft) {
			change(t, d, gateway, func(o *model.Kawaii) { o.VIPs = nil })
		}, both(vrrp(5), "address 203.0.113.5", "address 10.0.0.5")},
		"a node elsewhere": {func(t *testing.T, d model.Draft) {
			change(t, d, node, func(o *model.Node) { o.Kaktus = id(hostB) })
		}, both("machine "+string(id(node)), "mac 02:00:00:00:00:03", "address 10.0.0.11")},
		"a load balancer": {func(t *testing.T, d model.Draft) {
			remove(t, d, model.KindNode, nodeB)
			remove(t, d, model.KindKonvey, balancer)
		}, both("machine "+string(id(nodeB)), "mac 02:00:00:00:00:03", "address 10.0.0.11", vrrp(6), "address 10.0.0.6")},
		"a share": {func(t *testing.T, d model.Draft) { remove(t, d, model.KindKylo, share) }, both("export " + string(id(share)))},
		"a segment's VLAN": {func(t *testing.T, d model.Draft) {
			change(t, d, lan, func(o *model.VNet) { o.VLAN = 8 })
		}, append(both("vlan br0 7"), "b vlan br0 7")},
		"the agent of a host with machines": {func(t *testing.T, d model.Draft) {
			change(t, d, host, func(o *model.Kaktus) { o.Agents = []model.ID{id(agentB)} })
		}, both("capacity object10")},
		"the agent of a host without": {func(t *testing.T, d model.Draft) {
			change(t, d, hostB, func(o *model.Kaktus) { o.Agents = nil })
		}, nil},
		"the agent of a pool": {func(t *testing.T, d model.Draft) {
			change(t, d, pool, func(o *model.Pool) { o.Agents = []model.ID{id(agentB)} })
		}, both("capacity object30")},
	} {
		t.Run(name, func(t *testing.T) {
			d := world(t).Edit()
			c.make(t, d)
			want := append([]string{}, c.want...)
			slices.Sort(want)
			if got := texts(holding.Released(d)); !slices.Equal(slices.Compact(got), want) {
				t.Errorf("released\n%q\nand not\n%q", got, want)
			}
		})
	}
}

// The epoch of an order is known of what is still being created, and of nothing else.
func TestEpochOfTheFirstOrder(t *testing.T) {
	v := world(t)
	for n, want := range map[int]uint64{disk: 0, making: 3} {
		o, _ := v.Get(model.KindVolume, id(n))
		holds := holding.Of(v, o)
		if len(holds) != 2 || holds[0].Epoch.Counter != want || holds[0].ID != string(id(n)) {
			t.Errorf("%d: %+v", n, holds)
		}
	}
}

// What is being created is held by those to whom its steps were handed out, also by one that the pool does not
// have any more; by all of the pool's while that is not recorded.
func TestWhatIsBeingCreatedIsHeldByWhomItWasHandedTo(t *testing.T) {
	call := &operation.Call{}
	e := func(n uint64) lease.Epoch { return lease.Epoch{Counter: n, Node: "n"} }
	for name, c := range map[string]struct {
		steps []operation.Step
		want  []string
	}{
		"not recorded":  {[]operation.Step{{Do: call, State: operation.Started}}, []string{"a 3", "a0 3"}},
		"of one step":   {[]operation.Step{{Do: call, State: operation.Did, Agent: id(agentB), Epoch: e(3)}, {Do: call, State: operation.Started}}, []string{"a 3", "a0 3"}},
		"to nobody yet": {[]operation.Step{{Do: call}}, []string{}},
		"to another":    {[]operation.Step{{Do: call, State: operation.Started, Agent: id(agentB), Epoch: e(4)}, {Do: call}}, []string{"b 4"}},
		"to both": {[]operation.Step{{State: operation.Did}, {Do: call, State: operation.Did, Agent: id(agentB), Epoch: e(3)}, {Do: call, State: operation.Undoing, Agent: id(agentA), Epoch: e(5)}},
			[]string{"a 5", "a0 5", "b 3"}},
	} {
		d := world(t).Edit()
		change(t, d, work, func(o *operation.Operation) { o.Steps = c.steps })
		o, _ := d.Get(model.KindVolume, id(making))
		got := []string{}
		for _, h := range holding.Of(d, o) {
			if h.Kind != lease.HeldVolume || h.ID != string(id(making)) {
				t.Errorf("%s: %+v", name, h)
			}
			got = append(got, fmt.Sprintf("%s %d", h.Agent.Identity, h.Epoch.Counter))
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: held by %q, want %q", name, got, c.want)
		}
	}
}

// An agent that never came holds nothing.
func TestNeverAdmitted(t *testing.T) {
	d := world(t).Edit()
	change(t, d, agentA, func(a *model.Agent) { a.Identity, a.Former = "", nil })
	o, _ := d.Get(model.KindInstance, id(machine))
	if holds := holding.Of(d, o); len(holds) != 0 {
		t.Errorf("%+v", holds)
	}
}

func TestAllocated(t *testing.T) {
	v := world(t)
	for name, c := range map[string]struct {
		make func(t *testing.T, d model.Draft)
		want bool
	}{
		"a name":    {func(t *testing.T, d model.Draft) { change(t, d, card, func(o *model.Adapter) { o.Name = "other" }) }, false},
		"a project": {func(t *testing.T, d model.Draft) { put(t, d, &model.Project{Meta: meta(99)}) }, false},
		"a card":    {func(t *testing.T, d model.Draft) { put(t, d, &model.Adapter{Meta: meta(99), Subnet: id(subnet)}) }, true},
		"a disk": {func(t *testing.T, d model.Draft) {
			put(t, d, &model.Volume{Meta: meta(99), Project: id(shop), Region: id(region), Pool: id(pool)})
		}, true},
		"an address": {func(t *testing.T, d model.Draft) {
			change(t, d, card, func(o *model.Adapter) { o.Addresses = append(slices.Clone(o.Addresses), "10.0.0.99") })
		}, true},
		"less": {func(t *testing.T, d model.Draft) {
			change(t, d, machine, func(o *model.Instance) { o.Adapters, o.Volumes = nil, nil })
		}, false},
		"a host": {func(t *testing.T, d model.Draft) { change(t, d, node, func(o *model.Node) { o.Kaktus = id(hostB) }) }, true},
	} {
		d := v.Edit()
		c.make(t, d)
		got, want := holding.Allocated(d), []model.ID(nil)
		if c.want {
			want = []model.ID{id(region)}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Identities are kept until somebody says that they are gone.
func TestAdmit(t *testing.T) {
	d := world(t).Edit()
	for _, c := range []struct {
		fenced, identity string
		durable          bool
		former           []string
	}{
		{"", "a", true, []string{"a0"}},
		{"", "a1", true, []string{"a0", "a"}},
		{"", "a", true, []string{"a0", "a1"}}, // it is back: two hosts have one key
		{"somebody", "a2", true, []string{"a0", "a1"}},
		{"somebody", "a2", true, []string{"a0", "a1"}},
		{"", "a3", false, []string{"a0", "a1"}}, // it forgets all at a reboot
	} {
		change(t, d, agentA, func(a *model.Agent) { a.Fenced = c.fenced })
		if _, err := holding.Admit(d, id(agentA), c.identity, c.durable); err != nil {
			t.Fatal(err)
		}
		if a, _ := model.Find[*model.Agent](d, id(agentA)); a.Identity != c.identity || a.Fenced != "" || !slices.Equal(a.Former, c.former) {
			t.Errorf("after %+v: %+v", c, a)
		}
	}
}

// What a machine uses that no record names is nobody else's; what is on record is not noted twice.
func TestFound(t *testing.T) {
	d := world(t).Edit()
	cards := map[string][]agentproto.NIC{string(id(77)): {
		{Adapter: string(id(card)), MAC: "02:00:00:00:00:01", Bridge: "br0", Addresses: []string{"10.0.0.9"}},                                 // on record
		{Adapter: string(id(card)), MAC: "02:00:00:00:00:01", Bridge: "br0", Addresses: []string{"10.0.0.9", "10.0.0.20"}},                    // with less
		{Adapter: string(id(78)), MAC: "02:00:00:00:00:04", Bridge: "br0", Addresses: []string{"10.0.0.21", "192.0.2.1", "no", "10.0.0.0/8"}}, // not at all
		{Adapter: "nonsense", MAC: "02:00:00:00:00:05", Bridge: "br0", Addresses: []string{"10.0.0.0/24"}},
		{Adapter: string(id(79)), MAC: "02:00:00:00:00:06", Bridge: "elsewhere", Addresses: []string{"10.0.0.22"}},
		{Adapter: string(id(79)), MAC: "nonsense", Bridge: "br0", Addresses: []string{"10.0.0.23"}},
	}}
	draw := model.NewDraw([32]byte{1}, time.Unix(1, 0))
	for range 2 {
		if err := holding.Found(d, draw, id(agentA), cards); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for a := range model.All[*model.Adapter](d) {
		if strings.HasPrefix(a.Name, "found-") {
			got = append(got, fmt.Sprintln(a.MAC, a.Addresses, a.Subnet == id(subnet), a.ID == id(78)))
		}
	}
	slices.Sort(got)
	want := []string{"02:00:00:00:00:01 [10.0.0.20] true false\n", "02:00:00:00:00:04 [10.0.0.21] true true\n", "02:00:00:00:00:05 [] true false\n"}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%q\nand not\n%q", got, want)
	}
}
