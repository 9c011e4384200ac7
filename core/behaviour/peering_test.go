package behaviour_test

import (
	"strings"
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// peer is the body that declares a peering with a subnet.
func (c *cloud) peer(subnet string) string {
	return `{"vpc_peerings":[{"subnet":"` + string(c.id(model.KindSubnet, subnet)) + `","policy":"accept"}]}`
}

// member adds a projectAdmin to a project.
func (c *cloud) member(project string) access.Identity {
	c.t.Helper()
	u := c.must("CreateUser", nil, `{"name":"`+project+`-admin","email":"`+project+`@example.org","role":"projectAdmin"}`)
	team := c.must("CreateTeam", nil, `{"name":"`+project+`","users":["`+string(u.Base().ID)+`"]}`)
	p, _ := model.Find[*model.Project](c.root, c.id(model.KindProject, project))
	p = model.Edit(p)
	p.Teams = []model.ID{team.Base().ID}
	c.put(p)
	return access.Identity{User: u.Base().ID, Role: model.RoleProjectAdmin}
}

func legs(k *model.Kawaii) int {
	n := 0
	for i := range k.Peerings {
		n += len(k.Peerings[i].Legs)
	}
	return n
}

func TestAPeeringTakesEffectWhenBothSidesHaveDeclaredIt(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	c.project("bar", "eu")
	shop := c.kawaii("shop", "eu", c.peer("bar-eu"))
	before := c.services()
	if legs(shop) != 0 || !strings.Contains(c.show(shop), `"netip":[]`) {
		t.Errorf("a peering nobody agreed to has addresses: %s", c.show(shop))
	}
	native := string(catalogue.Of(shop.Kind()).Append(nil, c.root, shop, catalogue.Reader{Version: catalogue.V2}))
	if !strings.Contains(native, `"peering_states":[{"subnet":"`+string(shop.Peerings[0].Subnet)+`","state":"pending"}]`) {
		t.Errorf("API v2 shows %s", native)
	}
	if strings.Contains(c.show(shop), "peering_states") {
		t.Error("API v1 shows a field it does not have")
	}
	bar := c.kawaii("bar", "eu", `{}`)
	if legs(now(c, shop)) != 0 {
		t.Error("a gateway without counterpart counts as agreement")
	}
	bar = c.must("UpdateKawaii", map[string]string{"kawaiiId": string(bar.ID)}, c.peer("shop-eu")).(*model.Kawaii)
	shop = now(c, shop)
	if legs(shop) != 2 || legs(bar) != 2 {
		t.Fatalf("addresses on the other side: %d and %d, want one for each zone", legs(shop), legs(bar))
	}
	for _, k := range []*model.Kawaii{shop, bar} {
		for _, leg := range k.Peerings[0].Legs {
			card, _ := model.Find[*model.Adapter](c.root, leg.Adapter)
			if card == nil || card.Subnet != k.Peerings[0].Subnet || card.Addresses[0] != leg.Address || card.Service != k.ID {
				t.Errorf("leg %+v of %s is reserved by %+v", leg, k.Name, card)
			}
		}
	}
	if shown := c.show(shop); !strings.Contains(shown, `"netip":[{"zone":"eu-a","private":"`+shop.Peerings[0].Legs[0].Address+`"}`) {
		t.Errorf("API v1 shows %s", shown)
	}
	kept := shop.Peerings[0].Legs[0]
	c.must("UpdateKawaii", map[string]string{"kawaiiId": string(shop.ID)}, strings.Replace(c.peer("bar-eu"), "accept", "drop", 1))
	if shop = now(c, shop); shop.Peerings[0].Legs[0] != kept || shop.Peerings[0].Policy != "drop" {
		t.Errorf("a change of the policy moved an address: %+v", shop.Peerings)
	}
	c.must("UpdateKawaii", map[string]string{"kawaiiId": string(bar.ID)}, `{}`)
	if legs(now(c, shop)) != 0 {
		t.Error("addresses stay when the other side takes its agreement back")
	}
	if got := strings.TrimSpace(c.services()); !strings.Contains(got, "12 adapter") { // 2 gateways of 2 addresses and 2 nodes with 2 cards
		t.Errorf("before %s, after %s", before, got)
	}
	c.must("UpdateKawaii", map[string]string{"kawaiiId": string(bar.ID)}, c.peer("shop-eu"))
	c.must("DeleteKawaii", map[string]string{"kawaiiId": string(bar.ID)}, "")
	if legs(now(c, shop)) != 0 {
		t.Error("addresses stay when the other side's gateway is gone")
	}
	if got := c.services(); got != before {
		t.Errorf("before %s, after %s", before, got)
	}
}

func TestASubnetWithoutProjectIsForSuperAdminsToPeerWith(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	who := c.member("shop")
	c.must("CreateSubnet", map[string]string{"vnetId": "eu-private"}, `{"name":"ceph","cidr":"10.99.0.0/24","gateway":"10.99.0.1","application":"ceph"}`)
	k := c.kawaii("shop", "eu", `{}`)
	path := map[string]string{"kawaiiId": string(k.ID)}
	_, err := c.as(who, "UpdateKawaii", path, c.peer("ceph"))
	c.fault(err, fault.Invalid, "vpc_peerings[0].subnet", "this region has no subnet")
	_, unknown := c.as(who, "UpdateKawaii", path, `{"vpc_peerings":[{"subnet":"ffffffffffffffffffffffff"}]}`)
	if strings.ReplaceAll(fault.From(err).Message, string(c.id(model.KindSubnet, "ceph")), "X") != strings.ReplaceAll(fault.From(unknown).Message, "ffffffffffffffffffffffff", "X") {
		t.Errorf("the two refusals can be told apart:\n%v\n%v", err, unknown)
	}
	k = c.must("UpdateKawaii", path, c.peer("ceph")).(*model.Kawaii)
	if legs(k) != 2 {
		t.Fatalf("%d addresses on the subnet, want one for each zone", legs(k))
	}
	// Who may not declare it may keep it.
	o, err := c.as(who, "UpdateKawaii", path, c.peer("ceph"))
	if err != nil || legs(o.(*model.Kawaii)) != 2 {
		t.Errorf("the peering does not survive a projectAdmin's change: %v", err)
	}
	if shown := c.show(o); strings.Contains(shown, "2049") || strings.Contains(shown, "3300") {
		t.Errorf("rules nobody sent: %s", shown)
	}
	if _, err := c.as(who, "UpdateKawaii", path, `{}`); err != nil || legs(now(c, k)) != 0 {
		t.Errorf("a peering that is not sent stays: %v", err)
	}
}

// A project must not become the owner of a subnet that others' gateways are on.
func TestASubnetThatGatewaysAreOnGoesToNoProject(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	c.must("CreateSubnet", map[string]string{"vnetId": "eu-private"}, `{"name":"open","cidr":"10.98.0.0/26","gateway":"10.98.0.1","gw_pool":[{"first":"10.98.0.2","last":"10.98.0.9"}]}`)
	c.kawaii("shop", "eu", c.peer("open"))
	c.refused(fault.Invalid, "subnetSize", "1 has machines or gateways attached", "CreateProject", nil, `{"name":"late","teams":[],"regions":["`+string(c.id(model.KindRegion, "eu"))+`"]}`)
}

func TestPeeringsThatCannotBeAreRefused(t *testing.T) {
	c := newCloud(t)
	c.region("us", 1, 1)
	c.project("shop", "eu")
	c.project("bar", "eu", "us")
	create := func(field, says, body string) {
		t.Helper()
		c.refused(fault.Invalid, field, says, "CreateProjectRegionKawaii", in("shop", "eu"), body)
	}
	create("vpc_peerings[0].subnet", "this region has no subnet", c.peer("bar-us"))
	create("vpc_peerings[0].subnet", "this region has no subnet", `{"vpc_peerings":[{"subnet":"ffffffffffffffffffffffff"}]}`)
	create("vpc_peerings[0].subnet", "is on public vnet", c.peer("eu-internet"))
	id := string(c.id(model.KindSubnet, "bar-eu"))
	create("vpc_peerings[1].subnet", "stands in vpc_peerings[0] already", `{"vpc_peerings":[{"subnet":"`+id+`"},{"subnet":"`+id+`"}]}`)
	create("vpc_peerings[0].egress[0].ports", "is no port", `{"vpc_peerings":[{"subnet":"`+id+`","egress":[{"ports":"http"}]}]}`)
	create("vpc_peerings[0].policy", "is none of", `{"vpc_peerings":[{"subnet":"`+id+`","policy":"allow"}]}`)
}

func TestAPeeringWithoutRoomForTheLegsIsRefused(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	c.project("bar", "eu")
	c.kawaii("shop", "eu", c.peer("bar-eu"))
	c.kawaii("bar", "eu", `{}`)
	s, _ := model.Find[*model.Subnet](c.root, c.id(model.KindSubnet, "bar-eu"))
	base := strings.TrimSuffix(s.CIDR, "0/26")
	s = model.Edit(s)
	s.Reserved = []model.IPRange{{First: base + "12", Last: base + "62"}} // of 10 to 62 the nodes have two
	c.put(s)
	c.refused(fault.Exhausted, "", "has no free address for gateway \"kawaii-shop\"", "UpdateKawaii", map[string]string{"kawaiiId": "kawaii-bar"}, c.peer("shop-eu"))
}

// A zone that came later and found no address on the other side goes without one there; nothing else is
// refused for it.
func TestAPeeringGoesOnWithoutTheZonesThatFindNoAddress(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	c.project("bar", "eu")
	shop := c.kawaii("shop", "eu", c.peer("bar-eu"))
	c.kawaii("bar", "eu", c.peer("shop-eu"))
	s, _ := model.Find[*model.Subnet](c.root, c.id(model.KindSubnet, "bar-eu"))
	base := strings.TrimSuffix(s.CIDR, "0/26")
	s = model.Edit(s)
	s.Reserved = []model.IPRange{{First: base + "14", Last: base + "62"}}
	c.put(s) // of 10 to 13 the nodes of bar have two, the legs of shop two
	c.must("CreateZone", map[string]string{"regionId": "eu"}, `{"name":"eu-c"}`)
	if n := legs(now(c, shop)); n != 2 {
		t.Errorf("%d addresses on a subnet that has two", n)
	}
	if n := legs(now(c, c.find("kawaii-bar"))); n != 3 {
		t.Errorf("%d addresses on a subnet with room for three zones", n)
	}
	for _, gateway := range []string{"kawaii-shop", "kawaii-bar"} {
		peers := map[string]string{"kawaii-shop": "bar-eu", "kawaii-bar": "shop-eu"}[gateway]
		c.must("UpdateKawaii", map[string]string{"kawaiiId": gateway}, strings.Replace(c.peer(peers), "{", `{"description":"new",`, 1))
	}
	if n := legs(now(c, shop)); n != 2 {
		t.Errorf("%d addresses after a change of something else", n)
	}
}

func (c *cloud) find(name string) *model.Kawaii {
	k, ok := model.Find[*model.Kawaii](c.root, c.id(model.KindKawaii, name))
	if !ok {
		c.t.Fatalf("there is no gateway %q", name)
	}
	return k
}
