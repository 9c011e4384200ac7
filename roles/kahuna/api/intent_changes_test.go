package api_test

import (
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
)

func TestIntentOfChanges(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.services(ids)
	project, zone := "/project/"+ids["project"], "/zone/"+ids["zone"]
	t.Run("B4 a gateway without netip and a host without prices", func(t *testing.T) {
		w := w.on(t)
		w.must("PUT", "/api/v1/kawaii/"+ids["kawaii"], `{}`)
		if got := w.must("PUT", "/api/v1/kaktus/"+ids["kaktus"], fmt.Sprintf(`{"name":"k1","agents":[%q]}`, ids["agent"])); fmt.Sprint(got["cpu_cost"]) != "map[currency:EUR price:0]" {
			t.Errorf("%v", got)
		}
	})
	t.Run("B6 a load balancer in a zone", func(t *testing.T) {
		w := w.on(t)
		const body = `{"name":"zonal","failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.201.0.20"],"port":80}}]}`
		w.must("POST", "/api/v1"+project+zone+"/konvey", body)
		w.refused("a second of that name", "POST", "/api/v1"+project+zone+"/konvey", body, masterKey, 409)
	})
	t.Run("B7 a load balancer takes what it is given", func(t *testing.T) {
		w := w.on(t)
		got := w.must("PUT", "/api/v1/konvey/"+ids["konvey"], `{"name":"front","description":"the front","failover":false,"endpoints":[{"name":"tls","port":443,"protocol":"tcp","backends":{"hosts":["10.201.0.21"],"port":443}}]}`)
		if got["name"] != "front" || got["description"] != "the front" || !strings.Contains(fmt.Sprint(got["endpoints"]), "tls") {
			t.Errorf("%v", got)
		}
	})
	t.Run("B9 a region that is added brings its subnet", func(t *testing.T) {
		w := w.on(t)
		us := w.id("/api/v1/region", `{"name":"us","domain":"us.test"}`)
		body := fmt.Sprintf(`{"name":"web","domain":"moved.test","teams":[%q],"regions":[%q,%q]}`, ids["team"], ids["region"], us)
		w.refused("a region without room", "PUT", "/api/v1"+project, body, masterKey, 422)
		w.must("POST", "/api/v1/region/"+us+"/zone", `{"name":"us-a"}`)
		lan := w.id("/api/v1/region/"+us+"/vnet", `{"name":"us-lan","vlan":7,"interface":"br7"}`)
		subnet := w.id("/api/v1/vnet/"+lan+"/subnet", `{"name":"us-1","cidr":"10.230.0.0/24","gateway":"10.230.0.1","gw_pool":[{"first":"10.230.0.2","last":"10.230.0.5"}]}`)
		if got := w.must("PUT", "/api/v1"+project, body); got["domain"] != "moved.test" || !strings.Contains(fmt.Sprint(got["private_subnets"]), "map[key:us value:"+subnet+"]") {
			t.Errorf("%v", got)
		}
	})
	t.Run("B10 a machine is renamed with its disk and card", func(t *testing.T) {
		w := w.on(t)
		id := w.kompute(ids, "before")
		w.must("PUT", "/api/v1/kompute/"+id, `{"name":"after",`+small+`}`)
		w.must("GET", "/api/v2/volumes/after-os", "")
		w.must("GET", "/api/v2/adapters/after-private-adapter", "")
		w.must("GET", "/api/v2/instances/after", "")
	})
	t.Run("B11 disks grow and are added, within the quota of both", func(t *testing.T) {
		w := w.on(t)
		id := w.kompute(ids, "disks")
		grown := w.must("PUT", "/api/v1/kompute/"+id, `{"name":"disks","memory":1073741824,"vcpus":1,"disk":5368709120,"data_disk":1073741824}`)
		if grown["disk"] != float64(5368709120) || grown["data_disk"] != float64(1073741824) {
			t.Errorf("%v", grown)
		}
		w.refused("smaller", "PUT", "/api/v1/kompute/"+id, `{"name":"disks",`+small+`}`, masterKey, 422)
		used := w.must("GET", "/api/v1"+project+"/usage", "")["storage"].(float64)
		us := w.must("GET", "/api/v1"+project, "")["regions"].([]any)
		w.must("PUT", "/api/v1"+project, fmt.Sprintf(`{"name":"web","teams":[%q],"regions":[%q,%q],"quotas":{"storage":%d}}`, ids["team"], us[0], us[1], int64(used)+1<<30))
		w.refused("more of both than is left", "PUT", "/api/v1/kompute/"+id, `{"name":"disks","memory":1073741824,"vcpus":1,"disk":6442450944,"data_disk":2147483648}`, masterKey, 507)
		w.must("PUT", "/api/v1"+project, fmt.Sprintf(`{"name":"web","teams":[%q],"regions":[%q,%q],"quotas":{"storage":0}}`, ids["team"], us[0], us[1]))
	})
	t.Run("B12 what is invalid is refused", func(t *testing.T) {
		w := w.on(t)
		card := w.id("/api/v1/subnet/"+ids["subnet"]+"/adapter", `{"name":"card"}`)
		for _, body := range []string{`"mac":"zz"`, `"mac":"ff:ff:ff:ff:ff:ff"`, `"addresses":["10.99.0.1"]`, `"addresses":["x"]`} {
			w.refused("a card with "+body, "PUT", "/api/v1/adapter/"+card, `{"name":"card",`+body+`}`, masterKey, 422)
		}
		w.refused("an address that is none", "PUT", "/api/v1/user/"+ids["reader"], `{"name":"rob","email":"x","role":"user"}`, masterKey, 422)
		w.refused("a role that is none", "PUT", "/api/v1/user/"+ids["reader"], `{"name":"rob","email":"rob@eu.test","role":"root"}`, masterKey, 422, 400)
		w.refused("a name that is taken", "PUT", "/api/v1/user/"+ids["reader"], `{"name":"ann","email":"rob@eu.test","role":"user"}`, masterKey, 409)
	})
	t.Run("B15 a region that cannot have a gateway says so", func(t *testing.T) {
		w := w.on(t)
		bare := w.id("/api/v1/region", `{"name":"bare","domain":""}`)
		empty := w.id("/api/v1/project", fmt.Sprintf(`{"name":"empty","teams":[],"regions":[]}`))
		w.refused("a gateway where there is nothing", "POST", "/api/v1/project/"+empty+"/region/"+bare+"/kawaii", `{}`, masterKey, 404, 409, 422)
		w.refused("a load balancer where there is nothing", "POST", "/api/v1/project/"+empty+"/region/"+bare+"/konvey", `{"failover":false,"endpoints":[]}`, masterKey, 404, 409, 422)
	})
	t.Run("B18 peerings are changed by an update", func(t *testing.T) {
		w := w.on(t)
		got := w.must("PUT", "/api/v1/kawaii/"+ids["kawaii"], `{"vpc_peerings":[{"subnet":"`+w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"open","cidr":"10.205.0.0/24","gateway":"10.205.0.1","application":"ceph","gw_pool":[{"first":"10.205.0.2","last":"10.205.0.9"}]}`)+`"}]}`)
		if len(got["vpc_peerings"].([]any)) != 1 || strings.Contains(fmt.Sprint(got["vpc_peerings"]), "3300") { // B16: rules of storage are not echoed
			t.Errorf("%v", got["vpc_peerings"])
		}
		if got := w.must("PUT", "/api/v1/kawaii/"+ids["kawaii"], `{"vpc_peerings":[]}`); len(got["vpc_peerings"].([]any)) != 0 {
			t.Errorf("%v", got["vpc_peerings"])
		}
	})
	t.Run("B20 nothing is left without its owner", func(t *testing.T) {
		w := w.on(t)
		w.refused("a project that holds services", "DELETE", "/api/v1"+project, "", masterKey, 409)
		user := w.id("/api/v1/user", `{"name":"gone","email":"gone@eu.test","role":"user"}`)
		team := w.id("/api/v1/team", fmt.Sprintf(`{"name":"crew","users":[%q,%q]}`, user, ids["reader"]))
		w.must("DELETE", "/api/v1/user/"+user, "")
		if got := w.must("GET", "/api/v1/team/"+team, ""); fmt.Sprint(got["users"]) != "["+ids["reader"]+"]" {
			t.Errorf("%v", got)
		}
		w.must("DELETE", "/api/v1/team/"+team, "")
		w.must("DELETE", "/api/v1/agent/"+w.id("/api/v1/agent", `{"name":"keyless","type":"Kiwi"}`), "")
	})
	t.Run("B21 what is in use stays", func(t *testing.T) {
		w := w.on(t)
		w.kompute(ids, "user")
		for _, path := range []string{"/api/v2/volumes/user-os", "/api/v2/adapters/user-private-adapter", "/api/v2/subnets/s1", "/api/v2/pools/p1"} {
			id := w.must("GET", path, "")["id"].(string)
			w.refused("DELETE "+path, "DELETE", "/api/v1/"+strings.TrimSuffix(strings.Split(path, "/")[3], "s")+"/"+id, "", masterKey, 409)
		}
	})
	t.Run("B27 defaults are of their own region", func(t *testing.T) {
		w := w.on(t)
		other := w.id("/api/v1/region", `{"name":"third","domain":""}`)
		for _, path := range []string{"/pool/" + ids["pool"], "/nfs/" + ids["nfs"]} {
			w.refused("the default of another region", "PATCH", "/api/v1/region/"+other+path+"/default", "", masterKey, 404, 422)
		}
	})
	t.Run("D7 a user sets his own password and nobody else's", func(t *testing.T) {
		w := w.on(t)
		key := w.key(ids["reader"])
		w.must("PUT", "/api/v1/user/"+ids["reader"]+"/password", `{"value":"`+password+`"}`, "X-API-Key", key)
		w.refused("another's", "PUT", "/api/v1/user/"+ids["stranger"]+"/password", `{"value":"`+password+`"}`, key, 404)
	})
	t.Run("D11 pool and template come from the region", func(t *testing.T) {
		w := w.on(t)
		id := w.kompute(ids, "defaults")
		if got := w.must("GET", "/api/v2/kompute/"+id, ""); got["template"] != ids["template"] {
			t.Errorf("%v", got)
		}
		if got := w.must("GET", "/api/v2/volumes/defaults-os", ""); got["pool"] != ids["pool"] {
			t.Errorf("%v", got)
		}
	})
	t.Run("D3 suspending and resuming reach the host as such", func(t *testing.T) {
		w := w.on(t)
		id := w.kompute(ids, "sleeper")
		for _, action := range []string{"suspend", "resume"} {
			w.must("PATCH", "/api/v1/kompute/"+id+"/"+action, "")
		}
		got := ""
		for _, p := range told[agentproto.MachinePower](w, agentproto.MethodMachinePower) {
			got += string(p.Action) + " "
		}
		if !strings.Contains(got, "suspend") || !strings.Contains(got, "resume") {
			t.Errorf("hosts were told to %s", got)
		}
	})
}
