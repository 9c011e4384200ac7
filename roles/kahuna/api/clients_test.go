package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kowabunga/core/account"
)

// lookup finds an object as Terraform does: what was configured is asked for as an id first and, on any
// error, looked for by name among all.
func (w *world) lookup(kind, value string) map[string]any {
	w.t.Helper()
	if a := w.do("GET", "/api/v1/"+kind+"/"+value, ""); a.status < 300 {
		return decode(w.t, a.body)
	}
	for _, id := range w.list("/api/v1/" + kind) {
		o := w.must("GET", "/api/v1/"+kind+"/"+id, "")
		if o["name"].(string) == value { // dereferenced without asking whether it is there
			return o
		}
	}
	return nil
}

func TestWireSection08Terraform(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.services(ids)
	t.Run("parents are found by name and by id", func(t *testing.T) {
		w := w.on(t)
		for _, c := range []struct{ kind, name, id string }{
			{"region", "eu", ids["region"]}, {"zone", "eu-a", ids["zone"]}, {"vnet", "priv", ids["vnet"]}, {"subnet", "s1", ids["subnet"]}, {"project", "web", ids["project"]},
			{"pool", "p1", ids["pool"]}, {"nfs", "nfs", ids["nfs"]}, {"kawaii", "kawaii-web", ids["kawaii"]}, {"team", "t1", ids["team"]},
		} {
			for _, value := range []string{c.name, c.id} {
				if got := w.lookup(c.kind, value); got["id"] != c.id {
					t.Errorf("%s %s is %v", c.kind, value, got)
				}
			}
			if got := w.lookup(c.kind, "nobody"); got != nil {
				t.Errorf("%s nobody is %v", c.kind, got)
			}
		}
	})
	t.Run("parents left out are asked for with an empty id", func(t *testing.T) {
		w := w.on(t)
		for _, path := range []string{"/pool/", "/template/", "/nfs/", "/pool//templates"} {
			if a := w.do("GET", "/api/v1"+path, ""); a.status < 300 {
				t.Errorf("GET %s: %d %s", path, a.status, a.body)
			}
		}
	})
	t.Run("what is done after a creation succeeds", func(t *testing.T) {
		w := w.on(t)
		user := w.must("POST", "/api/v1/user", `{"name":"new","description":"","email":"new@eu.test","role":"user","notifications":false}`)
		w.must("PATCH", "/api/v1/user/"+user["id"].(string)+"/resetPassword", "")
		bot := w.must("POST", "/api/v1/user", `{"name":"bot","description":"","email":"bot@eu.test","role":"superAdmin","notifications":false}`)
		w.must("PATCH", "/api/v1/user/"+bot["id"].(string)+"/token", "")
		key, _ := w.mailed(account.UserKey)["bot@eu.test"]["Key"].(string)
		if a := w.do("GET", "/api/v1/region", "", "X-API-Key", key); a.status != 200 {
			t.Errorf("the bot's key: %d", a.status)
		}
		agent := w.must("POST", "/api/v1/agent", `{"name":"a2","description":"","type":"Kaktus"}`)
		w.must("PATCH", "/api/v1/agent/"+agent["id"].(string)+"/token?expire=false", "")
		for _, path := range []string{"/pool/" + ids["pool"] + "/template/" + ids["template"], "/region/" + ids["region"] + "/pool/" + ids["pool"], "/region/" + ids["region"] + "/nfs/" + ids["nfs"], "/vnet/" + ids["vnet"] + "/subnet/" + ids["subnet"]} {
			w.must("PATCH", "/api/v1"+path+"/default", "")
		}
	})
	t.Run("objects it looks into stand", func(t *testing.T) {
		w := w.on(t)
		for path, keys := range map[string][]string{
			"/kaktus/" + ids["kaktus"]:                            {"cpu_cost", "memory_cost"},
			"/pool/" + ids["pool"]:                                {"cost"},
			"/project/" + ids["project"]:                          {"quotas"},
			"/kawaii/" + ids["kawaii"]:                            {"netip", "firewall"},
			"/kawaii/" + ids["kawaii"] + "/ipsec/" + ids["ipsec"]: {"firewall"},
		} {
			got := w.must("GET", "/api/v1"+path, "")
			for _, key := range keys {
				if _, ok := got[key].(map[string]any); !ok {
					t.Errorf("%s of %s is %v", key, path, got[key])
				}
			}
		}
		if got := w.must("GET", "/api/v1/konvey/"+ids["konvey"], ""); got["failover"] != false {
			t.Errorf("failover is %v", got["failover"])
		}
		if got := w.must("GET", "/api/v1/vnet/"+ids["public"], ""); got["private"] != false {
			t.Errorf("private is %v", got["private"])
		}
	})
	t.Run("its updates send everything, with what the server set", func(t *testing.T) {
		w := w.on(t)
		kawaii := fmt.Sprintf(`{"id":%q,"description":"","netip":{"public":[],"private":[],"zones":[]},"firewall":{"ingress":[],"egress_policy":"accept","egress":[]},"dnat":[],"vpc_peerings":[]}`, ids["kawaii"])
		before := w.must("GET", "/api/v1/kawaii/"+ids["kawaii"], "")
		after := w.must("PUT", "/api/v1/kawaii/"+ids["kawaii"], kawaii)
		if a, b := fmt.Sprint(before["netip"]), fmt.Sprint(after["netip"]); a != b || !strings.Contains(a, "203.0.113.") {
			t.Errorf("netip was %s and is %s", a, b)
		}
		kompute := w.kompute(ids, "m1")
		got := w.must("PUT", "/api/v1/kompute/"+kompute, fmt.Sprintf(`{"id":%q,"name":"m1","description":"","memory":1073741824,"vcpus":1,"disk":4294967296,"data_disk":0,"ip":"10.0.0.1"}`, kompute))
		if got["ip"] == "10.0.0.1" {
			t.Error("the address of the client was taken")
		}
		if got := w.must("PUT", "/api/v1/kylo/"+ids["kylo"], `{"name":"files","description":"mine","access":"RW","protocols":[3,4],"endpoint":"x","size":7}`); got["description"] != "mine" || got["size"] == float64(7) {
			t.Errorf("%v", got)
		}
		if got := w.must("PUT", "/api/v1/kylo/"+ids["kylo"], `{"name":"files","description":"","access":"RW","protocols":[3,4]}`); got["description"] != "" {
			t.Errorf("the description stays %v", got["description"])
		}
	})
	t.Run("a tunnel is below the configured name of its gateway", func(t *testing.T) {
		w := w.on(t)
		path := "/api/v1/kawaii/kawaii-web/ipsec/" + ids["ipsec"]
		got := w.must("GET", path, "")
		for _, key := range []string{"dpd_timeout", "dpd_timeout_action"} { // it swaps its defaults for absent ones
			if got[key] == "" || got[key] == nil {
				t.Errorf("%s is %v", key, got[key])
			}
		}
		w.must("DELETE", path, "")
		if a := w.do("GET", path, ""); a.status != 404 {
			t.Errorf("after its deletion: %d", a.status)
		}
	})
}

// ansible is the one module there is, called once: it finds the project, creates it or brings it to what
// is wanted, and tells whether it changed anything.
func (w *world) ansible(want map[string]any) (changed bool, project map[string]any) {
	w.t.Helper()
	resolve := func(kind string, names []string) (ids []any) {
		for _, name := range names {
			for _, id := range w.list("/api/v1/" + kind) {
				if o := w.must("GET", "/api/v1/"+kind+"/"+id, ""); o["name"] == name || id == name {
					ids = append(ids, id)
				}
			}
		}
		return ids
	}
	wish := map[string]any{}
	for key, value := range want {
		wish[key] = value
	}
	wish["teams"], wish["regions"] = resolve("team", want["teams"].([]string)), resolve("region", want["regions"].([]string))
	for _, id := range w.list("/api/v1/project") {
		if o := w.must("GET", "/api/v1/project/"+id, ""); o["name"] == wish["name"] {
			project = o
		}
	}
	if project == nil {
		body, _ := json.Marshal(wish)
		return true, w.must("POST", "/api/v1/project?subnetSize=26", string(body))
	}
	for _, key := range []string{"root_password", "bootstrap_user", "bootstrap_pubkey", "name"} {
		if _, ok := project[key]; !ok {
			w.t.Fatalf("the module ends with a KeyError for %s: %v", key, project)
		}
	}
	for _, key := range []string{"description", "domain", "teams", "regions"} {
		if fmt.Sprint(project[key]) != fmt.Sprint(wish[key]) { // lists with their order
			project[key], changed = wish[key], true
		}
	}
	if !changed {
		return false, project
	}
	body, _ := json.Marshal(project)
	return true, w.must("PUT", "/api/v1/project/"+project["id"].(string), string(body))
}

func TestWireSection09PythonAndAnsible(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.must("POST", "/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.202.0.0/26","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.40","last":"10.202.0.49"}]}`)
	w.must("POST", "/api/v1/team", `{"name":"a-team","users":[]}`)
	want := map[string]any{"name": "shop", "description": "first", "domain": "shop.test", "root_password": "hunter-2-hares", "teams": []string{"t1", "a-team"}, "regions": []string{"eu"}}
	steps := []struct {
		what    string
		change  func()
		changed bool
	}{
		{"created", func() {}, true}, {"nothing to do", func() {}, false},
		{"another domain", func() { want["domain"] = "other.test" }, true}, {"that converges", func() {}, false},
		{"teams in another order", func() { want["teams"] = []string{"a-team", "t1"} }, true}, {"that converges too", func() {}, false},
		{"no description", func() { want["description"] = "" }, true}, {"and that", func() {}, false},
	}
	for _, s := range steps {
		s.change()
		changed, got := w.ansible(want)
		if changed != s.changed || got["domain"] != want["domain"] || got["description"] != want["description"] || got["root_password"] != "hunter-2-hares" || len(got["private_subnets"].([]any)) != 1 {
			t.Errorf("%s: changed %v: %v", s.what, changed, got)
		}
	}
	// Defaults that the Python client sends by itself are taken as they are.
	w.must("POST", "/api/v1/region/"+ids["region"]+"/vnet", `{"name":"py","interface":"brpy","private":true,"vlan":0}`)
	w.must("POST", "/api/v1/region/"+ids["region"]+"/pool", fmt.Sprintf(`{"name":"py","pool":"dir:py","ceph_address":"localhost","ceph_port":3300,"agents":[%q]}`, ids["agent"]))
	w.must("POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"py","memory":1073741824,"vcpus":1,"disk":4294967296,"data_disk":0}`)
	// A member's key does for his own project.
	if a := w.do("GET", "/api/v1/project", "", "X-API-Key", w.key(ids["user"])); strings.Count(a.body, `"`) != 4 {
		t.Errorf("the projects of a member of both: %s", a.body)
	}
	_, project := w.ansible(want)
	if a := w.do("DELETE", "/api/v1/project/"+project["id"].(string), ""); a.status != 200 {
		t.Errorf("absent: %d %s", a.status, a.body)
	}
}

// What the web page asks for and looks into, as a superAdmin and as a member.
func TestWireSection10Koala(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.services(ids)
	kompute := w.kompute(ids, "m1")
	instance := w.list("/api/v1/instance")[0]
	w.must("PUT", "/api/v1/user/"+ids["reader"]+"/password", `{"value":"`+password+`"}`)
	in := w.must("POST", "/api/v1/login", `{"email":"rob@eu.test","password":"`+password+`"}`, "X-API-Key", "")
	jwt, _ := in["jwt"].(string)
	_, payload := claims(t, jwt)
	if exp, _ := payload["exp"].(float64); payload["uid"] != ids["reader"] || payload["role"] != "user" || exp <= float64(time.Now().Unix()) {
		t.Fatalf("the page cannot log in with %v", payload)
	}
	page := []string{"X-API-Key", "", "Authorization", "Bearer " + jwt}
	project, region, zone := "/project/"+ids["project"], "/region/"+ids["region"], "/zone/"+ids["zone"]
	for _, headers := range [][]string{page, nil} {
		ask := func(path string) map[string]any { return w.must("GET", "/api/v1"+path, "", headers...) }
		for _, path := range []string{"/project", "/region", "/zone", region + "/pools", region + "/nfs", project + "/records", project + region + "/volumes", project + region + "/kylo", project + region + "/kawaiis",
			project + region + "/konveys", project + zone + "/instances", "/kawaii/" + ids["kawaii"] + "/ipsec", zone + "/kaktuses"} {
			all := w.list("/api/v1"+path, headers...)
			if len(all) == 0 && !strings.HasSuffix(path, "/kaktuses") {
				t.Errorf("%s is empty", path)
			}
		}
		for _, path := range []string{project, region, zone, "/pool/" + ids["pool"], "/nfs/" + ids["nfs"], "/subnet/" + ids["subnet"], "/record/" + ids["record"], "/kylo/" + ids["kylo"], "/konvey/" + ids["konvey"]} {
			ask(path)
		}
		cost, ok := ask(project + "/cost")["price"].(float64)
		if !ok {
			t.Errorf("the price is %v", cost)
		}
		machine := ask("/instance/" + instance)
		adapters, volumes := machine["adapters"].([]any), machine["volumes"].([]any)
		for _, id := range adapters {
			ask("/adapter/" + id.(string))
		}
		for _, id := range volumes {
			ask("/volume/" + id.(string))
		}
		gateway := ask("/kawaii/" + ids["kawaii"])
		if _, ok := gateway["vpc_peerings"].([]any); !ok || len(adapters) != 1 || len(volumes) != 1 {
			t.Errorf("%v of %v and %v", gateway["vpc_peerings"], adapters, volumes)
		}
		for range 3 { // every five seconds
			if got := ask("/instance/" + instance + "/state"); got["state"] != "Running" {
				t.Errorf("the state is %v", got)
			}
		}
		if url, _ := ask("/instance/" + instance + "/connect")["url"].(string); url == "" {
			t.Error("there is no screen")
		}
		for _, action := range []string{"reboot", "stop", "start"} {
			if a := w.do("PATCH", "/api/v1/instance/"+instance+"/"+action, "", headers...); a.status != 200 || a.body != "" {
				t.Errorf("%s: %d %s", action, a.status, a.body)
			}
		}
	}
	w.must("GET", "/api/v1/kompute/"+kompute, "", page...)
	// The profile.
	me := w.must("GET", "/api/v1/user/"+ids["reader"], "", page...)
	me["notifications"] = true
	body, _ := json.Marshal(me)
	if got := w.must("PUT", "/api/v1/user/"+ids["reader"], string(body), page...); got["notifications"] != true {
		t.Errorf("%v", got)
	}
	// What only superAdmins are shown.
	caps := w.must("GET", "/api/v1/kaktus/"+ids["kaktus"]+"/caps", "")
	if cpu, _ := caps["cpu"].(map[string]any); cpu["threads"] != float64(16) || caps["memory"] != float64(64<<30) {
		t.Errorf("%v", caps)
	}
	if got := w.list("/api/v1/kaktus/" + ids["kaktus"] + "/instances"); !slices.Equal(got, []string{instance}) {
		t.Errorf("the host's machines: %v", got)
	}
	for _, path := range []string{"/pool/" + ids["pool"] + "/volumes", "/pool/" + ids["pool"] + "/templates", "/nfs/" + ids["nfs"] + "/kylo", region + "/vnets", "/vnet/" + ids["vnet"] + "/subnets", "/subnet/" + ids["subnet"] + "/adapters"} {
		if len(w.list("/api/v1"+path)) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
	if a := w.do("POST", "/api/v1/logout", "", page...); a.status != 204 {
		t.Errorf("logout: %d", a.status)
	}
	if a := w.do("PUT", "/api/v1/resetPassword", `{"email":"rob@eu.test"}`, "X-API-Key", ""); a.status != 200 || a.body != "" {
		t.Errorf("forgotten: %d %s", a.status, a.body)
	}
}
