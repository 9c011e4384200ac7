package netplan_test

import (
	"reflect"
	"slices"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/store/tree"
	"kowabunga/testdata/topology"
)

// What a machine may send besides its own addresses: those that move between the machines of its project,
// and everything where it is a router that harms nobody else.
func TestA21WhatCardsMaySend(t *testing.T) {
	base := topology.View()
	web, _ := model.Find[*model.Instance](base, topology.Machine)
	card, _ := model.Find[*model.Adapter](base, web.Adapters[0])
	moving := &model.Adapter{Meta: model.Meta{ID: topology.ID(990001), Name: "vip"}, Subnet: card.Subnet, MAC: "00:00:5e:00:01:64", Addresses: []string{"10.50.201.60", "10.50.201.61"}, Reserved: true}
	second := &model.Adapter{Meta: model.Meta{ID: topology.ID(990002), Name: "vip-2"}, Subnet: card.Subnet, MAC: "00:00:5e:00:01:64", Addresses: []string{"10.50.201.62"}, Reserved: true}
	other, _ := model.Find[*model.Instance](base, web.ID)
	for o := range model.By[*model.Instance](base, "project", topology.Other) {
		if o.Kaktus == web.Kaktus {
			other = o
		}
	}
	foreign, _ := model.Find[*model.Adapter](base, other.Adapters[0])
	put := func(objects ...model.Object) func(d model.Draft) error {
		return func(d model.Draft) error {
			for _, o := range objects {
				if err := d.Put(o.Clone()); err != nil {
					return err
				}
			}
			return nil
		}
	}
	changed := func(a *model.Adapter, f func(*model.Adapter)) *model.Adapter {
		a = model.Edit(a)
		f(a)
		return a
	}
	router := changed(card, func(a *model.Adapter) { a.Reserved, a.Kompute = true, "" })
	stranger := &model.Subnet{Meta: model.Meta{ID: topology.ID(990003), Name: "stranger"}, CIDR: "10.77.0.0/24", Gateway: "10.77.0.1"}
	own, _ := model.Find[*model.Subnet](base, card.Subnet)
	stranger.VNet = own.VNet
	net, _ := model.Find[*model.VNet](base, own.VNet)
	twin := &model.VNet{Meta: model.Meta{ID: topology.ID(990004), Name: "twin"}, Region: net.Region, VLAN: net.VLAN, Interface: "br-twin", Private: true}
	apart := changedNet(twin, net.VLAN+1000)
	onTwin := model.Edit(stranger)
	onTwin.VNet = twin.ID
	attachedTo := model.Edit(other)
	attachedTo.Adapters = append(slices.Clone(other.Adapters), moving.ID)
	for name, c := range map[string]struct {
		edit func(model.Draft) error
		want []agentproto.Card
	}{
		"nothing is marked":                       {put(), nil},
		"an address moves":                        {put(moving), []agentproto.Card{{Adapter: string(card.ID), MACs: []string{moving.MAC}, Addresses: moving.Addresses}}},
		"two share a MAC":                         {put(second, moving), []agentproto.Card{{Adapter: string(card.ID), MACs: []string{moving.MAC}, Addresses: []string{"10.50.201.60", "10.50.201.61", "10.50.201.62"}}}},
		"it is not marked":                        {put(changed(moving, func(a *model.Adapter) { a.Reserved = false })), nil},
		"it is a gateway's":                       {put(changed(moving, func(a *model.Adapter) { a.Service = topology.Kawaii })), nil},
		"it is a machine's":                       {put(moving, attachedTo), nil},
		"it is on another's subnet":               {put(changed(moving, func(a *model.Adapter) { a.Subnet, a.Addresses = foreign.Subnet, nil })), []agentproto.Card{{Adapter: string(foreign.ID), MACs: []string{moving.MAC}}}},
		"the card is a router's":                  {put(router), []agentproto.Card{{Adapter: string(card.ID), Router: true}}},
		"a router's, and others are on the vnet":  {put(router, stranger), nil},
		"a router's, and others on its VLAN":      {put(router, twin, onTwin), nil},
		"a router's, and others on another VLAN":  {put(router, apart, onTwin), []agentproto.Card{{Adapter: string(card.ID), Router: true}}},
		"a router's, on a subnet of no project":   {put(changed(router, func(a *model.Adapter) { a.Subnet, a.Addresses = topology.Storage, nil })), []agentproto.Card{{Adapter: string(card.ID), Router: true}}},
		"moving on a subnet of no project: whose": {put(changed(router, func(a *model.Adapter) { a.Subnet, a.Addresses, a.Reserved = topology.Storage, nil, false }), changed(moving, func(a *model.Adapter) { a.Subnet, a.Addresses = topology.Storage, nil })), nil},
	} {
		root, refs := change(t, base, c.edit)
		state, ok := netplan.Kaktus(root, topology.AgentOf(web.Kaktus))
		if !ok || !reflect.DeepEqual(state.Cards, c.want) {
			t.Errorf("%s: %+v, want %+v", name, state.Cards, c.want)
		}
		p := netplan.New(base)
		if told := p.Update(root, refs).Agents[topology.AgentOf(web.Kaktus)]; !told && len(c.want) > 0 {
			t.Errorf("%s: the host is not told", name)
		}
	}
}

func changedNet(n *model.VNet, vlan int64) *model.VNet {
	n = model.Edit(n)
	n.VLAN = vlan
	return n
}

// No address is for machines of two projects, nor one of a router of the platform, whatever was stored
// before that was refused; and hosts are told when it comes to that and when it is over.
func TestA21NoCardIsOfTwoProjects(t *testing.T) {
	web, _ := model.Find[*model.Instance](topology.View(), topology.Machine)
	card, _ := model.Find[*model.Adapter](topology.View(), web.Adapters[0])
	own, _ := model.Find[*model.Subnet](topology.View(), card.Subnet)
	moving := &model.Adapter{Meta: model.Meta{ID: topology.ID(990001), Name: "vip"}, Subnet: own.ID, MAC: "00:00:5e:00:01:64", Addresses: []string{"10.50.201.60"}, Reserved: true}
	neighbours := &model.Subnet{Meta: model.Meta{ID: topology.ID(990002), Name: "neighbours"}, VNet: own.VNet, CIDR: "10.78.0.0/24", Gateway: "10.78.0.1", Project: topology.Other}
	base, _ := change(t, topology.View(), func(d model.Draft) error {
		if err := d.Put(neighbours); err != nil {
			return err
		}
		return d.Put(moving)
	})
	rival := func(n int, reserved bool) model.Object {
		return &model.Adapter{Meta: model.Meta{ID: topology.ID(n), Name: "rival"}, Subnet: neighbours.ID, MAC: moving.MAC, Reserved: reserved}
	}
	agent := topology.AgentOf(web.Kaktus)
	for name, c := range map[string]struct {
		put  model.Object
		kept bool
	}{
		"a neighbour's card has it":               {rival(990003, false), false},
		"a neighbour moves it too, as of later":   {rival(990003, true), true},
		"a neighbour moves it too, as of earlier": {rival(2, true), false},
		"a balancer has it":                       {&model.Konvey{Meta: model.Meta{ID: topology.ID(990003), Name: "lb-100"}, Project: own.Project, Region: topology.Region, Subnet: own.ID, VRID: 100}, false},
		"a balancer has another":                  {&model.Konvey{Meta: model.Meta{ID: topology.ID(990003), Name: "lb-101"}, Project: own.Project, Region: topology.Region, Subnet: own.ID, VRID: 101}, true},
	} {
		p := netplan.New(base)
		root, refs := change(t, base, func(d model.Draft) error { return d.Put(c.put) })
		told := p.Update(root, refs).Agents[agent]
		state, _ := netplan.Kaktus(root, agent)
		want := []agentproto.Card{{Adapter: string(card.ID), MACs: []string{moving.MAC}, Addresses: moving.Addresses}}
		if !c.kept {
			want[0].MACs = nil
		}
		if !reflect.DeepEqual(state.Cards, want) || !told && !c.kept {
			t.Errorf("%s: %+v, told %v", name, state.Cards, told)
		}
		last, refs := change(t, root, func(d model.Draft) error { return d.Delete(c.put.Kind(), c.put.Base().ID) })
		told = p.Update(last, refs).Agents[agent]
		if state, _ := netplan.Kaktus(last, agent); len(state.Cards) != 1 || len(state.Cards[0].MACs) != 1 || !told && !c.kept {
			t.Errorf("%s, and no more: %+v, told %v", name, state.Cards, told)
		}
	}
}

// Hosts are told when machines take up cards and give them back, not only when adapters change.
func TestA21HostsAreToldOfAttachments(t *testing.T) {
	web, _ := model.Find[*model.Instance](topology.View(), topology.Machine)
	card, _ := model.Find[*model.Adapter](topology.View(), web.Adapters[0])
	moving := &model.Adapter{Meta: model.Meta{ID: topology.ID(990001), Name: "vip"}, Subnet: card.Subnet, MAC: "00:00:5e:00:01:64", Addresses: []string{"10.50.201.60"}, Reserved: true}
	root, _ := change(t, topology.View(), func(d model.Draft) error { return d.Put(moving) })
	agent := topology.AgentOf(web.Kaktus)
	var neighbour *model.Instance
	for o := range model.By[*model.Instance](root, "project", web.Project) {
		if o.Kaktus != web.Kaktus && o.Zone != web.Zone {
			neighbour = o
		}
	}
	for _, step := range []struct {
		says string
		who  model.ID
		now  []model.ID
		want int // cards that may send more, on the host of the machine
	}{
		{"a neighbour takes up the moving address", neighbour.ID, append(slices.Clone(neighbour.Adapters), moving.ID), 0},
		{"it gives it back", neighbour.ID, neighbour.Adapters, 1},
		{"the machine loses its card", web.ID, nil, 0},
		{"it gets it again", web.ID, web.Adapters, 1},
	} {
		p := netplan.New(root)
		next, refs := change(t, root, func(d model.Draft) error {
			return edit(d, step.who, func(o *model.Instance) { o.Adapters = step.now })
		})
		told := p.Update(next, refs).Agents[agent]
		state, _ := netplan.Kaktus(next, agent)
		if !told || len(state.Cards) != step.want {
			t.Errorf("%s: told %v, %+v", step.says, told, state.Cards)
		}
		root = next
	}
}

// A machine's definition says what its cards may send under.
func TestA21AddressesOfNICs(t *testing.T) {
	base := topology.View()
	definition := func(v *tree.Root) agentproto.NIC {
		t.Helper()
		web, _ := model.Find[*model.Instance](v, topology.Machine)
		m, err := machine.Definition(v, web)
		if err != nil {
			t.Fatal(err)
		}
		return m.NICs[0]
	}
	if got := definition(base).Addresses; !slices.Equal(got, []string{"10.50.201.10"}) {
		t.Errorf("the card's own: %v", got)
	}
	web, _ := model.Find[*model.Instance](base, topology.Machine)
	root, _ := change(t, base, func(d model.Draft) error {
		return edit(d, web.Adapters[0], func(a *model.Adapter) { a.Addresses = nil })
	})
	if got := definition(root).Addresses; !slices.Equal(got, []string{"10.50.201.0/24"}) {
		t.Errorf("a card without address is of its subnet: %v", got)
	}
}
