package behaviour_test

import (
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// twoTenants is a region whose private vnet has a subnet of shop and one of bank.
func twoTenants(t *testing.T) *cloud {
	c := newCloud(t)
	c.project("shop", "eu")
	c.project("bank", "eu")
	return c
}

// A member cannot take the MAC of a neighbour's card by marking his own adapter as reserved, when he makes
// it or later, and does not learn whose card it is.
func TestNoAdapterTakesANeighboursMAC(t *testing.T) {
	c := twoTenants(t)
	theirs := c.must("CreateAdapter", map[string]string{"subnetId": "bank-eu"}, `{"name":"vault"}`).(*model.Adapter)
	team := c.must("CreateTeam", nil, `{"name":"shopkeepers","users":[]}`).Base().ID
	member := c.must("CreateUser", nil, `{"name":"eve","email":"eve@example.org","role":"projectAdmin"}`).Base().ID
	c.must("UpdateTeam", map[string]string{"teamId": "shopkeepers"}, `{"name":"shopkeepers","users":["`+string(member)+`"]}`)
	c.must("UpdateProject", map[string]string{"projectId": "shop"}, `{"name":"shop","teams":["`+string(team)+`"],"regions":["`+string(c.id(model.KindRegion, "eu"))+`"]}`)
	eve := access.Identity{User: member, Name: "eve", Role: model.RoleProjectAdmin}
	shops := map[string]string{"subnetId": "shop-eu"}

	_, err := c.as(eve, "CreateAdapter", shops, `{"name":"copy","reserved":true,"mac":"`+theirs.MAC+`"}`)
	const says = "is the address of a card outside the project on the same segment (vnet, or vnets of one VLAN); only cards of one project may share an address there; choose another"
	c.fault(err, fault.Conflict, "mac", theirs.MAC+" "+says)
	if _, err := c.as(eve, "CreateAdapter", shops, `{"name":"copy","reserved":true}`); err != nil {
		t.Fatal(err)
	}
	_, err = c.as(eve, "UpdateAdapter", map[string]string{"adapterId": "copy"}, `{"name":"copy","reserved":true,"mac":"`+theirs.MAC+`"}`)
	c.fault(err, fault.Conflict, "mac", theirs.MAC+" "+says)
	own := c.must("CreateAdapter", shops, `{"name":"first","mac":"00:00:5e:00:01:0a","reserved":true}`).(*model.Adapter)
	if _, err := c.as(eve, "UpdateAdapter", map[string]string{"adapterId": "copy"}, `{"name":"copy","reserved":true,"mac":"`+own.MAC+`"}`); err != nil {
		t.Errorf("the address moves between cards of one project: %v", err)
	}
}

// What came to be before the rule stays usable: it takes every change but one that needs the address anew.
func TestAnAdapterKeepsWhatItHad(t *testing.T) {
	c := twoTenants(t)
	theirs := c.must("CreateAdapter", map[string]string{"subnetId": "bank-eu"}, `{"name":"vault"}`).(*model.Adapter)
	old := model.Edit(c.must("CreateAdapter", map[string]string{"subnetId": "shop-eu"}, `{"name":"copy","reserved":true}`).(*model.Adapter))
	old.MAC = theirs.MAC
	group := model.Edit(old)
	group.ID, group.Name, group.MAC = model.ID("0123456789abcdef01234567"), "group", "01:00:5e:00:00:01"
	c.put(old, group)
	for name, mac := range map[string]string{"copy": old.MAC, "group": group.MAC} {
		path := map[string]string{"adapterId": name}
		for _, body := range []string{
			`{"name":"` + name + `","description":"sent back whole","reserved":true,"mac":"` + mac + `"}`,
			`{"name":"` + name + `","description":"without the address","reserved":true}`,
			`{"name":"` + name + `","reserved":true,"addresses":["` + map[string]string{"copy": "10.0.1.20", "group": "10.0.1.21"}[name] + `"]}`,
		} {
			got := c.must("UpdateAdapter", path, body).(*model.Adapter)
			if got.MAC != mac || !got.Reserved {
				t.Errorf("%s has %s %v", name, got.MAC, got.Reserved)
			}
		}
	}
	c.refused(fault.Conflict, "mac", "outside the project", "UpdateAdapter", map[string]string{"adapterId": "copy"}, `{"name":"copy","reserved":false,"mac":"`+old.MAC+`"}`)
	c.must("UpdateAdapter", map[string]string{"adapterId": "copy"}, `{"name":"copy","reserved":true,"mac":"da:1e:70:00:00:99"}`)
	c.refused(fault.Conflict, "mac", "outside the project", "UpdateAdapter", map[string]string{"adapterId": "copy"}, `{"name":"copy","reserved":true,"mac":"`+theirs.MAC+`"}`)
}

// Cards that nobody sends through may share; machines of two projects cannot take them up.
func TestMachinesOfTwoProjectsShareNoMAC(t *testing.T) {
	c := twoTenants(t)
	const mac = "00:00:5e:00:01:0a"
	outside := map[string]string{"subnetId": "eu-internet"}
	first := c.must("CreateAdapter", outside, `{"name":"first","reserved":true,"mac":"`+mac+`"}`).Base().ID
	second := c.must("CreateAdapter", outside, `{"name":"second","reserved":true,"mac":"`+mac+`"}`).Base().ID
	host := c.id(model.KindKaktus, "eu-a-host-1")
	c.put(&model.Instance{Meta: model.Meta{ID: "0123456789abcdef01234567", Name: "till", Phase: model.Ready}, Project: c.id(model.KindProject, "shop"), Zone: c.id(model.KindZone, "eu-a"), Kaktus: host, Adapters: []model.ID{first}})
	machine := func(project string, card model.ID) (string, map[string]string, string) {
		return "CreateProjectZoneInstance", map[string]string{"projectId": project, "zoneId": "eu-a"}, `{"name":"vm","memory":1073741824,"vcpus":1,"adapters":["` + string(card) + `"],"volumes":[]}`
	}
	op, path, body := machine("bank", second)
	c.refused(fault.Conflict, "adapters", "adapter second cannot be attached: "+mac+" is the address of a card outside the project", op, path, body)
	op, path, body = machine("shop", second)
	c.refused(fault.Invalid, "volumes", "none is of type os", op, path, body) // the cards are fine
}

// Machines speak VRRP under every id but those that gateways and balancers have, which in turn pass over theirs.
func TestAdaptersAndGatewaysShareNoVRRPId(t *testing.T) {
	c := twoTenants(t)
	shops, vip := map[string]string{"subnetId": "shop-eu"}, map[string]string{"adapterId": "vip"}
	c.must("CreateAdapter", shops, `{"name":"vip","reserved":true,"mac":"00:00:5e:00:01:01"}`)
	k := c.kawaii("bank", "eu", `{"name":"gw"}`)
	for _, pair := range k.VIPs {
		if pair.VRID == 1 {
			t.Errorf("the gateway has the id of a machine: %+v", k.VIPs)
		}
	}
	c.refused(fault.Conflict, "mac", "is the address of VRRP id 2, which a gateway or load balancer on this segment", "UpdateAdapter", vip, `{"name":"vip","reserved":true,"mac":"00:00:5e:00:01:02"}`)
	c.refused(fault.Conflict, "mac", "above 239 are for the routers of the region", "CreateAdapter", shops, `{"name":"x","reserved":true,"mac":"00:00:5e:00:02:ff"}`)
	c.must("UpdateAdapter", vip, `{"name":"vip","reserved":true,"mac":"00:00:5e:00:01:0a"}`)
}
