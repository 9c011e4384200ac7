package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// gateway makes a public network and a Kawaii in the topology.
func (w *world) gateway(ids map[string]string) string {
	w.t.Helper()
	ids["internet"] = w.id("/api/v1/vnet/"+ids["public"]+"/subnet", `{"name":"internet","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`)
	ids["kawaii"] = w.id("/api/v1/project/"+ids["project"]+"/region/"+ids["region"]+"/kawaii", `{"netip":{"public":[],"private":[],"zones":[]},"description":""}`)
	return ids["kawaii"]
}

const office = `"remote_ip":"5.6.7.8","remote_subnet":"172.16.1.0/24","phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA2-512","phase1_encryption_algorithm":"AES256","phase2_dh_group_number":14,"phase2_integrity_algorithm":"SHA512","phase2_encryption_algorithm":"AES256"`

// Clients that know a gateway by its name ask for its tunnels under that name. A tunnel is found below its
// own gateway alone.
func TestTunnelsAreFoundBelowTheirGatewayByIdOrName(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	gw := w.gateway(ids)
	w.must("POST", "/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.202.0.0/24","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.240","last":"10.202.0.249"}]}`)
	project := w.id("/api/v1/project", fmt.Sprintf(`{"name":"other","teams":[],"regions":[%q]}`, ids["region"]))
	other := w.id("/api/v1/project/"+project+"/region/"+ids["region"]+"/kawaii", `{}`)
	id := w.id("/api/v1/kawaii/"+gw+"/ipsec", `{"name":"office","pre_shared_key":"hunter-2-tunnels",`+office+`}`)
	for parent, want := range map[string]int{gw: 200, "kawaii-web": 200, other: 404, "kawaii-other": 404, "ffffffffffffffffffffffff": 404, "nonsense": 404} {
		path := "/api/v1/kawaii/" + parent + "/ipsec/" + id
		if a := w.do("GET", path, ""); a.status != want {
			t.Errorf("GET below %s: %d %s", parent, a.status, a.body)
		}
		if a := w.do("PUT", path, `{"name":"office","pre_shared_key":"","description":"below `+parent+`",`+office+`}`); a.status != want {
			t.Errorf("PUT below %s: %d %s", parent, a.status, a.body)
		}
		if want == 404 {
			if a := w.do("DELETE", path, ""); a.status != want {
				t.Errorf("DELETE below %s: %d %s", parent, a.status, a.body)
			}
		}
	}
	got := w.must("GET", "/api/v1/kawaii/"+gw+"/ipsec/"+id, "")
	if got["pre_shared_key"] != "hunter-2-tunnels" || got["ip"] != "203.0.113.2" || got["phase1_integrity_algorithm"] != "SHA512" {
		t.Errorf("%v", got)
	}
	for path, want := range map[string]string{"/api/v1/kawaii/" + gw + "/ipsec": `["` + id + `"]`, "/api/v1/kawaii/" + other + "/ipsec": `[]`} {
		if a := w.do("GET", path, ""); a.status != 200 || a.body != want {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.do("GET", "/api/v1/kawaii/ffffffffffffffffffffffff/ipsec", ""); a.status != 404 {
		t.Errorf("tunnels of no gateway: %d %s", a.status, a.body)
	}
	// Who may not see the key keeps it: he cannot change the tunnel, and whoever copies what he sees keeps it too.
	reader := w.key(ids["reader"])
	if got := w.must("GET", "/api/v1/kawaii/kawaii-web/ipsec/"+id, "", "X-API-Key", reader); got["pre_shared_key"] != "" {
		t.Errorf("a user reads the key: %v", got["pre_shared_key"])
	}
	if a := w.do("PUT", "/api/v1/kawaii/"+gw+"/ipsec/"+id, `{"name":"office",`+office+`}`, "X-API-Key", reader); a.status != 403 {
		t.Errorf("a user changes a tunnel: %d %s", a.status, a.body)
	}
	stranger := w.key(ids["stranger"])
	for _, parent := range []string{gw, "kawaii-web"} {
		if a := w.do("GET", "/api/v1/kawaii/"+parent+"/ipsec/"+id, "", "X-API-Key", stranger); a.status != 404 || strings.Contains(a.body, "web") {
			t.Errorf("a stranger below %s: %d %s", parent, a.status, a.body)
		}
	}
	if a := w.do("DELETE", "/api/v1/kawaii/"+gw, ""); a.status != 409 {
		t.Errorf("a gateway with a tunnel is deleted: %d %s", a.status, a.body)
	}
	w.must("DELETE", "/api/v1/kawaii/kawaii-web/ipsec/"+id, "")
	w.must("DELETE", "/api/v1/kawaii/"+gw, "")
	if log := w.log.String(); strings.Contains(log, "hunter-2") {
		t.Error("the key is in the log")
	}
}

// What reserves the addresses of gateways is no object in API v1.
func TestAdaptersOfGatewaysAreHiddenInV1(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.gateway(ids)
	w.must("POST", "/api/v1/project/"+ids["project"]+"/region/"+ids["region"]+"/konvey", `{"failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.201.0.9"],"port":80}}]}`)
	for _, path := range []string{"/api/v1/adapter", "/api/v1/subnet/" + ids["internet"] + "/adapters", "/api/v1/subnet/" + ids["subnet"] + "/adapters"} {
		if a := w.do("GET", path, ""); a.status != 200 || a.body != "[]" {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	if got := w.must("GET", "/api/v2/adapters", ""); len(got["items"].([]any)) != 5 {
		t.Errorf("API v2 lists %d adapters, want the gateway's address, the node's two cards, the balancer's address and its node's card", len(got["items"].([]any)))
	}
	// There was no work to do, and yet somebody may ask why.
	for _, kind := range []string{"kawaii/kawaii-web", "konvey/web"} {
		if a := w.do("GET", "/api/v2/explain/"+kind, ""); a.status != 200 || !strings.Contains(a.body, "the lowest free on all segments") {
			t.Errorf("why %s: %d %s", kind, a.status, a.body)
		}
	}
	if a := w.do("PATCH", "/api/v2/kawaiis/kawaii-web/replace", ""); a.status != 200 {
		t.Errorf("replace: %d %s", a.status, a.body)
	}
	if got := w.must("GET", "/api/v2/nodes", ""); len(got["items"].([]any)) != 2 {
		t.Errorf("API v2 lists %d nodes", len(got["items"].([]any)))
	}
	if got := w.must("GET", "/api/v1/project/"+ids["project"], ""); fmt.Sprint(got["reserved_vrrp_ids"]) != "[1 2]" {
		t.Errorf("reserved VRRP ids %v", got["reserved_vrrp_ids"])
	}
}
