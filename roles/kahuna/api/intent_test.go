package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Where the earlier release did something else than its documentation says, the documentation holds. The
// letters and numbers are those of the list of such places; more of them have tests of their own.

func TestIntentOfReads(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.services(ids)
	kompute := w.kompute(ids, "m1")
	const unknown = "ffffffffffffffffffffffff"
	project, region, zone := "/project/"+ids["project"], "/region/"+ids["region"], "/zone/"+ids["zone"]
	t.Run("B1 what is unknown is not found", func(t *testing.T) {
		w := w.on(t)
		for _, kind := range []string{"region", "zone", "kaktus", "agent", "kiwi", "vnet", "subnet", "adapter", "pool", "template", "volume", "nfs", "kylo", "project", "record", "instance", "kompute", "kawaii", "konvey", "user", "team", "token"} {
			w.refused("read "+kind, "GET", "/api/v1/"+kind+"/"+unknown, "", masterKey, 404)
			w.refused("delete "+kind, "DELETE", "/api/v1/"+kind+"/"+unknown, "", masterKey, 404)
		}
		for path, body := range map[string]string{"/region/" + unknown + "/zone": `{"name":"z"}`, "/zone/" + unknown + "/kaktus": fmt.Sprintf(`{"name":"k","agents":[%q]}`, ids["agent"]), "/pool/" + unknown + "/template": `{"name":"x","source":"http://127.0.0.1/x"}`,
			"/project/" + unknown + zone + "/kompute": `{"name":"k",` + small + `}`, project + "/zone/" + unknown + "/kompute": `{"name":"k",` + small + `}`, "/kawaii/" + unknown + "/ipsec": `{"name":"x","pre_shared_key":"hunter-2-tunnels",` + office + `}`} {
			w.refused("create below "+path, "POST", "/api/v1"+path, body, masterKey, 404)
		}
	})
	t.Run("B13 lists are of the place they are asked for", func(t *testing.T) {
		w := w.on(t)
		other := w.id("/api/v1/region", `{"name":"us","domain":"us.test"}`)
		pool := w.id("/api/v1/region/"+ids["region"]+"/pool", fmt.Sprintf(`{"name":"p2","pool":"dir:other","agents":[%q]}`, ids["agent"]))
		nfs := w.id("/api/v1/region/"+ids["region"]+"/nfs?poolId="+pool, `{"name":"second","endpoint":"second.eu.test","backends":["192.0.2.2"]}`)
		far := w.id("/api/v1/region/"+other+"/zone", `{"name":"us-a"}`)
		w.must("PUT", "/api/v1"+project, fmt.Sprintf(`{"name":"web","domain":"web.test","teams":[%q],"regions":[%q]}`, ids["team"], ids["region"]))
		for path, want := range map[string]int{project + zone + "/komputes": 1, project + region + "/kylo": 1, project + region + "/kawaiis": 1, project + region + "/konveys": 1, region + "/nfs?poolId=" + ids["pool"]: 1, region + "/nfs?poolId=" + pool: 1, region + "/nfs": 2, project + region + "/kylo?nfsId=" + nfs: 0, project + region + "/kylo?nfsId=" + ids["nfs"]: 1, "/region/" + other + "/nfs": 0, "/region/" + other + "/zones": 1} {
			if got := w.list("/api/v1" + path); len(got) != want {
				t.Errorf("%s: %v", path, got)
			}
		}
		for _, path := range []string{project + "/zone/" + far + "/komputes", project + "/region/" + other + "/kawaiis"} {
			if a := w.do("GET", "/api/v1"+path, ""); a.status == 200 && a.body != "[]" {
				t.Errorf("%s: %s", path, a.body)
			}
		}
	})
	t.Run("B16 the order of what is answered is always the same", func(t *testing.T) {
		w := w.on(t)
		for _, path := range []string{"/kawaii/" + ids["kawaii"], project, "/konvey/" + ids["konvey"]} {
			first := w.do("GET", "/api/v1"+path, "").body
			for range 20 {
				if again := w.do("GET", "/api/v1"+path, "").body; again != first {
					t.Fatalf("%s and then %s", first, again)
				}
			}
		}
		got := w.must("GET", "/api/v1/kawaii/"+ids["kawaii"], "")
		if got["name"] != "kawaii-web" || fmt.Sprint(got["vpc_peerings"]) != "[]" {
			t.Errorf("a gateway is called %v and has the peerings %v", got["name"], got["vpc_peerings"])
		}
		tunnels, _ := got["ipsec_connections"].([]any)
		if len(tunnels) != 1 || tunnels[0].(map[string]any)["id"] != ids["ipsec"] || tunnels[0].(map[string]any)["pre_shared_key"] != "" {
			t.Errorf("its tunnels, whose keys are for who reads a tunnel, are %v", tunnels)
		}
	})
	t.Run("B24 a price is always a number", func(t *testing.T) {
		w := w.on(t)
		lonely := w.must("POST", "/api/v1/project", fmt.Sprintf(`{"name":"lonely","teams":[%q],"regions":[]}`, ids["team"]))["id"].(string)
		for _, id := range []string{ids["project"], lonely} {
			if got, ok := w.must("GET", "/api/v1/project/"+id+"/cost", "")["price"].(float64); !ok {
				t.Errorf("the price is %v", got)
			}
		}
	})
	t.Run("B26 a host that is away is unavailable, and repeated actions succeed", func(t *testing.T) {
		w := w.on(t)
		instance := w.list("/api/v1/instance")[0]
		w.live.state = func(model.ID) (string, string, error) { return "", "", errors.New("connection refused") }
		for _, path := range []string{"/instance/" + instance, "/kompute/" + kompute} {
			if a := w.do("GET", "/api/v1"+path+"/state", ""); a.status != 503 {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		w.live.state = func(model.ID) (string, string, error) { return "", "", fault.New(fault.Unavailable, "host k1 is away") }
		if a := w.do("GET", "/api/v1/kompute/"+kompute+"/state", ""); a.status != 503 || !strings.Contains(a.body, "k1") {
			t.Errorf("%d %s", a.status, a.body)
		}
		w.live.state = nil
		for _, action := range []string{"start", "start", "stop", "stop", "shutdown", "start"} {
			w.must("PATCH", "/api/v1/instance/"+instance+"/"+action, "")
		}
	})
	t.Run("B29 what is internal is not listed", func(t *testing.T) {
		w := w.on(t)
		if got := w.list("/api/v1/adapter"); len(got) != 1 {
			t.Errorf("beside the machine's own card: %v", got)
		}
		if got := w.list("/api/v1/volume"); len(got) != 1 || w.must("GET", "/api/v1/volume/"+got[0], "")["type"] != "os" {
			t.Errorf("beside the machine's own disk: %v", got)
		}
		if got := w.list("/api/v1/instance"); len(got) != 1 {
			t.Errorf("beside the machine: %v", got)
		}
		for _, id := range w.list("/api/v1/agent") {
			if kind := w.must("GET", "/api/v1/agent/"+id, "")["type"]; kind != "Kaktus" && kind != "Kiwi" {
				t.Errorf("an agent is a %v", kind)
			}
		}
	})
	t.Run("C8 a template is found in its pool, and no object by name in the place of an id", func(t *testing.T) {
		w := w.on(t)
		if a := w.do("GET", "/api/v1/template/debian", ""); a.status != 404 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := w.list("/api/v1/pool/" + ids["pool"] + "/templates"); len(got) != 1 || w.must("GET", "/api/v1/template/"+got[0], "")["name"] != "debian" {
			t.Errorf("%v", got)
		}
	})
	t.Run("D6 a load balancer without failover has one node", func(t *testing.T) {
		w := w.on(t)
		nodes := 0
		for n := range model.All[*model.Node](w.store.View()) {
			if string(n.Owner) == ids["konvey"] {
				nodes++
			}
		}
		if nodes != 1 {
			t.Errorf("%d nodes", nodes)
		}
	})
}

// What operating the cloud takes and the earlier release lacked.
func TestIntentOfOperating(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	t.Run("C3 a project without the size of its subnet", func(t *testing.T) {
		w := w.on(t)
		w.must("POST", "/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.202.0.0/26","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.40","last":"10.202.0.49"}]}`)
		if got := w.must("POST", "/api/v1/project", fmt.Sprintf(`{"name":"sized","teams":[],"regions":[%q]}`, ids["region"])); len(got["private_subnets"].([]any)) != 1 {
			t.Errorf("%v", got)
		}
	})
	t.Run("C4 keys without mail, a version, and a number of each request", func(t *testing.T) {
		w := w.on(t)
		letters := w.store.View().Len(model.KindLetter)
		old := w.key(ids["user"])
		if fresh := w.key(ids["user"]); fresh == old || w.store.View().Len(model.KindLetter) != letters {
			t.Error("a key was not replaced, or was mailed")
		}
		if a := w.do("GET", "/api/v1/region", "", "X-API-Key", old); a.status != 401 {
			t.Errorf("the replaced key: %d", a.status)
		}
		if got := w.must("GET", "/api/v2/version", ""); got["version"] != "0.0.0-test" {
			t.Errorf("%v", got)
		}
		first, second := w.do("GET", "/api/v1/region", "").header.Get("X-Request-Id"), w.do("GET", "/api/v1/nothing", "").header.Get("X-Request-Id")
		if first == "" || second == "" || first == second {
			t.Errorf("requests %q and %q", first, second)
		}
	})
	t.Run("C5 a repeated creation is told of the first", func(t *testing.T) {
		w := w.on(t)
		w.kompute(ids, "twice")
		w.refused("again", "POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"twice",`+small+`}`, masterKey, 409)
	})
	t.Run("C6 bodies are bounded", func(t *testing.T) {
		w := w.on(t)
		w.refused("two mebibytes", "POST", "/api/v1/region", `{"name":"`+strings.Repeat("x", 2<<20)+`","domain":""}`, masterKey, 400, 413)
	})
	t.Run("C7 members read what their own page shows", func(t *testing.T) {
		w := w.on(t)
		key := w.key(ids["reader"])
		for _, path := range []string{"/subnet/" + ids["subnet"], "/region/" + ids["region"] + "/pools", "/region/" + ids["region"] + "/nfs", "/zone/" + ids["zone"] + "/kaktuses", "/template/" + ids["template"]} {
			if a := w.do("GET", "/api/v1"+path, "", "X-API-Key", key); a.status != 200 {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	})
}
