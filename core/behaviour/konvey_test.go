package behaviour_test

import (
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

const web = `"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.0.0.20","web-2.shop.example"],"port":8080}}]`

func (c *cloud) konvey(project, region, body string) *model.Konvey {
	c.t.Helper()
	return c.must("CreateProjectRegionKonvey", in(project, region), body).(*model.Konvey)
}

func TestALoadBalancerHasAnAddressAndTwoNodesInDifferentZones(t *testing.T) {
	c := newCloud(t)
	p := c.project("shop", "eu")
	k := c.konvey("shop", "eu", `{`+web+`}`)
	if k.Name != "shop" || !k.Failover || k.VIP == "" || k.VRID != 1 || k.Zone != "" {
		t.Errorf("%+v", k)
	}
	card, _ := model.Find[*model.Adapter](c.root, k.Adapter)
	if card.Addresses[0] != k.VIP || card.Subnet != k.Subnet || card.Service != k.ID {
		t.Errorf("the address is reserved by %+v", card)
	}
	nodes := c.nodes(k.ID)
	if len(nodes) != 2 || nodes[0].Zone == nodes[1].Zone || nodes[0].Standby == nodes[1].Standby {
		t.Fatalf("nodes %+v", nodes)
	}
	if shown := c.show(k); !strings.Contains(shown, web) || !strings.Contains(shown, `"vip":"`+k.VIP+`","failover":true`) {
		t.Errorf("API v1 shows %s", shown)
	}
	if ids := now(c, p).VRRPIDs; len(ids) != 1 {
		t.Errorf("VRRP ids %v", ids)
	}
}

func TestALoadBalancerOfAZoneStaysThere(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	path := map[string]string{"projectId": "shop", "zoneId": "eu-b"}
	k := c.must("CreateProjectZoneKonvey", path, `{"name":"lb","failover":true,`+web+`}`).(*model.Konvey)
	nodes := c.nodes(k.ID)
	zone := c.id(model.KindZone, "eu-b")
	if len(nodes) != 2 || nodes[0].Zone != zone || nodes[1].Zone != zone || nodes[0].Kaktus == nodes[1].Kaktus || k.Region != c.id(model.KindRegion, "eu") {
		t.Errorf("%+v with nodes %+v %+v", k, nodes[0], nodes[1])
	}
	c.refused(fault.Conflict, "name", "lb", "CreateProjectZoneKonvey", path, `{"name":"lb",`+web+`}`)
}

func TestNamesOfLoadBalancersAreMadeOfTheProjects(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	path := map[string]string{"projectId": "shop", "zoneId": "eu-b"}
	for _, want := range []string{"shop", "shop-eu", "shop-eu-2"} {
		if k := c.konvey("shop", "eu", `{"failover":false,`+web+`}`); k.Name != want {
			t.Errorf("called %q, want %q", k.Name, want)
		}
	}
	if k := c.must("CreateProjectZoneKonvey", path, `{"failover":false,`+web+`}`); k.Base().Name != "shop-eu-b" {
		t.Errorf("called %q", k.Base().Name)
	}
}

func TestFailoverNeedsAHostOfItsOwn(t *testing.T) {
	c := emptyCloud(t)
	c.region("eu", 1, 1)
	c.project("shop", "eu")
	c.refused(fault.Exhausted, "failover", "add hosts, or send failover false", "CreateProjectRegionKonvey", in("shop", "eu"), `{`+web+`}`)
	k := c.konvey("shop", "eu", `{"failover":false,`+web+`}`)
	if shown := c.show(k); !strings.Contains(shown, `"failover":false`) {
		t.Errorf("API v1 shows %s", shown)
	}
	c.refused(fault.Exhausted, "failover", "needs a host of its own", "UpdateKonvey", map[string]string{"konveyId": string(k.ID)}, `{"failover":true,`+web+`}`)
}

func TestAnUpdateOfALoadBalancerTakesEffect(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	k := c.konvey("shop", "eu", `{"failover":true,`+web+`}`)
	path := map[string]string{"konveyId": string(k.ID)}
	var first model.ID
	for _, n := range c.nodes(k.ID) {
		if !n.Standby {
			first = n.ID
		}
	}
	got := c.must("UpdateKonvey", path, `{"name":"front","description":"new","failover":false,`+strings.Replace(web, `"port":80,`, `"port":443,`, 1)+`}`).(*model.Konvey)
	if got.Name != "front" || got.Description != "new" || got.Failover || got.Endpoints[0].Port != 443 || got.VIP != k.VIP || got.VRID != k.VRID {
		t.Errorf("%+v", got)
	}
	if nodes := c.nodes(k.ID); len(nodes) != 1 || nodes[0].ID != first || c.root.Len(model.KindAdapter) != 2 {
		t.Errorf("%d nodes and %d adapters without failover", len(nodes), c.root.Len(model.KindAdapter))
	}
	c.must("UpdateKonvey", path, `{"name":"","failover":true,`+web+`}`)
	nodes := c.nodes(k.ID)
	if len(nodes) != 2 || nodes[0].Zone == nodes[1].Zone || now(c, k).Name != "front" {
		t.Errorf("nodes %+v", nodes)
	}
	before := c.root.Len(model.KindNode)
	c.must("DeleteKonvey", path, "")
	if c.root.Len(model.KindNode) != before-2 || c.root.Len(model.KindAdapter) != 0 {
		t.Errorf("left behind: %s", c.services())
	}
}

func TestEndpointsThatCannotBeAreRefused(t *testing.T) {
	c := newCloud(t)
	c.project("shop", "eu")
	end := func(name, port, protocol, hosts string) string {
		return `{"name":"` + name + `","port":` + port + `,"protocol":"` + protocol + `","backends":{"hosts":[` + hosts + `],"port":80}}`
	}
	for _, x := range []struct{ body, field, says string }{
		{`[]`, "endpoints", "is empty"},
		{`[` + end("a", "0", "tcp", `"h"`) + `]`, "endpoints[0].port", ""},
		{`[` + end("a", "65536", "tcp", `"h"`) + `]`, "endpoints[0].port", ""},
		{`[` + end("a", "80", "sctp", `"h"`) + `]`, "endpoints[0].protocol", "is none of"},
		{`[` + end("", "80", "tcp", `"h"`) + `]`, "endpoints[0].name", "must not be empty"},
		{`[` + end("a", "80", "tcp", ``) + `]`, "endpoints[0].backends.hosts", "is empty"},
		{`[` + end("a", "80", "tcp", `"h","h"`) + `]`, "endpoints[0].backends.hosts[1]", "is backends.hosts[0] already"},
		{`[` + end("a", "80", "tcp", `"10.0.0.256"`) + `]`, "endpoints[0].backends.hosts[0]", "is no IPv4 address"},
		{`[` + end("a", "80", "tcp", `"fd00::1"`) + `]`, "endpoints[0].backends.hosts[0]", "IPv4 only"},
		{`[` + end("a", "80", "tcp", `"web 1"`) + `]`, "endpoints[0].backends.hosts[0]", "neither an IPv4 address nor a host name"},
		{`[` + end("a", "80", "tcp", `"h"`) + `,` + end("a", "81", "tcp", `"h"`) + `]`, "endpoints[1].name", `endpoints[0] is called "a" already`},
		{`[` + end("a", "80", "tcp", `"h"`) + `,` + end("b", "80", "tcp", `"h"`) + `]`, "endpoints[1].port", "endpoints[0] and endpoints[1] both listen on tcp port 80"},
	} {
		c.refused(fault.Invalid, x.field, x.says, "CreateProjectRegionKonvey", in("shop", "eu"), `{"failover":false,"endpoints":`+x.body+`}`)
	}
	k := c.konvey("shop", "eu", `{"failover":false,"endpoints":[`+end("a", "53", "tcp", `"h"`)+`,`+end("b", "53", "udp", `"h"`)+`]}`)
	if len(k.Endpoints) != 2 {
		t.Errorf("%+v", k.Endpoints)
	}
	one := c.konvey("shop", "eu", `{"failover":false,"endpoints":`+end("a", "53", "tcp", `"h"`)+`}`)
	if len(one.Endpoints) != 1 {
		t.Errorf("one endpoint for a list of it: %+v", one.Endpoints)
	}
}
