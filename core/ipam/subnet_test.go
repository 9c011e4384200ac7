package ipam_test

import (
	"net/netip"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
)

func TestCheckSubnet(t *testing.T) {
	span := func(first, last string) []model.IPRange { return []model.IPRange{{First: first, Last: last}} }
	cases := []struct {
		name   string
		change func(s *model.Subnet)
		public bool
		field  string // empty when it is fine
		says   string
	}{
		{name: "plain", change: func(s *model.Subnet) {}},
		{name: "everything set", change: func(s *model.Subnet) {
			s.DNS, s.ExtraRoutes = "9.9.9.9", []string{"10.99.0.0/16", "0.0.0.0/0"}
			s.Reserved, s.GwPool = span("10.1.0.0", "10.1.0.9"), span("10.1.0.252", "10.1.0.254")
		}},
		{name: "gateway may be reserved", change: func(s *model.Subnet) { s.Reserved = span("10.1.0.1", "10.1.0.1") }},
		{name: "storage", change: func(s *model.Subnet) { s.Application = "ceph" }},
		{name: "text", change: func(s *model.Subnet) { s.CIDR = "10.1.0.0" }, field: "cidr", says: "no address range"},
		{name: "host bits", change: func(s *model.Subnet) { s.CIDR = "10.1.0.1/24" }, field: "cidr", says: "10.1.0.0/24"},
		{name: "IPv6", change: func(s *model.Subnet) { s.CIDR = "fd00::/64" }, field: "cidr", says: "IPv6"},
		{name: "too narrow", change: func(s *model.Subnet) { s.CIDR = "10.1.0.0/31" }, field: "cidr", says: "/30"},
		{name: "too wide", change: func(s *model.Subnet) { s.CIDR = "10.0.0.0/7" }, field: "cidr", says: "/8"},
		{name: "public range on private vnet", change: func(s *model.Subnet) { s.CIDR, s.Gateway = "192.0.2.0/24", "192.0.2.1" }, field: "cidr", says: "not private"},
		{name: "shared range on private vnet", change: func(s *model.Subnet) { s.CIDR, s.Gateway = "100.64.0.0/24", "100.64.0.1" }, field: "cidr", says: "not private"},
		{name: "shared range on public vnet", public: true, change: func(s *model.Subnet) { s.CIDR, s.Gateway = "100.64.0.0/24", "100.64.0.1" }},
		{name: "public range on public vnet", public: true, change: func(s *model.Subnet) { s.CIDR, s.Gateway = "192.0.2.0/24", "192.0.2.1" }},
		{name: "private range on public vnet", public: true, change: func(s *model.Subnet) {}, field: "cidr", says: "vnet \"internet\" is public"},
		{name: "next to the private range", change: func(s *model.Subnet) { s.CIDR, s.Gateway = "172.32.0.0/16", "172.32.0.1" }, field: "cidr", says: "not private"},
		{name: "partly private", public: true, change: func(s *model.Subnet) { s.CIDR, s.Gateway = "172.0.0.0/8", "172.0.0.1" }, field: "cidr", says: "partly private"},
		{name: "loopback", public: true, change: func(s *model.Subnet) { s.CIDR, s.Gateway = "127.0.0.0/8", "127.0.0.1" }, field: "cidr", says: "loopback"},
		{name: "multicast", public: true, change: func(s *model.Subnet) { s.CIDR, s.Gateway = "239.0.0.0/24", "239.0.0.1" }, field: "cidr", says: "multicast"},
		{name: "link-local", public: true, change: func(s *model.Subnet) { s.CIDR, s.Gateway = "169.254.0.0/24", "169.254.0.1" }, field: "cidr", says: "link-local"},
		{name: "no gateway", change: func(s *model.Subnet) { s.Gateway = "" }, field: "gateway", says: "no IPv4 address"},
		{name: "gateway with zeros", change: func(s *model.Subnet) { s.Gateway = "10.1.0.01" }, field: "gateway", says: "no IPv4 address"},
		{name: "gateway outside", change: func(s *model.Subnet) { s.Gateway = "10.2.0.1" }, field: "gateway", says: "outside 10.1.0.0/24"},
		{name: "gateway is network", change: func(s *model.Subnet) { s.Gateway = "10.1.0.0" }, field: "gateway", says: "network address"},
		{name: "gateway is broadcast", change: func(s *model.Subnet) { s.Gateway = "10.1.0.255" }, field: "gateway", says: "broadcast address"},
		{name: "gateway IPv6", change: func(s *model.Subnet) { s.Gateway = "::ffff:10.1.0.1" }, field: "gateway", says: "IPv6"},
		{name: "dns", change: func(s *model.Subnet) { s.DNS = "dns.example" }, field: "dns", says: "no IPv4 address"},
		{name: "dns to many", change: func(s *model.Subnet) { s.DNS = "224.0.0.251" }, field: "dns", says: "single server"},
		{name: "range backwards", change: func(s *model.Subnet) { s.Reserved = span("10.1.0.9", "10.1.0.2") }, field: "reserved[0]", says: "swap"},
		{name: "range end outside", change: func(s *model.Subnet) { s.Reserved = span("10.1.0.9", "10.1.1.2") }, field: "reserved[0].last", says: "outside"},
		{name: "second range begins outside", change: func(s *model.Subnet) {
			s.Reserved = append(span("10.1.0.9", "10.1.0.9"), span("10.0.0.9", "10.1.0.2")...)
		}, field: "reserved[1].first", says: "outside"},
		{name: "range without end", change: func(s *model.Subnet) { s.GwPool = span("10.1.0.9", "") }, field: "gw_pool[0].last", says: "no IPv4 address"},
		{name: "pool of one for two zones", change: func(s *model.Subnet) { s.GwPool = span("10.1.0.9", "10.1.0.9") }, field: "gw_pool[0]", says: "2 zones"},
		{name: "pool of two with the gateway", change: func(s *model.Subnet) { s.GwPool = span("10.1.0.1", "10.1.0.2") }, field: "gw_pool[0]", says: "has 1 addresses"},
		{name: "pool with broadcast", change: func(s *model.Subnet) { s.GwPool = span("10.1.0.250", "10.1.0.255") }, field: "gw_pool[0]", says: "broadcast"},
		{name: "route text", change: func(s *model.Subnet) { s.ExtraRoutes = []string{"10.9.0.0/16", "10.9.0.1"} }, field: "extra_routes[1]", says: "no address range"},
		{name: "route host bits", change: func(s *model.Subnet) { s.ExtraRoutes = []string{"10.9.0.1/16"} }, field: "extra_routes[0]", says: "10.9.0.0/16"},
		{name: "route IPv6", change: func(s *model.Subnet) { s.ExtraRoutes = []string{"fd00::/8"} }, field: "extra_routes[0]", says: "IPv6"},
		{name: "application", change: func(s *model.Subnet) { s.Application = "games" }, field: "application", says: "\"games\""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := world(t)
			s := tenant(subnetID, "10.1.0.0/24", "10.1.0.1")
			segment := id(private)
			if c.public {
				segment = id(public)
			}
			s.VNet = segment
			c.change(s)
			n, _ := model.Find[*model.VNet](v, segment)
			err := ipam.CheckSubnet(v, s, n)
			if c.field == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			refused(t, err, fault.Invalid, c.field, c.says)
		})
	}
}

func TestSubnetsOfARegionDoNotOverlap(t *testing.T) {
	v := world(t)
	put(t, v, tenant(subnetID, "10.1.0.0/24", "10.1.0.1"),
		&model.VNet{Meta: meta(22, "more"), Region: id(region), Private: true},
		&model.VNet{Meta: meta(23, "overseas"), Region: id(otherRegion), Private: true})
	check := func(s *model.Subnet, segment int) error {
		n, _ := model.Find[*model.VNet](v, id(segment))
		return ipam.CheckSubnet(v, s, n)
	}
	for _, cidr := range []string{"10.1.0.0/24", "10.1.0.128/25", "10.0.0.0/8"} {
		gateway := map[string]string{"10.1.0.0/24": "10.1.0.1", "10.1.0.128/25": "10.1.0.129", "10.0.0.0/8": "10.0.0.1"}[cidr]
		refused(t, check(tenant(31, cidr, gateway), 22), fault.Conflict, "cidr", "net30")
	}
	if err := check(tenant(31, "10.1.1.0/24", "10.1.1.1"), 22); err != nil {
		t.Errorf("a neighbour was refused: %v", err)
	}
	if err := check(tenant(31, "10.1.0.0/24", "10.1.0.1"), 23); err != nil {
		t.Errorf("the same range in another region was refused: %v", err)
	}
	if err := check(tenant(subnetID, "10.1.0.0/24", "10.1.0.2"), private); err != nil {
		t.Errorf("a subnet overlaps itself: %v", err)
	}
}

func TestCheckUpdateKeepsWhatIsInUse(t *testing.T) {
	v := world(t)
	old := tenant(subnetID, "10.1.0.0/24", "10.1.0.1")
	old.Project = id(40)
	old.GwPool = []model.IPRange{{First: "10.1.0.250", Last: "10.1.0.254"}}
	put(t, v, &model.Project{Meta: meta(40, "shop"), Gateways: []model.Gateway{{Zone: id(zoneA), Address: "10.1.0.250"}}}, old,
		&model.Adapter{Meta: meta(50, "web"), Subnet: id(subnetID), MAC: "da:1e:70:00:00:01", Addresses: []string{"10.1.0.7"}})
	cases := []struct {
		name   string
		change func(s *model.Subnet)
		code   fault.Code
		field  string
		says   string
	}{
		{"nothing", func(s *model.Subnet) {}, "", "", ""},
		{"reserve around what is in use", func(s *model.Subnet) { s.Reserved = []model.IPRange{{First: "10.1.0.2", Last: "10.1.0.20"}} }, "", "", ""},
		{"larger pool", func(s *model.Subnet) { s.GwPool = []model.IPRange{{First: "10.1.0.240", Last: "10.1.0.254"}} }, "", "", ""},
		{"range", func(s *model.Subnet) { s.CIDR = "10.1.0.0/23" }, fault.Invalid, "cidr", "fixed at 10.1.0.0/24"},
		{"vnet", func(s *model.Subnet) { s.VNet = id(public) }, fault.Invalid, "vnet", "stays"},
		{"gateway onto a machine", func(s *model.Subnet) { s.Gateway = "10.1.0.7" }, fault.Conflict, "gateway", "\"web\""},
		{"gateway onto a zone's", func(s *model.Subnet) { s.Gateway = "10.1.0.250" }, fault.Conflict, "gateway", string(id(zoneA))},
		{"pool over a machine", func(s *model.Subnet) {
			s.GwPool = append(old.GwPool[:1:1], model.IPRange{First: "10.1.0.5", Last: "10.1.0.9"})
		}, fault.Conflict, "gw_pool", "\"web\""},
		{"pool without a zone's gateway", func(s *model.Subnet) { s.GwPool = []model.IPRange{{First: "10.1.0.251", Last: "10.1.0.254"}} }, fault.Conflict, "gw_pool", "10.1.0.250"},
		{"storage on a project's subnet", func(s *model.Subnet) { s.Application = "ceph" }, fault.Conflict, "application", "project"},
		{"what CheckSubnet refuses", func(s *model.Subnet) { s.DNS = "x" }, fault.Invalid, "dns", "no IPv4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := model.Edit(old)
			c.change(s)
			err := ipam.CheckUpdate(v, old, s)
			if c.code == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			refused(t, err, c.code, c.field, c.says)
		})
	}
}

// FuzzCheckSubnet holds that no text panics and that what is accepted means what it says.
func FuzzCheckSubnet(f *testing.F) {
	f.Add("10.1.0.0/24", "10.1.0.1", "10.1.0.250", "10.1.0.254", "10.9.0.0/16")
	f.Add("10.0.0.0/8", "10.255.255.254", "10.0.0.1", "10.255.255.253", "")
	f.Add("192.168.255.252/30", "192.168.255.253", "192.168.255.254", "192.168.255.254", "0.0.0.0/0")
	f.Add("fd00::/64", "::1", "255.255.255.255", "0.0.0.0", "::/0")
	v := world(f)
	n, _ := model.Find[*model.VNet](v, id(private))
	f.Fuzz(func(t *testing.T, cidr, gateway, first, last, route string) {
		s := tenant(subnetID, cidr, gateway)
		s.Reserved = []model.IPRange{{First: first, Last: last}}
		if route != "" {
			s.ExtraRoutes = []string{route}
		}
		if ipam.CheckSubnet(v, s, n) != nil {
			return
		}
		p := netip.MustParsePrefix(cidr)
		if p.String() != cidr || p.Masked() != p || !p.Addr().IsPrivate() {
			t.Fatalf("accepted %q on a private segment", cidr)
		}
		for _, text := range []string{gateway, first, last} {
			if a := netip.MustParseAddr(text); a.String() != text || !p.Contains(a) {
				t.Fatalf("accepted %q inside %q", text, cidr)
			}
		}
		picked, err := ipam.Pick(v, s, nil)
		usable, countErr := ipam.Usable(s)
		if countErr != nil || (err == nil) != (usable > 0) {
			t.Fatalf("%d usable (%v) but Pick said %v", usable, countErr, err)
		}
		if err != nil {
			return
		}
		if f, l := netip.MustParseAddr(first), netip.MustParseAddr(last); !p.Contains(picked) || picked.String() == gateway ||
			(!picked.Less(f) && !l.Less(picked)) {
			t.Fatalf("picked %s of %+v", picked, s)
		}
	})
}
