package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	sdk "github.com/kowabunga-cloud/kowabunga-go"
)

const small = `"memory":1073741824,"vcpus":1,"disk":4294967296`

func TestWireSection05Errors(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	reader := w.key(ids["reader"])
	project := "/project/" + ids["project"]
	limited := fmt.Sprintf(`{"name":"web","domain":"web.test","teams":[%q],"regions":[%q],"quotas":{"vcpus":1,"memory":0,"storage":0,"instances":0}}`, ids["team"], ids["region"])
	w.must("PUT", "/api/v1"+project, limited)
	for _, c := range []struct {
		method, path, body, key string
		status                  int
	}{
		{"POST", "/region", `{`, masterKey, 400},
		{"POST", "/region", `{"name":7,"domain":""}`, masterKey, 400},
		{"PATCH", "/agent/" + ids["agent"] + "/token?expire=perhaps", "", masterKey, 400},
		{"GET", "/region", "", "wrong", 401},
		{"DELETE", "/region/" + ids["region"], "", reader, 403},
		{"GET", "/region/ffffffffffffffffffffffff", "", masterKey, 404},
		{"GET", "/region/eu", "", masterKey, 404},
		{"GET", "/nothing", "", masterKey, 404},
		{"PATCH", "/region", "", masterKey, 405},
		{"POST", "/region", `{"name":"eu","domain":""}`, masterKey, 409},
		{"DELETE", "/region/" + ids["region"], "", masterKey, 409},
		{"POST", "/region", `{"domain":""}`, masterKey, 422},
		{"POST", "/region", `{"name":"","domain":""}`, masterKey, 422},
		{"POST", "/vnet/" + ids["vnet"] + "/subnet", `{"name":"s9","cidr":"10.1.2.3","gateway":"10.1.2.1"}`, masterKey, 422},
		{"POST", project + "/zone/" + ids["zone"] + "/kompute", `{"name":"m1","memory":1073741824,"vcpus":2,"disk":4294967296}`, masterKey, 507},
	} {
		a := w.do(c.method, "/api/v1"+c.path, c.body, "X-API-Key", c.key)
		body := decode(t, a.body)
		if a.status != c.status || body["status"] != float64(c.status) || body["error"] == "" || body["reason"] == "" || len(body) != 3 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, a.status, a.body, c.status)
		}
	}
	// Zeros that mean something are accepted.
	free := w.must("PUT", "/api/v1/pool/"+ids["pool"], fmt.Sprintf(`{"name":"p1","pool":"dir:main","cost":{"price":0,"currency":"EUR"},"agents":[%q]}`, ids["agent"]))
	if cost, _ := free["cost"].(map[string]any); cost["price"] != float64(0) || cost["currency"] != "EUR" {
		t.Errorf("a pool that costs nothing: %v", free)
	}
	w.key(ids["user"])
	w.must("PUT", "/api/v1/token/"+w.token(ids["user"]), `{"name":"k","expire":false}`)
	w.must("PUT", "/api/v1"+project, strings.Replace(limited, `"quotas"`, `"metadatas":[{"key":"k","value":""}],"quotas"`, 1))
	// What answers nothing answers an empty body that is still called JSON.
	record := w.id("/api/v1"+project+"/record", `{"name":"www","addresses":["192.0.2.2"]}`)
	for method, path := range map[string]string{"DELETE": "/record/" + record, "PATCH": "/region/" + ids["region"] + "/pool/" + ids["pool"] + "/default"} {
		if a := w.do(method, "/api/v1"+path, ""); a.status != 200 || a.body != "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %q", method, path, a.status, a.body)
		}
	}
}

func TestWireSection06DefaultsAndUpdates(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.services(ids)
	in := "/project/" + ids["project"] + "/region/" + ids["region"]
	t.Run("declared defaults hold", func(t *testing.T) {
		w := w.on(t)
		ids["open"] = w.id("/api/v1/region/"+ids["region"]+"/vnet", `{"name":"open","vlan":202,"interface":"br202"}`)
		for path, want := range map[string]string{
			"/vnet/" + ids["open"]:                                `"private":true`,
			"/subnet/" + ids["subnet"]:                            `"application":"user"`,
			"/kaktus/" + ids["kaktus"]:                            `"overcommit_cpu_ratio":3,"overcommit_memory_ratio":2`,
			"/pool/" + ids["pool"]:                                `"ceph_address":"localhost","ceph_port":3300`,
			"/nfs/" + ids["nfs"]:                                  `"fs":"nfs","backends":["192.0.2.1"],"port":54934`,
			"/template/" + ids["template"]:                        `"os":"linux"`,
			"/kylo/" + ids["kylo"]:                                `"access":"RW","protocols":[3,4]`,
			"/kawaii/" + ids["kawaii"]:                            `"firewall":{"ingress":[{"source":"0.0.0.0/0","protocol":"tcp","ports":"443"}],"egress_policy":"accept","egress":[]},"dnat":[{"destination":"10.201.0.20","protocol":"tcp","ports":"443"}]`,
			"/kawaii/" + ids["kawaii"] + "/ipsec/" + ids["ipsec"]: `"dpd_timeout_action":"restart","dpd_timeout":"240s","start_action":"start","rekey_time":"2h","phase1_lifetime":"1h"`,
			"/project/" + ids["project"]:                          `"bootstrap_user":"ops"`,
		} {
			if a := w.do("GET", "/api/v1"+path, ""); !strings.Contains(a.body, want) {
				t.Errorf("%s lacks %s: %s", path, want, a.body)
			}
		}
		if a := w.do("POST", "/api/v1"+in+"/konvey", `{"name":"pair","endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.201.0.20"],"port":80}}]}`); a.status != 507 || !strings.Contains(a.body, "send failover false") {
			t.Errorf("a load balancer on one host that does not forgo its second node: %d %s", a.status, a.body)
		}
		second := w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.204.0.0/26","gateway":"10.204.0.1","gw_pool":[{"first":"10.204.0.2","last":"10.204.0.9"}]}`)
		other := w.must("POST", "/api/v1/project", fmt.Sprintf(`{"name":"other","teams":[],"regions":[%q]}`, ids["region"]))
		if got := fmt.Sprint(other["private_subnets"]); got != "[map[key:eu value:"+second+"]]" {
			t.Errorf("a project that names no size of its subnet has %s", got)
		}
		peered := w.must("PUT", "/api/v1/kawaii/"+ids["kawaii"], fmt.Sprintf(`{"vpc_peerings":[{"subnet":%q}]}`, second))
		if got := fmt.Sprint(peered["vpc_peerings"]); !strings.Contains(got, "policy:drop") {
			t.Errorf("a peering without a policy: %s", got)
		}
	})
	t.Run("the first of a kind is its parent's default, and another may become it", func(t *testing.T) {
		w := w.on(t)
		second := w.id("/api/v1/pool/"+ids["pool"]+"/template", `{"name":"other","source":"http://127.0.0.1/other.img"}`)
		first := w.must("POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"d1",`+small+`}`)["id"].(string)
		w.must("PATCH", "/api/v1/pool/"+ids["pool"]+"/template/"+second+"/default", "")
		next := w.must("POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"d2",`+small+`}`)["id"].(string)
		for id, want := range map[string]string{first: ids["template"], next: second} {
			if got := w.must("GET", "/api/v2/kompute/"+id, ""); got["template"] != want {
				t.Errorf("%s is made of %v, want %s", got["name"], got["template"], want)
			}
		}
	})
	t.Run("an empty text clears, lists are replaced", func(t *testing.T) {
		w := w.on(t)
		put := func(more string) map[string]any {
			return w.must("PUT", "/api/v1/project/"+ids["project"], fmt.Sprintf(`{"name":"web","teams":[%q],"regions":[%q]%s}`, ids["team"], ids["region"], more))
		}
		if got := put(`,"description":"mine","domain":"new.test","tags":["a","b"]`); got["description"] != "mine" || got["domain"] != "new.test" || fmt.Sprint(got["tags"]) != "[a b]" {
			t.Errorf("%v", got)
		}
		if got := put(`,"description":"","tags":["c"]`); got["description"] != "" || got["domain"] != "new.test" || fmt.Sprint(got["tags"]) != "[c]" {
			t.Errorf("%v", got)
		}
	})
	t.Run("what cannot be changed is refused", func(t *testing.T) {
		w := w.on(t)
		volume := w.id("/api/v1"+in+"/volume", `{"name":"v","type":"raw","size":2147483648}`)
		kompute := w.id("/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"c",`+small+`}`)
		for path, body := range map[string]string{
			"/vnet/" + ids["vnet"]:         `{"name":"priv","vlan":201,"interface":"br201","private":false}`,
			"/subnet/" + ids["subnet"]:     `{"name":"s1","cidr":"10.209.0.0/24","gateway":"10.209.0.1"}`,
			"/volume/" + volume:            `{"name":"v","type":"raw","size":1073741824}`,
			"/kompute/" + kompute:          `{"name":"c","memory":1073741824,"vcpus":1,"disk":1073741824}`,
			"/template/" + ids["template"]: `{"name":"debian","source":"http://127.0.0.1/else.img"}`,
			"/agent/" + ids["agent"]:       `{"name":"a1","type":"Kiwi"}`,
			"/region/" + ids["region"]:     `{"domain":"eu.test"}`,
		} {
			w.refused("PUT "+path, "PUT", "/api/v1"+path, body, masterKey, 409, 422)
		}
	})
	t.Run("names are unique, and host names where they become one", func(t *testing.T) {
		w := w.on(t)
		spare := w.id("/api/v1/agent", `{"name":"spare","type":"Kaktus"}`)
		for path, body := range map[string]string{
			"/agent": `{"name":"a1","type":"Kaktus"}`, "/team": `{"name":"t1","users":[]}`, "/user": `{"name":"ann","email":"x@eu.test","role":"user"}`, "/region": `{"name":"eu","domain":""}`,
			"/region/" + ids["region"] + "/zone": `{"name":"eu-a"}`, "/zone/" + ids["zone"] + "/kaktus": fmt.Sprintf(`{"name":"k1","agents":[%q]}`, spare), "/region/" + ids["region"] + "/kiwi": `{"name":"kiwi"}`,
			"/region/" + ids["region"] + "/vnet": `{"name":"priv","interface":"br9"}`, "/vnet/" + ids["vnet"] + "/subnet": `{"name":"s1","cidr":"10.208.0.0/24","gateway":"10.208.0.1"}`,
			"/region/" + ids["region"] + "/pool": fmt.Sprintf(`{"name":"p1","pool":"dir:x","agents":[%q]}`, ids["agent"]), "/pool/" + ids["pool"] + "/template": `{"name":"debian","source":"http://127.0.0.1/x"}`,
			"/region/" + ids["region"] + "/nfs": `{"name":"nfs","endpoint":"n.eu.test","backends":["192.0.2.1"]}`, in + "/kylo": `{"name":"files"}`, in + "/kawaii": `{}`, "/project": `{"name":"web","teams":[],"regions":[]}`,
			"/project/" + ids["project"] + "/record": `{"name":"www","addresses":["192.0.2.1"]}`, "/project/" + ids["project"] + "/zone/" + ids["zone"] + "/kompute": `{"name":"d1",` + small + `}`,
			"/kawaii/" + ids["kawaii"] + "/ipsec": `{"name":"office","pre_shared_key":"hunter-2-tunnels",` + office + `}`,
		} {
			w.refused("a second of the name at "+path, "POST", "/api/v1"+path, body, masterKey, 409)
		}
		for _, name := range []string{"-x", "a b", "ü", "a/b", strings.Repeat("x", 64)} {
			w.refused("a machine "+name, "POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"`+name+`",`+small+`}`, masterKey, 422)
		}
		for _, ports := range []string{"0", "65536", "9-8", "a", "1,,2", ""} {
			w.refused("ports "+ports, "PUT", "/api/v1/kawaii/"+ids["kawaii"], `{"firewall":{"ingress":[{"ports":"`+ports+`"}]}}`, masterKey, 422)
		}
	})
	t.Run("what something else needs stays", func(t *testing.T) {
		w := w.on(t)
		for _, path := range []string{"/region/" + ids["region"], "/zone/" + ids["zone"], "/kaktus/" + ids["kaktus"], "/vnet/" + ids["vnet"], "/subnet/" + ids["subnet"], "/pool/" + ids["pool"], "/nfs/" + ids["nfs"],
			"/kawaii/" + ids["kawaii"], "/agent/" + ids["agent"], "/project/" + ids["project"]} {
			w.refused("DELETE "+path, "DELETE", "/api/v1"+path, "", masterKey, 409)
		}
	})
}

// The official Go SDK, with each of its ways to show a key.
func TestWireSection07GoSDK(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	jwt := w.login(ids["user"])
	client := func(header, value string) *sdk.APIClient {
		c := sdk.NewConfiguration()
		c.Scheme, c.Host, c.HTTPClient = "http", strings.TrimPrefix(w.server.URL, "http://"), w.server.Client()
		if header != "" {
			c.AddDefaultHeader(header, value)
		}
		return sdk.NewAPIClient(c)
	}
	plain := t.Context()
	for name, c := range map[string]struct {
		api *sdk.APIClient
		ctx context.Context
	}{
		"default header": {client("X-API-Key", masterKey), plain},
		"context key":    {client("", ""), context.WithValue(plain, sdk.ContextAPIKeys, map[string]sdk.APIKey{"ApiKeyAuth": {Key: masterKey}})},
		"access token":   {client("", ""), context.WithValue(plain, sdk.ContextAccessToken, jwt)},
	} {
		got, _, err := c.api.ProjectAPI.ListProjects(c.ctx).Execute()
		if err != nil || len(got) != 1 || got[0] != ids["project"] {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	api := client("X-API-Key", masterKey)
	for _, id := range []string{"eu west/1", "%2e%2e", "a?b#c", "ü"} {
		if _, resp, err := api.RegionAPI.ReadRegion(plain, id).Execute(); err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("the region %q: %v", id, err)
		}
	}
	if _, err := api.RegionAPI.SetRegionDefaultStoragePool(plain, ids["region"], ids["pool"]).Execute(); err != nil {
		t.Errorf("an empty answer: %v", err)
	}
	if _, err := api.UserAPI.SetUserApiToken(plain, ids["reader"]).Execute(); err != nil {
		t.Errorf("an answer without a schema: %v", err)
	}
	_, resp, err := api.RegionAPI.CreateRegion(plain).Region(sdk.Region{Name: "eu"}).Execute()
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(http.StatusConflict)) || resp.StatusCode != http.StatusConflict {
		t.Errorf("a conflict is shown as %v", err)
	}
}
