package kahuna

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/kowabunga-cloud/kowabunga-go"

	"kowabunga/core/model"
	"kowabunga/roles/sim"
)

// running is a Kahuna in this process, with the key of its master.
type running struct {
	t    *testing.T
	s    *Server
	url  string
	key  string
	logs *lockedBuffer
	stop func()
}

func start(t *testing.T, dir string, change ...func(*Config)) *running {
	t.Helper()
	var c Config
	s := c.set()
	if err := s.Load(nil, "", false); err != nil {
		t.Fatal(err)
	}
	c.Dir, c.Listen, c.PlainHTTP = dir, "127.0.0.1:0", true
	for _, f := range change {
		f(&c)
	}
	if !initialised(&c) {
		if err := initialise(t.Context(), &c, s, map[string]string{"listen": c.Listen, "plain-http": "true"}); err != nil {
			t.Fatal(err)
		}
	}
	r := &running{t: t, logs: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.s, err = open(c, log, new(slog.LevelVar)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- r.s.Run(ctx, func(state string) {
			if state == "READY=1" {
				close(ready)
			}
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	r.url = "http://" + r.s.address.String()
	if r.key, err = readSecret(c.masterKey()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) client() (*sdk.APIClient, context.Context) {
	cfg := sdk.NewConfiguration()
	cfg.Host, cfg.Scheme = strings.TrimPrefix(r.url, "http://"), "http"
	cfg.AddDefaultHeader("X-API-Key", r.key)
	return sdk.NewAPIClient(cfg), r.t.Context()
}

// send makes a request with a key, and with headers given as names and values in turn. The second result is the
// body of the answer.
func (r *running) send(method, path, key, body string, header ...string) (*http.Response, []byte) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer, raw
}

func (r *running) ask(method, path, body string, into any) int {
	r.t.Helper()
	answer, raw := r.send(method, path, r.key, body)
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			r.t.Fatalf("%s %s: %s: %v", method, path, raw, err)
		}
	}
	if answer.StatusCode >= 300 {
		r.t.Logf("%s %s: %s", method, path, raw)
	}
	return answer.StatusCode
}

// host connects a simulated Kaktus and returns the ids of zone, agent and host.
func (r *running) host(name string) (region, zone, agent model.ID, host *sim.Kaktus) {
	r.t.Helper()
	var o struct {
		ID  model.ID `json:"id"`
		Key string   `json:"key"`
	}
	create := func(path, body string) model.ID {
		r.t.Helper()
		if status := r.ask("POST", path, body, &o); status != 201 {
			r.t.Fatalf("%s: %d", path, status)
		}
		return o.ID
	}
	region = create("/api/v1/region", `{"name":"`+name+`","domain":"`+name+`.example"}`)
	zone = create("/api/v1/region/"+string(region)+"/zone", `{"name":"`+name+`-a"}`)
	agent = create("/api/v1/agent", `{"name":"`+name+`-agent","type":"Kaktus"}`)
	create("/api/v1/zone/"+string(zone)+"/kaktus", `{"name":"`+name+`-1","agents":["`+string(agent)+`"]}`)
	if status := r.ask("PATCH", "/api/v2/agent/"+string(agent)+"/token", "", &o); status != 200 || o.Key == "" {
		r.t.Fatalf("no key: %d", status)
	}
	host, err := sim.NewKaktus(sim.Config{URL: r.url, ID: string(agent), Key: o.Key, Threads: 8, Memory: 32 << 30})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = host.Run(ctx)
	}()
	r.t.Cleanup(func() { cancel(); <-done })
	r.until("the host has reported its size", func() bool {
		for k := range model.All[*model.Kaktus](r.s.store.View()) {
			if len(k.Agents) > 0 && k.Agents[0] == agent && k.Caps.Threads == 8 {
				return true
			}
		}
		return false
	})
	return region, zone, agent, host
}

// until waits for a condition that a commit or an agent brings about.
func (r *running) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within 20 s: %s\n%s", what, r.logs.String())
		}
		<-time.After(5 * time.Millisecond)
	}
}

// machineBySDK makes a machine of size 1 with all that it needs, as the official SDK's users do, and makes it
// twice as large.
func (r *running) machineBySDK(region, zone, agent model.ID, host *sim.Kaktus) *sdk.Kompute {
	t := r.t
	t.Helper()
	c, ctx := r.client()
	vnet, _, err := c.RegionAPI.CreateVNet(ctx, string(region)).VNet(sdk.VNet{Name: "lan", Interface: "br0"}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	gateways := []sdk.IpRange{{First: "10.9.0.2", Last: "10.9.0.5"}}
	if _, _, err := c.VnetAPI.CreateSubnet(ctx, *vnet.Id).Subnet(sdk.Subnet{Name: "lan-1", Cidr: "10.9.0.0/26", Gateway: "10.9.0.1", GwPool: gateways}).Execute(); err != nil {
		t.Fatal(err)
	}
	pool, _, err := c.RegionAPI.CreateStoragePool(ctx, string(region)).StoragePool(sdk.StoragePool{Name: "disks", Pool: "dir:disks", Agents: []string{string(agent)}}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	r.until("the host has the pool and the bridge", func() bool {
		inv := host.Inventory()
		return len(inv.Pools) == 1 && len(inv.Bridges) == 1 && inv.Bridges[0] == "br0"
	})
	if _, _, err := c.PoolAPI.CreateTemplate(ctx, *pool.Id).Template(sdk.Template{Name: "tiny", Source: "file:///images/tiny.img"}).Execute(); err != nil {
		t.Fatal(err)
	}
	project, _, err := c.ProjectAPI.CreateProject(ctx).Project(sdk.Project{Name: "shop", Teams: []string{}, Regions: []string{string(region)}}).SubnetSize(26).Execute()
	if err != nil {
		t.Fatal(err)
	}
	disk := int64(1 << 30)
	kompute, _, err := c.ProjectAPI.CreateProjectZoneKompute(ctx, *project.Id, string(zone)).Kompute(sdk.Kompute{Name: "web", Memory: 1 << 30, Vcpus: 1, Disk: disk}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if kompute.Ip == nil || *kompute.Ip != "10.9.0.6" {
		t.Errorf("the machine's address is %v", kompute.Ip)
	}
	state, _, err := c.KomputeAPI.ReadKomputeState(ctx, *kompute.Id).Execute()
	if err != nil || state.State != "Running" {
		t.Errorf("the machine is %v (%v)", state, err)
	}
	bigger := *kompute
	bigger.Memory, bigger.Vcpus, bigger.Disk = 2<<30, 2, 2<<30
	if _, _, err := c.KomputeAPI.UpdateKompute(ctx, *kompute.Id).Kompute(bigger).Execute(); err != nil {
		t.Fatal(err)
	}
	return kompute
}

// The whole life of a machine through the official SDK, on a simulated host, across a restart of Kahuna.
func TestMachineLifeWithTheOfficialSDK(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	kompute := r.machineBySDK(r.host("eu"))

	r.stop()
	r = start(t, dir) // another port: the simulated host does not follow
	c, ctx := r.client()
	again, _, err := c.KomputeAPI.ReadKompute(ctx, *kompute.Id).Execute()
	if err != nil || again.Memory != 2<<30 || again.Disk != 2<<30 || *again.Ip != *kompute.Ip {
		t.Fatalf("after the restart: %+v %v", again, err)
	}
	if report, err := r.s.store.Check(t.Context()); err != nil || !report.OK() {
		t.Errorf("the store: %+v %v", report, err)
	}
}

// Replacing an agent's key, revoking it and deleting the agent end its session at once.
func TestA25RevocationDisconnects(t *testing.T) {
	r := start(t, t.TempDir())
	gone := func(agent model.ID) {
		t.Helper()
		r.until("the agent is gone", func() bool { return !r.s.fleet.Live().Online(string(agent)) })
	}
	_, _, replaced, _ := r.host("eu")
	_, _, revoked, _ := r.host("us")
	_, zone, deleted, _ := r.host("jp")
	for _, agent := range []model.ID{replaced, revoked, deleted} {
		if !r.s.fleet.Live().Online(string(agent)) {
			t.Fatal("the agent is not connected")
		}
	}
	if status := r.ask("PATCH", "/api/v2/agent/"+string(replaced)+"/token", "", nil); status != 200 {
		t.Fatal(status)
	}
	gone(replaced)
	for token := range model.All[*model.Token](r.s.store.View()) {
		if token.Agent == revoked {
			if status := r.ask("DELETE", "/api/v1/token/"+string(token.ID), "", nil); status != 200 {
				t.Fatal(status)
			}
		}
	}
	gone(revoked)
	for host := range model.All[*model.Kaktus](r.s.store.View()) {
		if host.Zone == zone {
			if status := r.ask("DELETE", "/api/v1/kaktus/"+string(host.ID), "", nil); status != 200 {
				t.Fatal(status)
			}
		}
	}
	if status := r.ask("DELETE", "/api/v1/agent/"+string(deleted), "", nil); status != 200 {
		t.Fatal(status)
	}
	gone(deleted)
}
