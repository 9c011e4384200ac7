package operate_test

import (
	"fmt"
	"sync"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// gateways builds n projects on the one private segment, and a public network.
func (c *cloud) gateways(n int) {
	c.t.Helper()
	c.must("wan", "CreateVNet", map[string]string{"regionId": "eu"}, nil, `{"name":"wan","interface":"br1","private":false}`)
	c.must("wan-1", "CreateSubnet", map[string]string{"vnetId": "wan"}, nil, `{"name":"wan-1","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`)
	for i := range n {
		c.must(fmt.Sprintf("lan-%d", i+2), "CreateSubnet", map[string]string{"vnetId": "lan"}, nil,
			fmt.Sprintf(`{"name":"lan-%d","cidr":"10.%d.0.0/26","gateway":"10.%[2]d.0.1","gw_pool":[{"first":"10.%[2]d.0.2","last":"10.%[2]d.0.5"}]}`, i+2, i+2))
		name := fmt.Sprintf("p%d", i)
		c.must(name, "CreateProject", nil, nil, `{"name":"`+name+`","teams":[],"regions":["`+string(c.ids["eu"])+`"]}`)
	}
}

// at carries out a request for each of the projects at the same time.
func (c *cloud) at(n int, id, body string) []model.Object {
	c.t.Helper()
	out := make([]model.Object, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			a, err := c.ask(id, map[string]string{"projectId": fmt.Sprintf("p%d", i), "regionId": "eu"}, nil, body)
			if err != nil {
				c.t.Errorf("%s for p%d: %v", id, i, err)
				return
			}
			out[i] = a.Object
		})
	}
	wg.Wait()
	return out
}

// Eight tenants who create gateways and load balancers at once share two segments: each gets addresses and
// VRRP ids of his own.
func TestParallelGatewaysShareNoAddressAndNoVRRPId(t *testing.T) {
	c := newCloud(t)
	c.gateways(8)
	vrids, public := map[int64]string{}, map[string]string{}
	for _, o := range c.at(8, "CreateProjectRegionKawaii", `{}`) {
		k, ok := o.(*model.Kawaii)
		if !ok || len(k.VIPs) != 1 {
			t.Fatalf("%+v", o)
		}
		vip := k.VIPs[0]
		if vrids[vip.VRID] != "" || public[vip.Public] != "" {
			t.Errorf("%s shares VRRP id %d or address %s", k.Name, vip.VRID, vip.Public)
		}
		vrids[vip.VRID], public[vip.Public] = k.Name, k.Name
	}
	for _, o := range c.at(8, "CreateProjectRegionKonvey", `{"failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["web-1"],"port":80}}]}`) {
		k, ok := o.(*model.Konvey)
		if !ok {
			t.Fatalf("%+v", o)
		}
		if vrids[k.VRID] != "" {
			t.Errorf("%s shares VRRP id %d with %s", k.Name, k.VRID, vrids[k.VRID])
		}
		vrids[k.VRID] = k.Name
	}
	for vrid := int64(1); vrid <= 16; vrid++ {
		if vrids[vrid] == "" {
			t.Errorf("VRRP id %d is nobody's, although it is among the lowest", vrid)
		}
	}
}

// One project asks for its gateway eight times at once and has one.
func TestAProjectThatAsksTwiceHasOneGateway(t *testing.T) {
	c := newCloud(t)
	c.gateways(1)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = c.ask("CreateProjectRegionKawaii", map[string]string{"projectId": "p0", "regionId": "eu"}, nil, fmt.Sprintf(`{"name":"gw-%d"}`, i))
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !fault.Is(err, fault.Conflict) {
			t.Errorf("%v", err)
		}
	}
	if v := c.store.View(); won != 1 || v.Len(model.KindKawaii) != 1 || v.Len(model.KindNode) != 1 || v.Len(model.KindAdapter) != 3 {
		t.Errorf("%d won: %d gateways, %d nodes, %d adapters", won, v.Len(model.KindKawaii), v.Len(model.KindNode), v.Len(model.KindAdapter))
	}
}
