package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// told are the arguments of every call of a method that hosts were asked to do or undo.
func told[T any](w *world, method string) (out []T) {
	w.t.Helper()
	for op := range model.All[*operation.Operation](w.store.View()) {
		for _, step := range op.Steps {
			for _, call := range []*operation.Call{step.Do, step.Undo} {
				if call == nil || call.Method != method {
					continue
				}
				var args T
				if err := json.Unmarshal([]byte(call.Args.Reveal()), &args); err != nil {
					w.t.Fatal(err)
				}
				out = append(out, args)
			}
		}
	}
	return out
}

// tenant is a second project with a projectAdmin of its own, beside the topology's.
func (w *world) tenant(ids map[string]string) (key string) {
	w.t.Helper()
	ids["subnet2"] = w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.202.0.0/24","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.240","last":"10.202.0.249"}]}`)
	mal := w.id("/api/v1/user", `{"name":"mal","email":"mal@eu.test","role":"projectAdmin"}`)
	team := w.id("/api/v1/team", fmt.Sprintf(`{"name":"t2","users":[%q]}`, mal))
	ids["project2"] = w.id("/api/v1/project?subnetSize=24", fmt.Sprintf(`{"name":"evil","teams":[%q],"regions":[%q]}`, team, ids["region"]))
	return w.key(mal)
}

// refused fails unless a request ends with one of the codes and changes nothing.
func (w *world) refused(what, method, path, body, key string, codes ...int) {
	w.t.Helper()
	before, asked := w.state(), w.store.View().Len(operation.Kind)
	a := w.do(method, path, body, "X-API-Key", key)
	ok := false
	for _, code := range codes {
		ok = ok || a.status == code
	}
	if !ok || w.state() != before || w.store.View().Len(operation.Kind) != asked {
		w.t.Errorf("%s: %d %s, want %v and nothing changed", what, a.status, a.body, codes)
	}
}

// Disks are empty or copies of templates; nobody names a file of this machine or an address to fetch.
func TestA4A5DisksReadNoFilesAndFetchNothing(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	at := "/api/v1/project/" + ids["project"] + "/region/" + ids["region"] + "/volume?templateId="
	for _, key := range []string{w.key(ids["user"]), masterKey} {
		for _, source := range []string{"/etc/passwd", "..%2f..%2fetc%2fpasswd", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "https://example.org/x.img"} {
			for _, kind := range []string{"iso", "template", "raw", "os"} {
				if kind == "raw" && key == masterKey {
					continue // the same refusal as for a member
				}
				w.refused(kind+" from "+source, "POST", at+source, `{"name":"x","type":"`+kind+`","size":4294967296}`, key, 400, 404, 422)
			}
		}
	}
	if n := len(told[agentproto.ImageImport](w, agentproto.MethodImageImport)); n != 1 {
		t.Errorf("%d images were fetched; only the topology's template was to be", n)
	}
}

// What a host is told of a disk or machine is named by its id. Renaming leads to nobody else's.
func TestA6RenamingReachesNobodyElse(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	evil := w.tenant(ids)
	w.kompute(ids, "victim")
	disk := w.must("GET", "/api/v2/volumes/victim-os", "")["id"].(string)
	machine := w.must("GET", "/api/v2/instances/victim", "")["id"].(string)
	mine := w.id("/api/v1/project/"+ids["project2"]+"/region/"+ids["region"]+"/volume", `{"name":"mine","type":"raw","size":1073741824}`)
	w.refused("taking the name of another's disk", "PUT", "/api/v1/volume/"+mine, `{"name":"victim-os","type":"raw","size":1073741824}`, evil, 409)
	w.must("DELETE", "/api/v1/volume/"+mine, "", "X-API-Key", evil)
	k := w.must("POST", "/api/v1/project/"+ids["project2"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"own","memory":1073741824,"vcpus":1,"disk":4294967296}`, "X-API-Key", evil)["id"].(string)
	w.refused("taking the name of another's machine", "PUT", "/api/v1/kompute/"+k, `{"name":"victim","memory":1073741824,"vcpus":1,"disk":4294967296}`, evil, 409)
	w.must("PUT", "/api/v1/kompute/"+k, `{"name":"renamed","memory":1073741824,"vcpus":1,"disk":4294967296}`, "X-API-Key", evil)
	w.must("PATCH", "/api/v1/kompute/"+k+"/stop", "", "X-API-Key", evil)
	w.must("DELETE", "/api/v1/kompute/"+k, "", "X-API-Key", evil)
	for _, gone := range told[agentproto.VolumeRef](w, agentproto.MethodVolumeDelete) {
		if gone.Volume == mine {
			mine = ""
		}
	}
	if mine != "" {
		t.Error("the own disk was not deleted by its id")
	}
	for _, m := range told[agentproto.MachinePower](w, agentproto.MethodMachinePower) {
		if m.Machine == machine && m.Action != agentproto.PowerStart {
			t.Errorf("the other's machine was told to %s", m.Action)
		}
	}
	for _, path := range []string{"/api/v1/volume/" + disk, "/api/v1/instance/" + machine} {
		w.must("GET", path, "")
	}
}

// A tunnel is of the gateway in the path, whoever asks below which.
func TestA18TunnelsOfOthersAreNotFoundBelowAnOwnGateway(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	evil := w.tenant(ids)
	gw := w.gateway(ids)
	own := w.id("/api/v1/project/"+ids["project2"]+"/region/"+ids["region"]+"/kawaii", `{}`)
	tunnel := w.id("/api/v1/kawaii/"+gw+"/ipsec", `{"name":"office","pre_shared_key":"hunter-2-tunnels",`+office+`}`)
	for _, parent := range []string{own, gw} {
		path := "/api/v1/kawaii/" + parent + "/ipsec/" + tunnel
		w.refused("read below "+parent, "GET", path, "", evil, 404)
		w.refused("change below "+parent, "PUT", path, `{"name":"office","pre_shared_key":"mine",`+office+`}`, evil, 404)
		w.refused("delete below "+parent, "DELETE", path, "", evil, 404)
	}
	if a := w.do("GET", "/api/v1/kawaii/"+own+"/ipsec", "", "X-API-Key", evil); a.body != "[]" {
		t.Errorf("the list below the own gateway: %s", a.body)
	}
}

// What a body or query names is of the caller's project or region, whoever asks.
func TestA19ReferencesOfOthersAreRefused(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	evil := w.tenant(ids)
	w.kompute(ids, "victim")
	disk, card := w.must("GET", "/api/v2/volumes/victim-os", "")["id"].(string), w.must("GET", "/api/v2/adapters/victim-private-adapter", "")["id"].(string)
	us := w.id("/api/v1/region", `{"name":"us","domain":"us.test"}`)
	zone := w.id("/api/v1/region/"+us+"/zone", `{"name":"us-a"}`)
	agent := w.id("/api/v1/agent", `{"name":"a2","type":"Kaktus"}`)
	w.id("/api/v1/zone/"+zone+"/kaktus", fmt.Sprintf(`{"name":"k2","agents":[%q]}`, agent))
	pool := w.id("/api/v1/region/"+us+"/pool", fmt.Sprintf(`{"name":"far","pool":"dir:far","agents":[%q]}`, agent))
	template := w.id("/api/v1/pool/"+pool+"/template", `{"name":"far","source":"http://127.0.0.1/far.img"}`)
	nfs := w.id("/api/v1/region/"+us+"/nfs", `{"name":"far","endpoint":"far.us.test","backends":["192.0.2.1"]}`)
	own := "/api/v1/project/" + ids["project2"]
	for _, key := range []string{evil, masterKey} {
		w.refused("another's disk", "POST", own+"/zone/"+ids["zone"]+"/instance", fmt.Sprintf(`{"name":"i","memory":1073741824,"vcpus":1,"volumes":[%q]}`, disk), key, 404, 409, 422)
		mine := w.id(own+"/region/"+ids["region"]+"/volume", `{"name":"boot","type":"os","size":4294967296}`)
		w.refused("another's card", "POST", own+"/zone/"+ids["zone"]+"/instance", fmt.Sprintf(`{"name":"i","memory":1073741824,"vcpus":1,"volumes":[%q],"adapters":[%q]}`, mine, card), key, 404, 409, 422)
		w.must("DELETE", "/api/v1/volume/"+mine, "")
		w.refused("a card on another's subnet", "POST", "/api/v1/subnet/"+ids["subnet"]+"/adapter", `{"name":"tap"}`, evil, 404)
		w.refused("another region's pool", "POST", own+"/region/"+ids["region"]+"/volume?poolId="+pool, `{"name":"v","type":"raw","size":1073741824}`, key, 404, 422)
		w.refused("another region's template", "POST", own+"/zone/"+ids["zone"]+"/kompute?templateId="+template, `{"name":"k",`+small+`}`, key, 404, 422)
		w.refused("another region's share", "POST", own+"/region/"+ids["region"]+"/kylo?nfsId="+nfs, `{"name":"f"}`, key, 404, 422)
		w.refused("a zone of a region the project is not in", "POST", own+"/zone/"+zone+"/kompute", `{"name":"k",`+small+`}`, key, 403, 404, 409, 422)
	}
}

// A peering without the other side's word joins nothing, and no subnet that belongs to nobody is peered
// with by tenants.
func TestA20PeeringNeedsBothSides(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	evil := w.tenant(ids)
	w.gateway(ids)
	ceph := w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"ceph","cidr":"10.203.0.0/24","gateway":"10.203.0.1","application":"ceph"}`)
	own := w.id("/api/v1/project/"+ids["project2"]+"/region/"+ids["region"]+"/kawaii", `{}`)
	peer := func(subnet string) string {
		return fmt.Sprintf(`{"vpc_peerings":[{"subnet":%q,"policy":"accept"}]}`, subnet)
	}
	w.refused("peering with storage", "PUT", "/api/v1/kawaii/"+own, peer(ceph), evil, 403, 404, 422)
	legs := func(kawaii string) int {
		var k struct {
			Peerings []struct{ NetIP []struct{ Private string } } `json:"vpc_peerings"`
		}
		if err := json.Unmarshal([]byte(w.do("GET", "/api/v1/kawaii/"+kawaii, "").body), &k); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range k.Peerings {
			n += len(p.NetIP)
		}
		return n
	}
	a := w.do("PUT", "/api/v1/kawaii/"+own, peer(ids["subnet"]), "X-API-Key", evil)
	if legs(own) != 0 {
		t.Errorf("one side alone has addresses on the other's subnet: %d %s", a.status, a.body)
	}
	w.must("PUT", "/api/v1/kawaii/"+own, peer(ids["subnet"])) // a superAdmin's word for this side only
	w.must("PUT", "/api/v1/kawaii/"+ids["kawaii"], peer(ids["subnet2"]), "X-API-Key", w.key(ids["user"]))
	if legs(own) != 1 || legs(ids["kawaii"]) != 1 {
		t.Errorf("both have agreed, and have %d and %d addresses", legs(own), legs(ids["kawaii"]))
	}
}

// A machine has a card on the public bridge only where that was asked for, and members cannot add one.
func TestA21OnlyPublicMachinesHaveALegOutside(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	ids["internet"] = w.id("/api/v1/vnet/"+ids["public"]+"/subnet", `{"name":"internet","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`)
	member := w.key(ids["user"])
	at := "/api/v1/project/" + ids["project"] + "/zone/" + ids["zone"] + "/kompute"
	for name, query := range map[string]string{"inside": "", "also-inside": "?public=false", "outside": "?public=true"} {
		w.must("POST", at+query, `{"name":"`+name+`","memory":1073741824,"vcpus":1,"disk":4294967296}`, "X-API-Key", member)
	}
	seen := map[string]string{}
	for _, m := range told[agentproto.Machine](w, agentproto.MethodMachineDefine) {
		bridges := ""
		for _, nic := range m.NICs {
			bridges += nic.Bridge + " "
			if nic.MAC == "" || nic.Adapter == "" {
				t.Errorf("a card without an address of its own: %+v", nic)
			}
		}
		seen[m.Name] = bridges
	}
	if seen["inside"] != "br201 " || seen["also-inside"] != "br201 " || seen["outside"] != "brpub br201 " {
		t.Errorf("the hosts were told of cards on %v", seen)
	}
	w.refused("a card on the public network", "POST", "/api/v1/subnet/"+ids["internet"]+"/adapter?assignIP=true", `{"name":"leg"}`, member, 403, 404)
}

// Gateways and load balancers are no machines: nobody logs in on them, and no disk holds their keys.
func TestA22GatewaysHaveNoAccounts(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.services(ids)
	if v := w.store.View(); v.Len(model.KindNode) != 2 || v.Len(model.KindInstance)+v.Len(model.KindVolume) != 0 {
		t.Errorf("%d nodes, %d machines and %d disks for a gateway and a load balancer", v.Len(model.KindNode), v.Len(model.KindInstance), v.Len(model.KindVolume))
	}
	if n := len(told[agentproto.Seed](w, agentproto.MethodSeedWrite)) + len(told[agentproto.Machine](w, agentproto.MethodMachineDefine)); n != 0 {
		t.Errorf("hosts were asked %d times for a machine or its configuration disk", n)
	}
	for n := range model.All[*model.Node](w.store.View()) {
		text := w.do("GET", "/api/v2/node/"+string(n.ID), "").body
		for _, word := range []string{"password", "secret", "key", "bootstrap", "user"} {
			if strings.Contains(text, word) {
				t.Errorf("a node has a %s: %s", word, text)
			}
		}
	}
}
