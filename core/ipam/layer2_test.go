package ipam_test

import (
	"slices"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
)

// tagged gives vnets a VLAN.
func tagged(t fatal, d model.Draft, vlan int64, vnets ...int) {
	t.Helper()
	for _, n := range vnets {
		net, ok := model.Find[*model.VNet](d, id(n))
		if !ok {
			t.Fatalf("there is no vnet %d", n)
		}
		net = model.Edit(net)
		net.VLAN = vlan
		put(t, d, net)
	}
}

// Two vnets of a region with one VLAN are one segment, whatever their bridges are called; with two VLANs,
// without any, or in two regions they are not.
func TestOneVLANIsOneSegment(t *testing.T) {
	const mac = "00:00:5e:00:01:0a"
	for name, c := range map[string]struct {
		tag  func(*testing.T, model.Draft)
		same bool
	}{
		"one VLAN":    {func(t *testing.T, d model.Draft) { tagged(t, d, 201, private, 22) }, true},
		"two VLANs":   {func(t *testing.T, d model.Draft) { tagged(t, d, 201, private); tagged(t, d, 202, 22) }, false},
		"one of them": {func(t *testing.T, d model.Draft) { tagged(t, d, 201, private) }, false},
		"none":        {func(*testing.T, model.Draft) {}, false},
		"two regions": {func(t *testing.T, d model.Draft) {
			tagged(t, d, 201, private, 22)
			net, _ := model.Find[*model.VNet](d, id(22))
			net = model.Edit(net)
			net.Region = id(otherRegion)
			put(t, d, net)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := neighbours(t)
			c.tag(t, d)
			put(t, d, on(50, banksApart, mac, true))
			asked := on(90, shops, mac, true)
			err := ipam.CheckMAC(d, asked)
			if c.same {
				refused(t, err, fault.Conflict, "mac", "outside the project")
			} else if err != nil {
				t.Error(err)
			}
			put(t, d, asked) // stored before anybody looked
			if may := ipam.MaySend(d, asked); may == c.same {
				t.Errorf("the later one may send: %v", may)
			}
			put(t, d, &model.Konvey{Meta: meta(70, "lb"), Project: id(bank), Region: id(region), Subnet: id(banksApart), VRID: 1})
			want := []int64{1, 2}
			if c.same {
				want = []int64{2, 3}
			}
			if got, err := ipam.VRIDs(d, []model.ID{id(private)}, 2, nil); err != nil || !slices.Equal(got, want) {
				t.Errorf("given %v %v, want %v", got, err, want)
			}
			err = ipam.CheckMAC(d, on(91, shops, ipam.VRouterMACs(1)[0], true))
			if (err != nil) != c.same {
				t.Errorf("the address of the router on the other vnet: %v", err)
			}
			var along []model.ID
			net, _ := model.Find[*model.VNet](d, id(private))
			for _, n := range ipam.Along(d, net) {
				along = append(along, n.ID)
			}
			if got := slices.Equal(along, []model.ID{id(private), id(22)}); got != c.same || along[0] != id(private) {
				t.Errorf("along with it are %v", along)
			}
		})
	}
}

// A vnet does not get a VLAN that makes one segment of what must not be on one.
func TestVLANDoesNotMerge(t *testing.T) {
	const mac = "da:1e:70:00:00:05"
	lb := func(n, subnet, vrid int) model.Object {
		return &model.Konvey{Meta: meta(n, "lb"+string(rune('a'+n%26))), Project: id(bank), Region: id(region), Subnet: id(subnet), VRID: int64(vrid)}
	}
	for name, c := range map[string]struct {
		held []model.Object
		says string
	}{
		"nothing":                          {nil, ""},
		"a MAC of one project":             {[]model.Object{on(50, banks, mac, true), on(51, banksApart, mac, true)}, ""},
		"a MAC of two":                     {[]model.Object{on(50, shops, mac, true), on(51, banksApart, mac, true)}, "of a card of another project there"},
		"a MAC of one and of nobody":       {[]model.Object{on(50, nobodys, mac, true), on(51, banksApart, mac, true)}, "of a card of another project there"},
		"different ids":                    {[]model.Object{lb(70, banks, 1), lb(71, banksApart, 2)}, ""},
		"one id":                           {[]model.Object{lb(70, banks, 1), lb(71, banksApart, 1)}, "have the same VRRP id"},
		"a card with the id of a balancer": {[]model.Object{lb(70, banks, 1), on(51, banksApart, "00:00:5e:00:01:01", true)}, "has there"},
		"the other way round":              {[]model.Object{on(50, banks, "00:00:5e:00:01:01", true), lb(71, banksApart, 1)}, "here has"},
	} {
		t.Run(name, func(t *testing.T) {
			d := neighbours(t)
			put(t, d, c.held...)
			tagged(t, d, 201, private)
			old, _ := model.Find[*model.VNet](d, id(22))
			next := model.Edit(old)
			next.VLAN = 201
			err := ipam.CheckVLAN(d, old, next)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
			} else {
				refused(t, err, fault.Conflict, "vlan", c.says)
			}
			next.VLAN = 202
			if err := ipam.CheckVLAN(d, old, next); err != nil {
				t.Errorf("a VLAN of its own: %v", err)
			}
			tagged(t, d, 201, 22) // as stored before anybody looked: nothing changes, nothing is refused
			stored, _ := model.Find[*model.VNet](d, id(22))
			if err := ipam.CheckVLAN(d, stored, model.Edit(stored)); err != nil {
				t.Errorf("as it is: %v", err)
			}
		})
	}
}
