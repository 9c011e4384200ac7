package kahuna

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	states "kowabunga/core/wire"
	"kowabunga/roles/sim"
)

// made creates an object and returns its id.
func (r *running) made(path, body string, args ...any) string {
	r.t.Helper()
	var o struct {
		ID string `json:"id"`
	}
	if status := r.ask("POST", "/api/v1"+path, fmt.Sprintf(body, args...), &o); status != 201 {
		r.t.Fatalf("%s: %d", path, status)
	}
	return o.ID
}

// connect runs a simulated agent until stop is called, at the end of the test at the latest.
func (r *running) connect(c sim.Config) (k *sim.Kaktus, stop func()) {
	r.t.Helper()
	c.URL = r.url
	k, err := sim.NewKaktus(c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	stop = func() { cancel(); <-done }
	r.t.Cleanup(stop)
	r.until("agent "+c.ID+" is connected", k.Connected)
	return k, stop
}

// site is a region with one host, two routers and everything a project needs.
type site struct {
	region, zone, kiwi string
	host               *sim.Kaktus
	routers            [2]*sim.Kaktus
	configs            [2]sim.Config
	stops              [2]func()
}

func (r *running) site(name string, octet int) *site {
	r.t.Helper()
	region, zone, agent, host := r.host(name)
	p := &site{region: string(region), zone: string(zone), host: host}
	lan := r.made("/region/"+p.region+"/vnet", `{"name":"%s-lan","interface":"br201","vlan":201}`, name)
	r.made("/vnet/"+lan+"/subnet", `{"name":"%[1]s-lan","cidr":"10.%[2]d.0.0/24","gateway":"10.%[2]d.0.1","gw_pool":[{"first":"10.%[2]d.0.2","last":"10.%[2]d.0.5"}]}`, name, octet)
	wan := r.made("/region/"+p.region+"/vnet", `{"name":"%s-wan","interface":"br0","private":false}`, name)
	r.made("/vnet/"+wan+"/subnet", `{"name":"%[1]s-wan","cidr":"203.0.%[2]d.0/24","gateway":"203.0.%[2]d.1"}`, name, octet)
	pool := r.made("/region/"+p.region+"/pool", `{"name":"%s-disks","pool":"dir:disks","agents":["%s"]}`, name, agent)
	r.until("the host has the pool", func() bool { return len(host.Inventory().Pools) == 1 })
	r.made("/pool/"+pool+"/template", `{"name":"tiny","source":"file:///images/tiny.img"}`)
	var ids []string
	for i := range p.routers {
		id := r.made("/agent", `{"name":"%s-kiwi-%d","type":"Kiwi"}`, name, i)
		var o struct{ Key string }
		if status := r.ask("PATCH", "/api/v2/agent/"+id+"/token", "", &o); status != 200 {
			r.t.Fatal(status)
		}
		p.configs[i] = sim.Config{Kind: agentproto.Kiwi, ID: id, Key: o.Key, StateDir: r.t.TempDir()}
		p.routers[i], p.stops[i] = r.connect(p.configs[i])
		ids = append(ids, id)
	}
	p.kiwi = r.made("/region/"+p.region+"/kiwi", `{"name":"%s-kiwi","agents":["%s"]}`, name, strings.Join(ids, `","`))
	return p
}

// resolve is what a router answers for a name.
func resolve(k *sim.Kaktus, name, zone string) []string {
	s, _ := k.Kiwi()
	if s == nil {
		return nil
	}
	for _, rec := range s.Records {
		if rec.Name == name && rec.Zone == zone {
			return rec.Addresses
		}
	}
	return nil
}

// shop is a project with one machine, called web, at an address.
func (r *running) shop(eu *site) (project, kompute, address string) {
	r.t.Helper()
	project = r.made("/project", `{"name":"shop","domain":"shop.test","teams":[],"regions":["%s"]}`, eu.region)
	kompute = r.machine(eu, project, "web")
	var machine struct{ IP string }
	r.ask("GET", "/api/v1/kompute/"+kompute, "", &machine)
	return project, kompute, machine.IP
}

func (r *running) machine(eu *site, project, name string) string {
	r.t.Helper()
	return r.made("/project/"+project+"/zone/"+eu.zone+"/kompute", `{"name":"%s","memory":1073741824,"vcpus":1,"disk":1073741824}`, name)
}

// everywhere waits until all routers of a region answer a name alike; without addresses, that it is unknown.
func (r *running) everywhere(eu *site, name string, want ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("every router says %s is %v", name, want), func() bool {
		return slices.Equal(resolve(eu.routers[0], name, "shop.test"), want) && slices.Equal(resolve(eu.routers[1], name, "shop.test"), want)
	})
}

// All routers of a Kiwi get all names, of machines and of records, and hold the same state (fault B10);
// one that comes back has them all again (B11).
func TestB10B11AllRoutersKnowAllNames(t *testing.T) {
	r := start(t, t.TempDir())
	eu := r.site("eu", 9)
	project, _, address := r.shop(eu)
	r.made("/project/"+project+"/record", `{"name":"ad","addresses":["10.9.0.77"]}`)
	r.everywhere(eu, "web", address)
	r.everywhere(eu, "ad", "10.9.0.77")
	eu.stops[0]()
	eu.configs[0].StateDir = t.TempDir() // it has lost everything
	eu.routers[0], eu.stops[0] = r.connect(eu.configs[0])
	r.everywhere(eu, "web", address)
	r.everywhere(eu, "ad", "10.9.0.77")
	a, _ := eu.routers[0].Kiwi()
	b, _ := eu.routers[1].Kiwi()
	if !bytes.Equal(a.Encode(), b.Encode()) {
		t.Error("the routers of one Kiwi hold different states")
	}
}

// A router that is down keeps nobody from making anything, and catches up when it is back (fault C3).
func TestC3OneRouterDownBlocksNothing(t *testing.T) {
	r := start(t, t.TempDir())
	eu := r.site("eu", 9)
	eu.stops[0]()
	project, _, address := r.shop(eu)
	r.made("/project/"+project+"/record", `{"name":"ad","addresses":["10.9.0.77"]}`)
	r.until("the other router knows the new machine", func() bool { return resolve(eu.routers[1], "web", "shop.test") != nil })
	eu.stops[1]()
	r.machine(eu, project, "late")
	for i := range eu.routers {
		eu.routers[i], eu.stops[i] = r.connect(eu.configs[i])
	}
	r.everywhere(eu, "web", address)
	r.until("both know the machine that was made while none was there", func() bool {
		return resolve(eu.routers[0], "late", "shop.test") != nil && resolve(eu.routers[1], "late", "shop.test") != nil
	})
}

// A changed name takes the place of the old one (fault B28); a deleted machine has none.
func TestB28RenameRemovesTheOldName(t *testing.T) {
	r := start(t, t.TempDir())
	eu := r.site("eu", 9)
	project, kompute, address := r.shop(eu)
	record := r.made("/project/"+project+"/record", `{"name":"ad","addresses":["10.9.0.77"]}`)
	r.everywhere(eu, "ad", "10.9.0.77")
	if status := r.ask("PUT", "/api/v1/record/"+record, `{"name":"ldap","addresses":["10.9.0.77"]}`, nil); status != 200 {
		t.Fatal(status)
	}
	r.everywhere(eu, "ldap", "10.9.0.77")
	r.everywhere(eu, "ad")
	if status := r.ask("PUT", "/api/v1/kompute/"+kompute, `{"name":"front","memory":1073741824,"vcpus":1,"disk":1073741824}`, nil); status != 200 {
		t.Fatal(status)
	}
	r.everywhere(eu, "front", address)
	r.everywhere(eu, "web")
	if status := r.ask("DELETE", "/api/v1/kompute/"+kompute, "", nil); status != 200 {
		t.Fatal(status)
	}
	r.everywhere(eu, "front")
}

// What a project makes is at the agents of its region and at no others: gateways and load balancers on the
// hosts, with their keys, which are nowhere else; and gone when they are.
func TestNetworkOfAProject(t *testing.T) {
	r := start(t, t.TempDir())
	eu, us := r.site("eu", 9), r.site("us", 19)
	project, kompute, address := r.shop(eu)
	r.everywhere(eu, "web", address)

	gateway := r.made("/project/"+project+"/region/"+eu.region+"/kawaii", `{"firewall":{"ingress":[{"ports":"443"}]},"dnat":[{"destination":"10.9.0.77","ports":"443"}]}`)
	const secret = "only-we-two-know-this-key"
	r.made("/kawaii/"+gateway+"/ipsec", `{"name":"office","remote_ip":"198.51.100.7","remote_subnet":"192.168.7.0/24","pre_shared_key":"`+secret+`","phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA256","phase1_encryption_algorithm":"AES256","phase2_dh_group_number":14,"phase2_integrity_algorithm":"SHA256","phase2_encryption_algorithm":"AES256"}`)
	balancer := r.made("/project/"+project+"/zone/"+eu.zone+"/konvey", `{"name":"lb","failover":false,"endpoints":[{"name":"web","port":443,"protocol":"tcp","backends":{"hosts":["web"],"port":8443}}]}`)
	nodes := func() *states.ServicesState { s, _ := eu.host.Services(); return s }
	r.until("the host has the gateway with its tunnel and the load balancer", func() bool {
		s := nodes()
		return s != nil && len(s.Kawaii) == 1 && len(s.Konvey) == 1 && len(s.Kawaii[0].Tunnels) == 1
	})
	s := nodes()
	if s.Kawaii[0].Tunnels[0].PreSharedKey.Reveal() != secret || len(s.Kawaii[0].DNAT) != 1 || len(s.Kawaii[0].Problems) > 0 {
		t.Errorf("the gateway is %s", s.Kawaii[0].Encode())
	}
	if got := s.Konvey[0].Backends[0].Addresses; !slices.Equal(got, []string{address}) {
		t.Errorf("the load balancer thinks web is %v", got)
	}
	if len(s.Kawaii[0].Metadata) != 1 {
		t.Errorf("the gateway knows the metadata of %d machines, want 1", len(s.Kawaii[0].Metadata))
	}

	// Whoever looks at the simulated host sees no key.
	seen := httptest.NewRecorder()
	sim.Control([]*sim.Kaktus{eu.host}).ServeHTTP(seen, httptest.NewRequest("GET", "/state", nil))
	if body := seen.Body.String(); strings.Contains(body, secret) || !strings.Contains(body, model.SecretMask) {
		t.Error("the key of the tunnel is at the control address")
	}

	// The status says all of it, to the project's people without naming hosts.
	standing := func(path string) (st agentproto.Standing) {
		r.ask("GET", "/api/v2/"+path+"/status", "", &st)
		return st
	}
	for path, agents := range map[string]int{"kiwis/eu-kiwi": 2, "kawaiis/" + gateway: 1, "konveys/lb": 1, "agents/eu-agent": 2} {
		r.until("the agents for "+path+" run what is wanted", func() bool {
			st := standing(path)
			return len(st.States) == agents && !slices.ContainsFunc(st.States, func(h agentproto.StateHeld) bool { return !h.Applied || !h.Online || h.Held != h.Wanted })
		})
	}

	// The other region was told nothing of it.
	k, _ := us.routers[0].Kiwi()
	there, _ := us.host.Services()
	for _, body := range [][]byte{k.Encode(), there.Encode()} {
		for _, word := range []string{"shop", "10.9.", "203.0.9.", eu.region, project, kompute, gateway, balancer} {
			if bytes.Contains(body, []byte(word)) {
				t.Errorf("region us was told of %q:\n%s", word, body)
			}
		}
	}

	if status := r.ask("DELETE", "/api/v1/konvey/"+balancer, "", nil); status != 200 {
		t.Fatal(status)
	}
	r.until("the load balancer is gone", func() bool { s := nodes(); return len(s.Konvey) == 0 && len(s.Kawaii) == 1 })

	// A router that is taken out of its Kiwi gives up everything.
	if status := r.ask("PUT", "/api/v1/kiwi/"+eu.kiwi, `{"name":"eu-kiwi","agents":["`+eu.configs[0].ID+`"]}`, nil); status != 200 {
		t.Fatal(status)
	}
	r.until("the router without a Kiwi has nothing to do", func() bool { s, _ := eu.routers[1].Kiwi(); return s.Region == "" && len(s.Groups) == 0 })

	r.stop()
	if strings.Contains(r.logs.String(), secret) {
		t.Error("the key of the tunnel is in the log")
	}
	if raw, err := readAll(r.s.cfg.data()); err != nil || bytes.Contains(raw, []byte(secret)) {
		t.Errorf("the key of the tunnel is in the store in the clear (%v)", err)
	}
}

// Gateways are planned for a host whose agent cannot run them, and whoever asks is told why they do not
// run; machines are made there all the same.
func TestHostsThatRunNoServices(t *testing.T) {
	r := start(t, t.TempDir())
	p := r.site("eu", 9)
	agent := r.made("/agent", `{"name":"old","type":"Kaktus"}`)
	var o struct{ Key string }
	r.ask("PATCH", "/api/v2/agent/"+agent+"/token", "", &o)
	zone := r.made("/region/"+p.region+"/zone", `{"name":"eu-b"}`)
	r.made("/zone/"+zone+"/kaktus", `{"name":"old","agents":["%s"]}`, agent)
	old, _ := r.connect(sim.Config{ID: agent, Key: o.Key, NoServices: true})
	r.until("the old host has its bridges", func() bool { return len(old.Inventory().Bridges) == 2 })
	r.until("the size of the old host is known", func() bool {
		k, ok := model.One[*model.Kaktus](r.s.store.View(), "name", "old")
		return ok && k.Caps.Threads > 0
	})
	project := r.made("/project", `{"name":"shop","teams":[],"regions":["%s"]}`, p.region)
	gateway := r.made("/project/"+project+"/region/"+p.region+"/kawaii", `{}`)
	var st agentproto.Standing
	r.until("both nodes are accounted for", func() bool {
		r.ask("GET", "/api/v2/kawaiis/"+gateway+"/status", "", &st)
		return len(st.States) == 2 && (st.States[0].Applied || st.States[1].Applied)
	})
	for _, s := range st.States {
		if s.Agent == agent && (s.Applied || len(s.Problems) != 1) {
			t.Errorf("the old host stands %+v", s)
		}
	}
	if s, _ := old.Services(); s != nil {
		t.Error("the old host was sent what it cannot run")
	}
}
