package api_test

import (
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/model"
)

// What the query parameters of creations mean.
func TestWireSection06QueryParameters(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.must("POST", "/api/v1/vnet/"+ids["public"]+"/subnet", `{"name":"outside","cidr":"203.0.113.0/29","gateway":"203.0.113.1","reserved":[{"first":"203.0.113.2","last":"203.0.113.2"}]}`)
	lan := func(name, cidr string, more ...string) string {
		base := strings.TrimSuffix(cidr[:strings.Index(cidr, "/")], "0")
		return w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", fmt.Sprintf(`{"name":%q,"cidr":%q,"gateway":"%s1"%s}`, name, cidr, base, strings.Join(more, "")))
	}
	t.Run("subnetSize takes the length asked for, else the next larger", func(t *testing.T) {
		w := w.on(t)
		pool := func(base string) string {
			return `,"gw_pool":[{"first":"` + base + `2","last":"` + base + `5"}]`
		}
		large, exact := lan("large", "10.210.0.0/24", pool("10.210.0.")), lan("exact", "10.211.0.0/27", pool("10.211.0."))
		for n, want := range []string{exact, large} {
			got := w.must("POST", "/api/v1/project?subnetSize=27", fmt.Sprintf(`{"name":"p%d","teams":[],"regions":[%q]}`, n, ids["region"]))
			if fmt.Sprint(got["private_subnets"]) != "[map[key:eu value:"+want+"]]" {
				t.Errorf("project %d has %v, want %s", n, got["private_subnets"], want)
			}
		}
		lan("poor", "10.212.0.0/26") // has no addresses for gateways
		for _, size := range []string{"27", "26", "24", "16", "33", "0"} {
			w.refused("a subnet of /"+size, "POST", "/api/v1/project?subnetSize="+size, fmt.Sprintf(`{"name":"more","teams":[],"regions":[%q]}`, ids["region"]), masterKey, 422)
		}
	})
	t.Run("assignIP gives the lowest free address", func(t *testing.T) {
		w := w.on(t)
		subnet := lan("cards", "10.213.0.0/29", `,"reserved":[{"first":"10.213.0.3","last":"10.213.0.3"}],"gw_pool":[{"first":"10.213.0.4","last":"10.213.0.4"}]`)
		for n, want := range []string{"[10.213.0.2]", "[10.213.0.5]", "[10.213.0.6]"} { // not the network, the gateway, what is reserved, gateways, or the broadcast
			if got := w.must("POST", "/api/v1/subnet/"+subnet+"/adapter?assignIP=true", fmt.Sprintf(`{"name":"c%d"}`, n)); fmt.Sprint(got["addresses"]) != want {
				t.Errorf("card %d has %v, want %s", n, got["addresses"], want)
			}
		}
		w.refused("one more than there are", "POST", "/api/v1/subnet/"+subnet+"/adapter?assignIP=true", `{"name":"c9"}`, masterKey, 422, 507)
		if got := w.must("POST", "/api/v1/subnet/"+subnet+"/adapter", `{"name":"none"}`); fmt.Sprint(got["addresses"]) != "[]" {
			t.Errorf("a card that asked for no address has %v", got["addresses"])
		}
	})
	t.Run("poolId and templateId choose, and a machine takes with it what it brought", func(t *testing.T) {
		w := w.on(t)
		other := w.id("/api/v1/region/"+ids["region"]+"/pool", fmt.Sprintf(`{"name":"p2","pool":"dir:other","agents":[%q]}`, ids["agent"]))
		image := w.id("/api/v1/pool/"+other+"/template", `{"name":"alpine","source":"http://127.0.0.1/alpine.img"}`)
		at := "/api/v1/project/" + ids["project"] + "/zone/" + ids["zone"] + "/kompute"
		got := w.must("POST", at+"?poolId="+other+"&templateId="+image+"&public=true", `{"name":"m","memory":1073741824,"vcpus":1,"disk":4294967296,"data_disk":1073741824}`)
		for _, disk := range []string{"m-os", "m-data"} {
			if v := w.must("GET", "/api/v2/volumes/"+disk, ""); v["pool"] != other {
				t.Errorf("%s is in the pool %v", disk, v["pool"])
			}
		}
		outside, inside := w.must("GET", "/api/v2/adapters/m-public-adapter", ""), w.must("GET", "/api/v2/adapters/m-private-adapter", "")
		if fmt.Sprint(outside["addresses"]) != "[203.0.113.3]" || fmt.Sprint(inside["addresses"]) != fmt.Sprintf("[%v]", got["ip"]) {
			t.Errorf("%v outside, %v inside of %v", outside["addresses"], inside["addresses"], got["ip"])
		}
		cards := w.store.View().Len(model.KindAdapter)
		w.must("DELETE", "/api/v1/kompute/"+got["id"].(string), "")
		v := w.store.View()
		if v.Len(model.KindKompute)+v.Len(model.KindInstance)+v.Len(model.KindVolume) != 0 || v.Len(model.KindAdapter) != cards-2 {
			t.Errorf("%d disks and %d of %d cards stay", v.Len(model.KindVolume), v.Len(model.KindAdapter), cards)
		}
		w.refused("a template of another pool", "POST", at+"?poolId="+ids["pool"]+"&templateId="+image, `{"name":"x",`+small+`}`, masterKey, 404, 409, 422)
	})
}
