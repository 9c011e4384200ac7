package ipam_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/trace"
	"kowabunga/testdata/chance"
)

// The projects and subnets of a shared segment: one subnet each of shop and bank, one of nobody, all on the
// private vnet; and one of bank on a vnet of its own.
const (
	shop, bank                        = 40, 41
	shops, banks, nobodys, banksApart = 80, 81, 82, 83
)

func neighbours(t fatal) model.Draft {
	t.Helper()
	d := world(t)
	put(t, d, &model.Project{Meta: meta(shop, "shop")}, &model.Project{Meta: meta(bank, "bank")},
		&model.VNet{Meta: meta(22, "apart"), Region: id(region), Private: true})
	for n, s := range map[int]struct{ vnet, project int }{shops: {private, shop}, banks: {private, bank}, nobodys: {private, 0}, banksApart: {22, bank}} {
		subnet := tenant(n, fmt.Sprintf("10.%d.0.0/24", n), fmt.Sprintf("10.%d.0.1", n))
		subnet.VNet = id(s.vnet)
		if s.project != 0 {
			subnet.Project = id(s.project)
		}
		put(t, d, subnet)
	}
	put(t, d, &model.Kaktus{Meta: meta(60, "host"), Zone: id(zoneA)})
	return d
}

func on(n, subnet int, mac string, reserved bool) *model.Adapter {
	a := card(n)
	a.Name, a.Subnet, a.MAC, a.Reserved = fmt.Sprintf("secret-card-%d", n), id(subnet), mac, reserved
	return a
}

func machineOf(n, project int, adapters ...model.ID) *model.Instance {
	return &model.Instance{Meta: meta(n, fmt.Sprintf("vm%d", n)), Project: id(project), Zone: id(zoneA), Kaktus: id(60), Adapters: adapters}
}

// A card of another project on the same segment is never impersonated, whichever of the two is marked; and
// who asks does not learn whose it is.
func TestMACsOfOtherProjects(t *testing.T) {
	const mac = "da:1e:70:00:00:05"
	const outside = "outside the project"
	for name, c := range map[string]struct {
		held  []model.Object
		asked *model.Adapter
		says  string // why it is refused
	}{
		"of the neighbour":                                    {[]model.Object{on(50, banks, mac, false)}, on(90, shops, mac, true), outside},
		"both are marked":                                     {[]model.Object{on(50, banks, mac, true)}, on(90, shops, mac, true), outside},
		"only the other is marked":                            {[]model.Object{on(50, banks, mac, true)}, on(90, shops, mac, false), outside},
		"none is marked":                                      {[]model.Object{on(50, banks, mac, false)}, on(90, shops, mac, false), outside},
		"none, and on another segment":                        {[]model.Object{on(50, banksApart, mac, false)}, on(90, shops, mac, false), outside},
		"marked, on another segment":                          {[]model.Object{on(50, banksApart, mac, false)}, on(90, shops, mac, true), ""},
		"inside the project":                                  {[]model.Object{on(50, shops, mac, false)}, on(90, shops, mac, true), ""},
		"inside it, not marked":                               {[]model.Object{on(50, shops, mac, false)}, on(90, shops, mac, false), `in use by adapter "secret-card-50"`},
		"its own":                                             {[]model.Object{on(50, shops, mac, true)}, on(50, shops, mac, true), ""},
		"of nobody's card":                                    {[]model.Object{on(50, nobodys, mac, true)}, on(90, shops, mac, true), outside},
		"nobody takes it":                                     {[]model.Object{on(50, shops, mac, true)}, on(90, nobodys, mac, true), ""},
		"of the neighbour's machine on nobody's subnet":       {[]model.Object{on(50, nobodys, mac, true), machineOf(61, bank, id(50))}, on(90, shops, mac, true), outside},
		"of its own machine on nobody's subnet":               {[]model.Object{on(50, nobodys, mac, true), machineOf(61, shop, id(50))}, on(90, shops, mac, true), ""},
		"one of its own before one of the neighbour's":        {[]model.Object{on(50, shops, mac, true), on(51, banks, mac, true)}, on(90, shops, mac, true), outside},
		"of the neighbour's gateway, which has a leg here":    {[]model.Object{on(50, shops, mac, true), &model.Kawaii{Meta: meta(70, "gw"), Project: id(bank), Region: id(region)}, service(on(51, shops, mac, true), 70)}, on(90, shops, mac, true), outside},
		"of the neighbour's balancer":                         {[]model.Object{&model.Konvey{Meta: meta(70, "lb"), Project: id(bank), Region: id(region), Subnet: id(banks)}, service(on(51, banks, mac, false), 70)}, on(90, shops, mac, true), outside},
		"of the neighbour's Kompute, whose machine starts up": {[]model.Object{&model.Kompute{Meta: meta(70, "vm"), Project: id(bank), Zone: id(zoneA)}, kompute(on(51, nobodys, mac, false), 70)}, on(90, shops, mac, true), outside},
	} {
		d := neighbours(t)
		put(t, d, c.held...)
		err := ipam.CheckMAC(d, c.asked)
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Conflict || f.Field != "mac" || !strings.Contains(f.Message, c.says) {
			t.Errorf("%s: %v, want a conflict that says %q", name, err, c.says)
		}
		if c.says == outside {
			for _, word := range []string{"secret", "bank", string(id(50)), string(id(51)), string(id(bank)), string(id(banks))} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("%s: the refusal gives %q away: %v", name, word, err)
				}
			}
		}
	}
}

func service(a *model.Adapter, of int) *model.Adapter {
	a.Service = id(of)
	return a
}

func kompute(a *model.Adapter, of int) *model.Adapter {
	a.Kompute = id(of)
	return a
}

// keepalived moves addresses with the virtual MAC of its router id: any but those of the platform's routers.
func TestMACsOfRouters(t *testing.T) {
	d := world(t)
	routers(t, d, []int64{1, 4}, []int64{2})
	put(t, d, &model.VNet{Meta: meta(22, "apart"), Region: id(region), Private: true}, &model.Subnet{Meta: meta(32, "apart"), VNet: id(22), CIDR: "10.9.0.0/24", Gateway: "10.9.0.1", Project: id(40)})
	for _, c := range []struct {
		subnet    int
		mac, says string
	}{
		{subnetID, "00:00:5e:00:01:0a", ""},
		{subnetID, "00:00:5e:00:02:0a", ""},
		{subnetID, "00:00:5e:00:01:01", "VRRP id 1, which a gateway or load balancer"},
		{subnetID, "00:00:5e:00:02:01", "VRRP id 1, which a gateway or load balancer"},
		{subnetID, "00:00:5e:00:01:02", "VRRP id 2, which a gateway or load balancer"},
		{31, "00:00:5e:00:01:04", "VRRP id 4, which a gateway or load balancer"},
		{31, "00:00:5e:00:01:02", ""}, // the balancer has no leg outside
		{subnetID, "00:00:5e:00:01:ef", ""},
		{subnetID, "00:00:5e:00:01:f0", "VRRP id 240, and those above 239 are for the routers of the region"},
		{32, "00:00:5e:00:02:ff", "VRRP id 255, and those above 239"},
		{32, "00:00:5e:00:01:01", ""},
		{subnetID, "00:00:5e:00:01:00", ""}, // no router has id 0
		{subnetID, "00:00:5e:00:03:01", ""},
	} {
		err := ipam.CheckMAC(d, on(90, c.subnet, c.mac, true))
		if c.says != "" {
			refused(t, err, fault.Conflict, "mac", c.says)
		} else if err != nil {
			t.Errorf("%s on %d: %v", c.mac, c.subnet, err)
		}
	}
}

func TestVRouterMACs(t *testing.T) {
	for vrid := int64(1); vrid <= 255; vrid++ {
		for _, mac := range ipam.VRouterMACs(vrid) {
			if got, ok := ipam.VRouter(mac); !ok || got != vrid {
				t.Errorf("%s of %d is read as %d %v", mac, vrid, got, ok)
			}
		}
	}
	for _, mac := range []string{"", "00:00:5e:00:01:", "00:00:5e:00:01:00", "00:00:5e:00:01:1", "00:00:5e:00:01:001", "00:00:5e:00:01:+1", "00:00:5e:00:00:01", "da:1e:70:00:01:01"} {
		if vrid, ok := ipam.VRouter(mac); ok {
			t.Errorf("%s is read as of router %d", mac, vrid)
		}
	}
}

// Gateways pass over ids whose MAC addresses machines have, but adapters keep nobody from having one.
func TestVRIDsOfCards(t *testing.T) {
	d := world(t)
	routers(t, d, []int64{1}, nil)
	put(t, d, on(90, subnetID, "00:00:5e:00:01:02", true), on(91, subnetID, "00:00:5e:00:02:04", true), on(92, 31, "00:00:5e:00:01:05", true))
	both := []model.ID{id(private), id(public)}
	for _, c := range []struct {
		segments []model.ID
		want     []int64
	}{{both, []int64{3, 6}}, {both[:1], []int64{3, 5}}, {both[1:], []int64{2, 3}}} {
		got, err := ipam.VRIDs(d, c.segments, 2, nil)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("on %v: %v %v, want %v", c.segments, got, err, c.want)
		}
	}
	for vrid := int64(ipam.FirstVRID); vrid < ipam.LastVRID; vrid++ {
		put(t, d, on(100+int(vrid), subnetID, ipam.VRouterMACs(vrid)[0], true))
	}
	tr := &trace.Trace{}
	got, err := ipam.VRIDs(d, both, 3, tr)
	if err != nil || !slices.Equal(got, []int64{ipam.LastVRID, 2, 3}) {
		t.Errorf("with all but one on adapters: %v %v", got, err)
	}
	if !ipam.MaySend(d, on(90, subnetID, "00:00:5e:00:01:02", true)) {
		t.Error("who was there first lost the address before a gateway had it")
	}
	put(t, d, &model.Konvey{Meta: meta(55, "late"), Project: id(40), Region: id(region), Subnet: id(subnetID), VRID: 2})
	if ipam.MaySend(d, on(90, subnetID, "00:00:5e:00:01:02", true)) {
		t.Error("a machine sends under the address of a router")
	}
}

// No project gets a subnet with a card that it could be impersonated by.
func TestProjectSubnetSharesNoMAC(t *testing.T) {
	const mac = "00:00:5e:00:01:0a"
	d := world(t)
	put(t, d, &model.Project{Meta: meta(40, "shop")}, block(100, 26), block(101, 26))
	owned := block(102, 26)
	owned.Project = id(40)
	put(t, d, owned, on(90, 100, mac, true), on(91, 102, mac, true), on(92, 101, "da:1e:70:00:00:01", true), on(93, 101, "da:1e:70:00:00:01", true))
	tr := &trace.Trace{Detail: true}
	s, err := ipam.ProjectSubnet(d, id(region), 26, tr)
	if err != nil || s.ID != id(101) {
		t.Fatalf("%v %v", s, err)
	}
	if facts := tr.About(id(100)); len(facts) != 1 || !strings.Contains(facts[0].Value, "MAC address is in use elsewhere") {
		t.Errorf("%v", facts)
	}
}

// Whatever adapters ask for and machines take up: what was let through is of one project on each segment,
// so that everybody may send under it. Of what was stored without asking, one project may.
func TestNoMACIsOfTwoProjects(t *testing.T) {
	macs := []string{"00:00:5e:00:01:0a", "00:00:5e:00:01:0b", "da:1e:70:00:00:01", "da:1e:70:00:00:02"}
	chance.Check(t, func(t *rapid.T) {
		d := neighbours(t)
		if rapid.Bool().Draw(t, "one VLAN") {
			tagged(t, d, 201, private, 22)
		}
		asked := rapid.IntRange(0, 3).Draw(t, "asked") > 0
		spare := map[model.ID]bool{}
		for n := range rapid.IntRange(1, 12).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "attach") && len(spare) > 0 {
				a, _ := model.Find[*model.Adapter](d, rapid.SampledFrom(sorted(spare)).Draw(t, "card"))
				s, _ := model.Find[*model.Subnet](d, a.Subnet)
				project := rapid.SampledFrom([]int{shop, bank}).Draw(t, "project")
				if s.Project != "" && s.Project != id(project) || asked && ipam.CheckSharing(d, a, id(project)) != nil {
					continue
				}
				put(t, d, machineOf(200+n, project, a.ID))
				delete(spare, a.ID)
				continue
			}
			a := on(100+n, rapid.SampledFrom([]int{shops, banks, nobodys, banksApart}).Draw(t, "subnet"), rapid.SampledFrom(macs).Draw(t, "mac"), rapid.Bool().Draw(t, "reserved"))
			if asked && ipam.CheckMAC(d, a) != nil || d.Put(a) != nil {
				continue
			}
			spare[a.ID] = true
		}
		type place struct {
			segment ipam.Segment
			mac     string
		}
		of := func(s *model.Subnet) ipam.Segment {
			n, _ := model.Find[*model.VNet](d, s.VNet)
			return ipam.SegmentOf(n)
		}
		owner := map[place]model.ID{}
		for a := range model.All[*model.Adapter](d) {
			s, _ := model.Find[*model.Subnet](d, a.Subnet)
			project, may := ipam.Owner(d, a), ipam.MaySend(d, a)
			if asked && project != "" && !may {
				t.Fatalf("%s %s of %s was let through and may not send", a.Name, a.MAC, project)
			}
			if project == "" || !may {
				continue
			}
			at := place{of(s), a.MAC}
			if other, taken := owner[at]; taken && other != project {
				t.Fatalf("%s on %s may be sent under by %s and %s", a.MAC, s.VNet, other, project)
			}
			owner[at] = project
		}
		for a := range model.All[*model.Adapter](d) {
			s, _ := model.Find[*model.Subnet](d, a.Subnet)
			if ipam.Owner(d, a) != "" && owner[place{of(s), a.MAC}] == "" {
				t.Fatalf("nobody may send under %s", a.MAC)
			}
		}
	})
}

func sorted(set map[model.ID]bool) []model.ID {
	var out []model.ID
	for one := range set {
		out = append(out, one)
	}
	slices.Sort(out)
	return out
}
