package api_test

import (
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
)

// A creation answers the finished object: what the server chose stands in the answer, and a read a
// moment later says the same.
func TestWireSection11CreationIsSynchronous(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.must("POST", "/api/v1/vnet/"+ids["public"]+"/subnet", `{"name":"outside","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`)
	w.must("POST", "/api/v1/region/"+ids["region"]+"/kiwi", `{"name":"kiwi"}`)
	w.must("POST", "/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.202.0.0/26","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.40","last":"10.202.0.49"}]}`)
	project, region, zone := "/project/"+ids["project"], "/region/"+ids["region"], "/zone/"+ids["zone"]
	made := map[string]string{}
	for _, c := range []struct {
		kind, path, body string
		has              []string // in the answer
	}{
		{"project", "/project", fmt.Sprintf(`{"name":"shop","teams":[],"regions":[%q]}`, ids["region"]), []string{`"private_subnets":[{"key":"eu","value":"`, `"bootstrap_user":"ops"`, `"bootstrap_pubkey":`, `"quotas":{"vcpus":0,`}},
		{"adapter", "/subnet/" + ids["subnet"] + "/adapter?assignIP=true", `{"name":"card"}`, []string{`"mac":"da:1e:70:`, `"addresses":["10.201.0.`}},
		{"kompute", project + zone + "/kompute", `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296,"data_disk":1073741824}`, []string{`"ip":"10.201.0.`, `"disk":4294967296`, `"data_disk":1073741824`}},
		{"volume", project + region + "/volume", `{"name":"boot","type":"os","size":4294967296}`, []string{`"size":4294967296`}},
		{"instance", project + zone + "/instance", `{"name":"m2","memory":1073741824,"vcpus":1,"adapters":["$adapter"],"volumes":["$volume"]}`, []string{`"adapters":["`, `"volumes":["`}},
		{"kawaii", project + region + "/kawaii", `{}`, []string{`"netip":{"public":["203.0.113.`, `"private":["10.201.0.`, `"zones":[{"zone":"eu-a","public":"203.0.113.`, `"vpc_peerings":[]`}},
		{"kawaii/$kawaii/ipsec", "/kawaii/$kawaii/ipsec", `{"name":"office","pre_shared_key":"hunter-2-tunnels",` + office + `}`, []string{`"ip":"203.0.113.`}},
		{"konvey", project + region + "/konvey", `{"failover":false,"endpoints":[{"name":"web","port":80,"protocol":"tcp","backends":{"hosts":["10.201.0.9"],"port":80}}]}`, []string{`"vip":"10.201.0.`, `"name":"web"`, `"failover":false`}},
		{"nfs", region + "/nfs", `{"name":"nfs","endpoint":"nfs.eu.test","backends":["192.0.2.1"]}`, []string{`"port":54934`}},
		{"kylo", project + region + "/kylo", `{"name":"files"}`, []string{`"endpoint":"nfs.eu.test`, `"size":0`}},
		{"record", project + "/record", `{"name":"www","addresses":["192.0.2.2"]}`, []string{`"domain":"web.test"`}},
		{"template", "/pool/" + ids["pool"] + "/template", `{"name":"alpine","source":"http://127.0.0.1/a.img"}`, []string{`"os":"linux"`}},
	} {
		fill := func(s string) string {
			for kind, id := range made {
				s = strings.ReplaceAll(s, "$"+kind, id)
			}
			return s
		}
		a := w.do("POST", "/api/v1"+fill(c.path), fill(c.body))
		if a.status != 201 {
			t.Fatalf("%s: %d %s", c.kind, a.status, a.body)
		}
		for _, want := range c.has {
			if !strings.Contains(a.body, want) {
				t.Errorf("a new %s lacks %s: %s", c.kind, want, a.body)
			}
		}
		id, _ := decode(t, a.body)["id"].(string)
		made[c.kind] = id
		if read := w.do("GET", "/api/v1/"+fill(c.kind)+"/"+id, ""); read.status != 200 || read.body != a.body {
			t.Errorf("a new %s is answered as %s and read as %s", c.kind, a.body, read.body)
		}
	}
	// Both machines were defined with a configuration disk, started, and are to start with their host.
	run := map[string]bool{}
	for _, m := range told[agentproto.Machine](w, agentproto.MethodMachineDefine) {
		run[m.Name] = m.Run && m.Seed != nil
	}
	starts := 0
	for _, p := range told[agentproto.MachinePower](w, agentproto.MethodMachinePower) {
		if p.Action == agentproto.PowerStart {
			starts++
		}
	}
	if !run["m1"] || !run["m2"] || starts != 2 || len(told[agentproto.Seed](w, agentproto.MethodSeedWrite)) != 2 {
		t.Errorf("defined to run: %v; %d started", run, starts)
	}
	if n := w.store.View().Len(model.KindNode); n != 2 {
		t.Errorf("%d nodes, want one for each zone of the gateway and one of the load balancer", n)
	}
}

// What clients of later releases send is kept and shown to those who send it, and no client of this
// release ever reads a key that it does not know.
func TestWireSection12NewerRevisions(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	at := "/api/v1/project/" + ids["project"] + "/zone/" + ids["zone"]
	disk := w.id("/api/v1/project/"+ids["project"]+"/region/"+ids["region"]+"/volume", `{"name":"boot","type":"os","size":4294967296}`)
	host := func(more string) string { return fmt.Sprintf(`{"name":"k1","agents":[%q]%s}`, ids["agent"], more) }
	kompute := func(more string) string { return `{"name":"k",` + small + more + `}` }
	instance := func(more string) string {
		return fmt.Sprintf(`{"name":"i","memory":1073741824,"vcpus":1,"volumes":[%q]%s}`, disk, more)
	}
	machine := map[string]bool{"uefi": true, "kmotion_enabled": false}
	for _, o := range []struct {
		path, native string
		body         func(string) string
		newer        map[string]bool
	}{
		{"/api/v1/kompute/" + w.id(at+"/kompute", kompute("")), "/api/v2/komputes/k", kompute, machine},
		{"/api/v1/instance/" + w.id(at+"/instance", instance("")), "/api/v2/instances/i", instance, machine},
		{"/api/v1/kaktus/" + ids["kaktus"], "/api/v2/kaktuses/k1", host, map[string]bool{"maintenance": true}},
	} {
		for key, value := range o.newer {
			if got := w.must("GET", o.path, ""); got[key] != nil {
				t.Errorf("%s shows %s to a client that never sent it: %v", o.path, key, got)
			}
			for _, want := range []bool{value, !value} {
				if got := w.must("PUT", o.path, o.body(fmt.Sprintf(`,%q:%v`, key, want))); got[key] != want {
					t.Errorf("%s does not show %s %v to who sent it: %v", o.path, key, want, got)
				}
				for _, path := range []string{o.path, o.native} {
					if got := w.must("GET", path, ""); got[key] != want {
						t.Errorf("%s shows %s as %v, want %v", path, key, got[key], want)
					}
				}
			}
			if got := w.must("PUT", o.path, o.body("")); got[key] != nil {
				t.Errorf("%s shows %s after a client that does not know it: %v", o.path, key, got)
			}
			if got := w.must("GET", o.native, ""); got[key] != !value {
				t.Errorf("%s of %s was lost: %v", key, o.native, got[key])
			}
		}
	}
}

// Spellings that are found in the documentation of the earlier release are understood; answers keep to the
// contract's.
func TestBothSpellingsOfTheDocumentation(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	gw := w.gateway(ids)
	for n, c := range [][2]string{{"SHA1", "SHA1"}, {"SHA-1", "SHA1"}, {"SHA256", "SHA256"}, {"SHA2-256", "SHA256"}, {"SHA2-384", "SHA384"}, {"SHA384", "SHA384"}, {"SHA512", "SHA512"}, {"SHA2-512", "SHA512"}} {
		body := strings.NewReplacer("SHA2-512", c[0], "SHA512", c[0], "5.6.7.8", fmt.Sprintf("5.6.7.%d", n+1), "172.16.1.0", fmt.Sprintf("172.16.%d.0", n+1)).Replace(office)
		got := w.must("POST", "/api/v1/kawaii/"+gw+"/ipsec", fmt.Sprintf(`{"name":"t%d","pre_shared_key":"hunter-2-tunnels",%s}`, n, body))
		if got["phase1_integrity_algorithm"] != c[1] || got["phase2_integrity_algorithm"] != c[1] {
			t.Errorf("%s is answered as %v and %v", c[0], got["phase1_integrity_algorithm"], got["phase2_integrity_algorithm"])
		}
	}
	far := strings.Replace(office, "5.6.7.8", "5.6.7.100", 1)
	tunnel := w.id("/api/v1/kawaii/"+gw+"/ipsec", `{"name":"far","pre_shared_key":"hunter-2-tunnels",`+far+`}`)
	for _, c := range [][2]string{{"clear", "clear"}, {"restart", "restart"}, {"start", "start"}, {"trap", "start"}} {
		got := w.must("PUT", "/api/v1/kawaii/"+gw+"/ipsec/"+tunnel, fmt.Sprintf(`{"name":"far","pre_shared_key":"","dpd_timeout_action":%q,%s}`, c[0], far))
		if got["dpd_timeout_action"] != c[1] || got["dpd_timeout"] != "240s" {
			t.Errorf("the action %s is answered as %v after %v", c[0], got["dpd_timeout_action"], got["dpd_timeout"])
		}
	}
	w.refused("a sum nobody knows", "POST", "/api/v1/kawaii/"+gw+"/ipsec", `{"name":"x","pre_shared_key":"hunter-2-tunnels",`+strings.ReplaceAll(office, "SHA2-512", "SHA3-512")+`}`, masterKey, 422)
	const one, list = `{"ports":"443"}`, `[{"ports":"443"}]`
	var answers []string
	for _, rules := range []string{one, list} {
		answers = append(answers, w.do("PUT", "/api/v1/kawaii/"+gw, `{"firewall":{"ingress":`+rules+`,"egress":`+rules+`,"egress_policy":"drop"},"dnat":`+strings.Replace(rules, `{`, `{"destination":"10.201.0.20",`, 1)+`}`).body)
	}
	if answers[0] != answers[1] || !strings.Contains(answers[0], `"ingress":[{"source":"0.0.0.0/0","protocol":"tcp","ports":"443"}]`) || !strings.Contains(answers[0], `"dnat":[{"destination":"10.201.0.20",`) {
		t.Errorf("one rule is answered as %s, a list of it as %s", answers[0], answers[1])
	}
}
