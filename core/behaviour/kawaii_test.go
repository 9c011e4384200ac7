package behaviour_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestAGatewayHasAnAddressPairAndANodeInEveryZone(t *testing.T) {
	c := newCloud(t)
	p := c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{"netip":{"public":[],"private":[],"zones":[]}}`)
	if k.Name != "kawaii-shop" || k.Phase != model.Ready {
		t.Errorf("name %q, phase %q", k.Name, k.Phase)
	}
	if len(k.VIPs) != 2 {
		t.Fatalf("%d address pairs for 2 zones", len(k.VIPs))
	}
	for i, want := range []struct{ zone, public string }{{"eu-a", "203.0.101.2"}, {"eu-b", "203.0.101.3"}} {
		vip := k.VIPs[i]
		if vip.Zone != c.id(model.KindZone, want.zone) || vip.Public != want.public || vip.VRID != int64(i+1) {
			t.Errorf("pair %d: %+v", i, vip)
		}
		if !slices.Contains(p.Gateways, model.Gateway{Zone: vip.Zone, Address: vip.Private}) {
			t.Errorf("%s is not the project's gateway in zone %s", vip.Private, want.zone)
		}
		card, _ := model.Find[*model.Adapter](c.root, vip.PublicAdapter)
		if card == nil || !slices.Equal(card.Addresses, []string{vip.Public}) || card.Service != k.ID {
			t.Errorf("%s is reserved by %+v", vip.Public, card)
		}
	}
	if ids := now(c, p).VRRPIDs; !slices.Equal(ids, []int64{1, 2}) {
		t.Errorf("the project shows VRRP ids %v", ids)
	}
	nodes := c.nodes(k.ID)
	if len(nodes) != 2 || nodes[0].Zone == nodes[1].Zone {
		t.Fatalf("nodes: %+v", nodes)
	}
	for _, n := range nodes {
		host, _ := model.Find[*model.Kaktus](c.root, n.Kaktus)
		zone, _ := model.Find[*model.Zone](c.root, n.Zone)
		own, _ := model.Find[*model.Adapter](c.root, n.Adapter)
		public, _ := model.Find[*model.Adapter](c.root, n.Public)
		if host.Zone != n.Zone || n.Role != "kawaii" || n.Name != "kawaii-shop-"+zone.Name+"-1" || n.Shape != (model.Shape{VCPUs: 1, Memory: 1 << 30}) {
			t.Errorf("node %+v on host of zone %s", n, host.Zone)
		}
		if !slices.Equal(own.Addresses, []string{n.Address}) || len(public.Addresses) != 0 || public.Subnet != k.PublicSubnet {
			t.Errorf("cards of %s: %+v, %+v", n.Name, own, public)
		}
	}
	want := `"netip":{"public":["203.0.101.2","203.0.101.3"],"private":["` + k.VIPs[0].Private + `","` + k.VIPs[1].Private + `"],"zones":[{"zone":"eu-a","public":"203.0.101.2","private":"` +
		k.VIPs[0].Private + `"},{"zone":"eu-b","public":"203.0.101.3","private":"` + k.VIPs[1].Private + `"}]}`
	if shown := c.show(k); !strings.Contains(shown, want) || !strings.Contains(shown, `"name":"kawaii-shop"`) || !strings.Contains(shown, `"vpc_peerings":[]`) {
		t.Errorf("API v1 shows %s", shown)
	}
}

func TestDeletingAGatewayLeavesNothing(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	before := c.services()
	k := c.kawaii("shop", "eu", `{}`)
	c.must("DeleteKawaii", map[string]string{"kawaiiId": string(k.ID)}, "")
	if after := c.services(); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	c.kawaii("shop", "eu", `{}`)
}

func TestAProjectHasAGatewayInEachOfItsRegions(t *testing.T) {
	c := newCloud(t)
	c.region("us", 1, 1)
	p := c.project("shop", "eu", "us")
	c.kawaii("shop", "eu", `{}`)
	us := c.kawaii("shop", "us", `{}`)
	if us.Name != "kawaii-shop-us" || len(us.VIPs) != 1 || us.VIPs[0].VRID != 1 {
		t.Errorf("the second gateway: %q %+v", us.Name, us.VIPs)
	}
	if ids := now(c, p).VRRPIDs; !slices.Equal(ids, []int64{1, 2}) {
		t.Errorf("VRRP ids of both regions: %v", ids)
	}
	c.refused(fault.Conflict, "", `project "shop" has gateway "kawaii-shop-us" in region "us" already`, "CreateProjectRegionKawaii", in("shop", "us"), `{"name":"other"}`)
	if k := c.kawaii(c.project("bar", "us").Name, "us", `{"name":"front"}`); k.Name != "front" {
		t.Errorf("a name that was sent became %q", k.Name)
	}
	c.project("baz", "us")
	c.refused(fault.Conflict, "name", "front", "CreateProjectRegionKawaii", in("baz", "us"), `{"name":"front"}`)
}

func TestARegionThatCannotHaveAGatewaySaysWhy(t *testing.T) {
	t.Run("no zone", func(t *testing.T) {
		c := emptyCloud(t)
		c.region("eu", 0, 0)
		c.project("shop", "eu")
		c.refused(fault.Invalid, "regionId", `region "eu" has no zone`, "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
	})
	t.Run("no public network", func(t *testing.T) {
		c := newCloud(t)
		c.project("shop", "eu")
		c.must("DeleteSubnet", map[string]string{"subnetId": "eu-internet"}, "")
		c.refused(fault.Invalid, "regionId", `region "eu" has no public network with a subnet`, "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
	})
	t.Run("too few public addresses", func(t *testing.T) {
		c := newCloud(t)
		c.project("shop", "eu")
		c.must("UpdateSubnet", map[string]string{"subnetId": "eu-internet"}, `{"name":"eu-internet","cidr":"203.0.101.0/24","gateway":"203.0.101.1","reserved":[{"first":"203.0.101.3","last":"203.0.101.254"}]}`)
		c.refused(fault.Exhausted, "", `public subnet "eu-internet" (203.0.101.0/24) has 1 free addresses and the gateway needs 2`, "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
		c.must("CreateVNet", map[string]string{"regionId": "eu"}, `{"name":"eu-public-2","interface":"br9","private":false}`)
		c.must("CreateSubnet", map[string]string{"vnetId": "eu-public-2"}, `{"name":"more","cidr":"198.51.100.0/24","gateway":"198.51.100.1"}`)
		if k := c.kawaii("shop", "eu", `{}`); k.PublicSubnet != c.id(model.KindSubnet, "more") {
			t.Errorf("the next public network was not tried: %+v", k.VIPs)
		}
	})
	t.Run("a zone without host", func(t *testing.T) {
		c := newCloud(t)
		c.must("CreateZone", map[string]string{"regionId": "eu"}, `{"name":"eu-c"}`)
		c.project("shop", "eu")
		c.refused(fault.Exhausted, "", `zone "eu-c" has no host`, "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
	})
	t.Run("hosts offline", func(t *testing.T) {
		c := newCloud(t)
		c.project("shop", "eu")
		for a := range model.All[*model.Agent](c.root) {
			c.offline[a.ID] = true
		}
		c.refused(fault.Unavailable, "", "2 of 2 zones have no host for it", "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
	})
	t.Run("quota", func(t *testing.T) {
		c := newCloud(t)
		p := c.project("shop", "eu")
		p = model.Edit(p)
		p.Quotas.Instances = 1
		c.put(p)
		c.refused(fault.Exhausted, "", "its quota of instances is 1", "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
	})
	t.Run("a region the project does not list", func(t *testing.T) {
		c := newCloud(t)
		c.region("us", 1, 1)
		c.project("shop", "eu")
		c.refused(fault.Invalid, "region", "does not use this region", "CreateProjectRegionKawaii", in("shop", "us"), `{}`)
	})
	t.Run("zone without gateway address", func(t *testing.T) {
		c := newCloud(t)
		c.must("CreateSubnet", map[string]string{"vnetId": "eu-private"}, `{"name":"tight","cidr":"10.9.9.0/26","gateway":"10.9.9.1","gw_pool":[{"first":"10.9.9.2","last":"10.9.9.3"}]}`)
		c.must("CreateProject", nil, `{"name":"shop","teams":[],"regions":["`+string(c.id(model.KindRegion, "eu"))+`"]}`)
		c.must("CreateZone", map[string]string{"regionId": "eu"}, `{"name":"eu-c"}`)
		c.host("eu-c", "eu-c-host-1")
		c.refused(fault.Exhausted, "", `the gateway pool of subnet "tight" (10.9.9.0/26) has no free address for zone "eu-c"`, "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
	})
}

func TestAnUpdateOfAGatewayTakesEffectAndIsEchoed(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{"description":"old"}`)
	s, _ := model.Find[*model.Subnet](c.root, k.PrivateSubnet)
	to := netip.MustParsePrefix(s.CIDR).Addr().Next().Next().String()
	sent := `"firewall":{"ingress":[{"source":"0.0.0.0/0","protocol":"udp","ports":"500,4500"},{"source":"198.51.100.7","protocol":"tcp","ports":"443,80,8000-8080"}],"egress_policy":"drop","egress":[{"destination":"10.0.0.0/8","protocol":"tcp","ports":"1-65535"}]},` +
		`"dnat":[{"destination":"` + to + `","protocol":"tcp","ports":"443"},{"destination":"` + to + `","protocol":"udp","ports":"443"}]`
	got := c.must("UpdateKawaii", map[string]string{"kawaiiId": string(k.ID)}, `{"name":"front","description":"new","netip":{"public":["1.2.3.4"],"private":[],"zones":[]},`+sent+`}`).(*model.Kawaii)
	if shown := c.show(got); !strings.Contains(shown, sent) || !strings.Contains(shown, `"name":"front","description":"new"`) {
		t.Errorf("API v1 shows %s\nsent was %s", shown, sent)
	}
	if !slices.Equal(got.VIPs, k.VIPs) {
		t.Errorf("the addresses changed: %+v", got.VIPs)
	}
	got = c.must("UpdateKawaii", map[string]string{"kawaiiId": string(k.ID)}, `{}`).(*model.Kawaii)
	if got.Name != "front" || len(got.DNAT) != 0 || len(got.Firewall.Ingress) != 0 || got.Firewall.EgressPolicy != "accept" {
		t.Errorf("rules that are not sent stay: %+v", got)
	}
}

func TestRulesThatCannotBeCarriedOutAreRefused(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	s, _ := model.Find[*model.Subnet](c.root, c.id(model.KindSubnet, "shop-eu"))
	base := strings.TrimSuffix(s.CIDR, "0/26")
	for _, x := range []struct{ body, field, says string }{
		{`{"firewall":{"ingress":[{"ports":"80"},{"ports":"90-80"}]}}`, "firewall.ingress[1].ports", "begins after its end; write 80-90"},
		{`{"firewall":{"ingress":[{"ports":"80, 443"}]}}`, "firewall.ingress[0].ports", `" 443" is no port`},
		{`{"firewall":{"ingress":[{"ports":""}]}}`, "firewall.ingress[0].ports", "must not be empty"},
		{`{"firewall":{"ingress":[{"ports":"0"}]}}`, "firewall.ingress[0].ports", "from 1 to 65535"},
		{`{"firewall":{"ingress":[{"ports":"65536"}]}}`, "firewall.ingress[0].ports", "from 1 to 65535"},
		{`{"firewall":{"ingress":[{"ports":"080"}]}}`, "firewall.ingress[0].ports", "from 1 to 65535"},
		{`{"firewall":{"ingress":[{"ports":"80","protocol":"icmp"}]}}`, "firewall.ingress[0].protocol", "is none of"},
		{`{"firewall":{"ingress":[{"ports":"80","source":"10.0.0.1/8"}]}}`, "firewall.ingress[0].source", "is written 10.0.0.0/8"},
		{`{"firewall":{"ingress":[{"ports":"80","source":"fe80::/10"}]}}`, "firewall.ingress[0].source", "IPv4 only"},
		{`{"firewall":{"egress":[{"ports":"80","destination":"anywhere"}]}}`, "firewall.egress[0].destination", "is no IPv4 address"},
		{`{"firewall":{"egress_policy":"reject"}}`, "firewall.egress_policy", "is none of"},
		{`{"dnat":[{"destination":"10.200.0.1","ports":"80"}]}`, "dnat[0].destination", "is not in " + s.CIDR},
		{`{"dnat":[{"destination":"` + base + `63","ports":"80"}]}`, "dnat[0].destination", "broadcast"},
		{`{"dnat":[{"destination":"` + base + `0","ports":"80"}]}`, "dnat[0].destination", "network"},
		{`{"dnat":[{"destination":"` + base + `20","ports":"80-90"},{"destination":"` + base + `21","ports":"443,85","protocol":"tcp"}]}`, "dnat[1].ports", "dnat[0] and dnat[1] both forward tcp port 85"},
		{`{"vpc_peerings":[{"subnet":"` + string(s.ID) + `"}]}`, "vpc_peerings[0].subnet", "is the gateway's own"},
	} {
		c.refused(fault.Invalid, x.field, x.says, "CreateProjectRegionKawaii", in("shop", "eu"), x.body)
	}
	c.kawaii("shop", "eu", `{"dnat":[{"destination":"`+base+`20","ports":"80","protocol":"tcp"},{"destination":"`+base+`20","ports":"80","protocol":"udp"}]}`)
}

func TestOneRuleMayStandForAListOfIt(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	c.project("bar", "eu")
	s, _ := model.Find[*model.Subnet](c.root, c.id(model.KindSubnet, "shop-eu"))
	to := strings.TrimSuffix(s.CIDR, "0/26") + "20"
	k := c.kawaii("shop", "eu", `{"firewall":{"ingress":{"ports":"80"},"egress":{"ports":"25"}},"dnat":{"destination":"`+to+`","ports":"80"},
		"vpc_peerings":{"subnet":"`+string(c.id(model.KindSubnet, "bar-eu"))+`","policy":"accept","ingress":{"ports":"1-65535"},"egress":{"ports":"1-65535","protocol":"udp"}}}`)
	if len(k.Firewall.Ingress) != 1 || len(k.Firewall.Egress) != 1 || len(k.DNAT) != 1 || len(k.Peerings) != 1 || len(k.Peerings[0].Ingress) != 1 || len(k.Peerings[0].Egress) != 1 {
		t.Errorf("%+v", k)
	}
}

func TestAZoneAddedLaterGetsAddressesAndOnceItHasAHostANode(t *testing.T) {
	c := newCloud(t)
	p := c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	kept := slices.Clone(k.VIPs)
	c.must("CreateZone", map[string]string{"regionId": "eu"}, `{"name":"eu-c"}`)
	if !strings.Contains(c.trace.String(), `zone "eu-c" has no host`) {
		t.Errorf("the trace does not tell why there is no node:\n%s", c.trace)
	}
	k = now(c, k)
	if len(k.VIPs) != 3 || !slices.Equal(k.VIPs[:2], kept) || k.VIPs[2].VRID != 3 {
		t.Fatalf("address pairs: %+v, before %+v", k.VIPs, kept)
	}
	if ids := now(c, p).VRRPIDs; !slices.Equal(ids, []int64{1, 2, 3}) {
		t.Errorf("VRRP ids %v", ids)
	}
	c.host("eu-c", "eu-c-host-1")
	if !behaviour.Understaffed(c.root, k.VIPs[2].Zone) || behaviour.Understaffed(c.root, k.VIPs[1].Zone) {
		t.Error("the zone that lacks a node is not told from one that has it")
	}
	c.must("UpdateKawaii", map[string]string{"kawaiiId": string(k.ID)}, `{}`)
	if nodes := c.nodes(k.ID); len(nodes) != 3 || behaviour.Understaffed(c.root, k.VIPs[2].Zone) {
		t.Errorf("a change of the gateway did not mend the zone: %d nodes", len(nodes))
	}
	for _, n := range c.nodes(k.ID) {
		if n.Zone == k.VIPs[2].Zone {
			c.must("DeleteKaktus", map[string]string{"kaktusId": string(n.Kaktus)}, "")
		}
	}
	if nodes := c.nodes(k.ID); len(nodes) != 2 {
		t.Errorf("%d nodes without the third zone's only host", len(nodes))
	}
	c.must("DeleteZone", map[string]string{"zoneId": "eu-c"}, "")
	if k = now(c, k); !slices.Equal(k.VIPs, kept) {
		t.Errorf("address pairs: %+v, before %+v", k.VIPs, kept)
	}
	if n := c.root.Len(model.KindAdapter); n != 2+2*2 {
		t.Errorf("%d adapters for 2 addresses and 2 nodes", n)
	}
	if ids := now(c, p).VRRPIDs; !slices.Equal(ids, []int64{1, 2}) {
		t.Errorf("VRRP ids %v", ids)
	}
}

// A new zone never fails for the sake of a gateway; what it lacks is given when the reason is gone.
func TestAZoneIsMadeThoughAGatewayFindsNoAddressInIt(t *testing.T) {
	c := newCloud(t)
	gw := func(last string) string {
		return `{"name":"tight","cidr":"10.9.9.0/26","gateway":"10.9.9.1","gw_pool":[{"first":"10.9.9.2","last":"10.9.9.` + last + `"}]}`
	}
	c.must("CreateSubnet", map[string]string{"vnetId": "eu-private"}, gw("3"))
	c.must("CreateProject", nil, `{"name":"shop","teams":[],"regions":["`+string(c.id(model.KindRegion, "eu"))+`"]}`)
	s, _ := model.Find[*model.Subnet](c.root, c.id(model.KindSubnet, "tight"))
	s = model.Edit(s)
	s.Reserved = []model.IPRange{{First: "10.9.9.4", Last: "10.9.9.5"}} // so that no node takes them
	c.put(s)
	k := c.kawaii("shop", "eu", `{}`)
	c.must("CreateZone", map[string]string{"regionId": "eu"}, `{"name":"eu-c"}`)
	c.host("eu-c", "eu-c-host-1")
	if k = now(c, k); len(k.VIPs) != 2 {
		t.Fatalf("%d address pairs", len(k.VIPs))
	}
	c.must("UpdateKawaii", map[string]string{"kawaiiId": string(k.ID)}, `{"description":"still works"}`)
	if !strings.Contains(c.trace.String(), `no free address for zone "eu-c"`) {
		t.Errorf("the trace does not tell what is missing:\n%s", c.trace)
	}
	c.must("UpdateSubnet", map[string]string{"subnetId": "tight"}, gw("5"))
	c.must("UpdateKawaii", map[string]string{"kawaiiId": string(k.ID)}, `{}`)
	if k = now(c, k); len(k.VIPs) != 3 || k.VIPs[2].Private != "10.9.9.4" || len(c.nodes(k.ID)) != 3 {
		t.Errorf("address pairs %+v, %d nodes", k.VIPs, len(c.nodes(k.ID)))
	}
}

func BenchmarkGatewayAmongMany(b *testing.B) {
	c := emptyCloud(b)
	c.region("eu", 3, 100)
	for i := range 70 {
		name := fmt.Sprintf("p%d", i)
		c.project(name, "eu")
		c.kawaii(name, "eu", `{}`)
	}
	c.project("shop", "eu")
	b.ResetTimer()
	for b.Loop() {
		k := c.kawaii("shop", "eu", `{}`)
		c.must("DeleteKawaii", map[string]string{"kawaiiId": string(k.ID)}, "")
	}
}

func TestNodesMoveOffAHostThatIsDeleted(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	for range 2 {
		n := c.nodes(k.ID)[0]
		c.must("DeleteKaktus", map[string]string{"kaktusId": string(n.Kaktus)}, "")
	}
	nodes := c.nodes(k.ID)
	if len(nodes) != 1 {
		t.Fatalf("%d nodes after both hosts of a zone went", len(nodes))
	}
	c.must("DeleteKaktus", map[string]string{"kaktusId": string(nodes[0].Kaktus)}, "")
	c.refused(fault.Conflict, "", `carries node "`+c.nodes(k.ID)[0].Name+`", which has no other host`, "DeleteKaktus", map[string]string{"kaktusId": string(c.nodes(k.ID)[0].Kaktus)}, "")
}

// A segment has 239 VRRP ids for everybody on it; two gateways that shared one would take each other's
// addresses.
func TestVRRPIdsAreUniqueOnASegmentWhoeverOwnsThem(t *testing.T) {
	c := emptyCloud(t)
	c.region("eu", 1, 1)
	seen := map[int64]string{}
	for i := range 5 {
		name := fmt.Sprintf("p%d", i)
		c.project(name, "eu")
		k := c.kawaii(name, "eu", `{}`)
		b := c.must("CreateProjectRegionKonvey", in(name, "eu"), `{"failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["web-1"],"port":80}}]}`).(*model.Konvey)
		for _, vrid := range []int64{k.VIPs[0].VRID, b.VRID} {
			if seen[vrid] != "" {
				t.Errorf("VRRP id %d has %s and %s", vrid, seen[vrid], name)
			}
			seen[vrid] = name
		}
	}
	c.must("DeleteKawaii", map[string]string{"kawaiiId": "kawaii-p1"}, "")
	if k := c.kawaii("p1", "eu", `{}`); k.VIPs[0].VRID != 3 {
		t.Errorf("VRRP id %d, the lowest free is 3", k.VIPs[0].VRID)
	}
}

func TestASegmentWithoutFreeVRRPIdsIsNamed(t *testing.T) {
	c := emptyCloud(t)
	c.region("eu", 1, 1)
	c.project("shop", "eu")
	crowd := &model.Kawaii{Project: c.project("crowd", "eu").ID, Region: c.id(model.KindRegion, "eu"), PublicSubnet: c.id(model.KindSubnet, "eu-internet"), PrivateSubnet: c.id(model.KindSubnet, "crowd-eu")}
	crowd.ID, crowd.Name = "0000000000000000000000aa", "crowd"
	for vrid := int64(1); vrid <= 239; vrid++ {
		crowd.VIPs = append(crowd.VIPs, model.GatewayVIP{VRID: vrid})
	}
	c.put(crowd)
	c.refused(fault.Exhausted, "", `vnet "eu-public" has too few free VRRP ids: 1 are needed and 239 of 239 are in use`, "CreateProjectRegionKawaii", in("shop", "eu"), `{}`)
}

// What reserves addresses for services is nobody's to attach, change or delete.
func TestAdaptersOfServicesAreTheirs(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.kawaii("shop", "eu", `{}`)
	path := map[string]string{"adapterId": string(k.VIPs[0].PublicAdapter)}
	c.refused(fault.Conflict, "", "is part of gateway or load balancer", "DeleteAdapter", path, "")
	c.refused(fault.Conflict, "", "is part of gateway or load balancer", "UpdateAdapter", path, `{"name":"x","addresses":["203.0.101.99"]}`)
	c.refused(fault.Conflict, "addresses[0]", "is in use by adapter", "CreateAdapter", map[string]string{"subnetId": "eu-internet"}, `{"name":"x","addresses":["`+k.VIPs[0].Public+`"]}`)
	c.refused(fault.Invalid, "addresses[0]", "in the gateway pool", "CreateAdapter", map[string]string{"subnetId": "shop-eu"}, `{"name":"x","addresses":["`+k.VIPs[0].Private+`"]}`)
	c.refused(fault.Invalid, "regions", `still has gateway "kawaii-shop"`, "UpdateProject", map[string]string{"projectId": "shop"}, `{"name":"shop","teams":[],"regions":[]}`)
	c.refused(fault.Conflict, "", "kawaii-shop", "DeleteProject", map[string]string{"projectId": "shop"}, "")
}
