package api_test

import "fmt"

// topology is the smallest set of things that machines run on, by name.
func (w *world) topology() map[string]string {
	w.t.Helper()
	ids := map[string]string{}
	make := func(name, path, body string, args ...any) { ids[name] = w.id(path, fmt.Sprintf(body, args...)) }
	make("region", "/api/v1/region", `{"name":"eu","domain":"eu.test"}`)
	make("zone", "/api/v1/region/"+ids["region"]+"/zone", `{"name":"eu-a"}`)
	make("agent", "/api/v1/agent", `{"name":"a1","type":"Kaktus"}`)
	make("kaktus", "/api/v1/zone/"+ids["zone"]+"/kaktus", `{"name":"k1","agents":[%q]}`, ids["agent"])
	w.report(ids["kaktus"])
	make("public", "/api/v1/region/"+ids["region"]+"/vnet", `{"name":"pub","interface":"brpub","private":false}`)
	make("vnet", "/api/v1/region/"+ids["region"]+"/vnet", `{"name":"priv","vlan":201,"interface":"br201"}`)
	make("subnet", "/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s1","cidr":"10.201.0.0/24","gateway":"10.201.0.1","gw_pool":[{"first":"10.201.0.240","last":"10.201.0.249"}]}`)
	make("pool", "/api/v1/region/"+ids["region"]+"/pool", `{"name":"p1","pool":"dir:main","ceph_secret_uuid":"s3cret-uuid","agents":[%q]}`, ids["agent"])
	make("template", "/api/v1/pool/"+ids["pool"]+"/template", `{"name":"debian","source":"http://127.0.0.1/debian.img"}`)
	make("user", "/api/v1/user", `{"name":"ann","email":"ann@eu.test","role":"projectAdmin"}`)
	make("reader", "/api/v1/user", `{"name":"rob","email":"rob@eu.test","role":"user"}`)
	make("stranger", "/api/v1/user", `{"name":"eve","email":"eve@eu.test","role":"user"}`)
	make("team", "/api/v1/team", `{"name":"t1","users":[%q,%q]}`, ids["user"], ids["reader"])
	make("project", "/api/v1/project?subnetSize=26", `{"name":"web","domain":"web.test","root_password":"hunter-2-rabbits","teams":[%q],"regions":[%q]}`, ids["team"], ids["region"])
	return ids
}

// services adds one of everything that serves machines of the topology: names, shares, gateways.
func (w *world) services(ids map[string]string) {
	w.t.Helper()
	make := func(name, path, body string, args ...any) {
		ids[name] = w.id("/api/v1"+path, fmt.Sprintf(body, args...))
	}
	make("outside", "/vnet/"+ids["public"]+"/subnet", `{"name":"outside","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`)
	make("kiwi", "/region/"+ids["region"]+"/kiwi", `{"name":"kiwi"}`)
	w.must("POST", "/api/v2/organizations", `{"name":"acme"}`)
	make("nfs", "/region/"+ids["region"]+"/nfs?poolId="+ids["pool"], `{"name":"nfs","endpoint":"nfs.eu.test","backends":["192.0.2.1"]}`)
	in := "/project/" + ids["project"] + "/region/" + ids["region"]
	make("kylo", in+"/kylo", `{"name":"files"}`)
	make("record", "/project/"+ids["project"]+"/record", `{"name":"www","addresses":["192.0.2.9"]}`)
	make("kawaii", in+"/kawaii", `{"firewall":{"ingress":[{"ports":"443"}]},"dnat":[{"destination":"10.201.0.20","ports":"443"}]}`)
	make("ipsec", "/kawaii/"+ids["kawaii"]+"/ipsec", `{"name":"office","remote_ip":"198.51.100.7","remote_subnet":"192.168.7.0/24","pre_shared_key":"only we two know it","phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA256","phase1_encryption_algorithm":"AES256","phase2_dh_group_number":14,"phase2_integrity_algorithm":"SHA256","phase2_encryption_algorithm":"AES256"}`)
	make("konvey", in+"/konvey", `{"name":"lb","failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.201.0.20"],"port":80}}]}`)
}

// kompute makes a machine in the topology.
func (w *world) kompute(ids map[string]string, name string) string {
	w.t.Helper()
	return w.id("/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", fmt.Sprintf(`{"name":%q,"memory":1073741824,"vcpus":1,"disk":4294967296}`, name))
}

// shares makes what is stored and named over the network.
func (w *world) shares(ids map[string]string) {
	w.t.Helper()
	make := func(name, path, body string) { ids[name] = w.id("/api/v1"+path, body) }
	region, project := "/region/"+ids["region"], "/project/"+ids["project"]
	make("kiwi", region+"/kiwi", `{"name":"gate"}`)
	make("nfs", region+"/nfs", `{"name":"nfs","endpoint":"nfs.eu.test","backends":["192.0.2.1"]}`)
	make("kylo", project+region+"/kylo", `{"name":"files"}`)
	w.must("POST", "/api/v2/organizations", `{"name":"acme"}`)
	make("record", project+"/record", `{"name":"www","addresses":["192.0.2.2"]}`)
}

// key makes an API key for a user.
func (w *world) key(user string) string {
	w.t.Helper()
	key, _ := w.must("PATCH", "/api/v2/user/"+user+"/token", "")["key"].(string)
	if key == "" {
		w.t.Fatal("no key was answered")
	}
	return key
}
