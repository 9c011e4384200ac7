package operate_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

// world is a host that does what agents are told, in memory: what exists, by kind and id.
type world struct {
	mu      sync.Mutex
	things  map[string]string // "volume ID" -> arguments or state
	calls   []operate.Call
	answers map[string]json.RawMessage // by request id, as agents keep them
	// before is asked before each call is done, after once it was; a fault from them is the answer.
	before, after func(ctx context.Context, c operate.Call) error
	dark          map[model.ID]bool // agents that are not connected
}

func newWorld() *world {
	return &world{things: map[string]string{}, answers: map[string]json.RawMessage{}}
}

func (w *world) Online(agent model.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.dark[agent]
}

// away disconnects these agents and connects all others.
func (w *world) away(agents ...model.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dark = map[model.ID]bool{}
	for _, id := range agents {
		w.dark[id] = true
	}
}

func (w *world) Call(ctx context.Context, c operate.Call) (json.RawMessage, error) {
	w.mu.Lock()
	w.calls = append(w.calls, c)
	before, after := w.before, w.after
	w.mu.Unlock()
	if before != nil {
		if err := before(ctx, c); err != nil {
			return nil, err
		}
	}
	result, err := w.do(c)
	if err == nil && after != nil {
		err = after(ctx, c)
	}
	return result, err
}

func (w *world) do(c operate.Call) (json.RawMessage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.answers[c.Request]; ok && c.Request != "" {
		return old, nil
	}
	var args struct {
		Image, Volume, Machine, Share string
		Size                          int64
		Action                        agentproto.Power
	}
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return nil, err
	}
	reply := any(agentproto.Empty{})
	switch c.Method {
	case agentproto.MethodImageImport:
		w.things["image "+args.Image] = ""
		reply = map[string]any{"sha256": "0123", "size": 1 << 20, "format": "raw"}
	case agentproto.MethodImageDelete:
		delete(w.things, "image "+args.Image)
	case agentproto.MethodVolumeCreate, agentproto.MethodVolumeResize:
		raw, _ := json.Marshal(args.Size)
		w.things["volume "+args.Volume] = string(raw)
		reply = map[string]any{"size": args.Size}
	case agentproto.MethodVolumeStat:
		reply = map[string]any{"size": json.RawMessage(w.things["volume "+args.Volume])}
	case agentproto.MethodMachineState:
		on := w.things["power "+args.Machine] == "on"
		reply = map[string]any{"run": on, "state": map[bool]string{true: agentproto.StateRunning, false: agentproto.StateShutoff}[on]}
	case agentproto.MethodVolumeDelete:
		if slices.ContainsFunc(w.machines(), func(m agentproto.Machine) bool {
			return slices.ContainsFunc(m.Disks, func(d agentproto.Disk) bool { return d.Volume == args.Volume })
		}) {
			return nil, fault.New(fault.Conflict, "the disk is in use")
		}
		delete(w.things, "volume "+args.Volume)
	case agentproto.MethodSeedWrite:
		w.things["seed "+args.Volume] = ""
	case agentproto.MethodShareCreate:
		w.things["share "+args.Share] = exported(c.Args)
		reply = map[string]any{"size": 4096}
	case agentproto.MethodShareUpdate:
		if _, ok := w.things["share "+args.Share]; !ok {
			return nil, fault.New(fault.NotFound, "there is no share %s", args.Share)
		}
		w.things["share "+args.Share] = exported(c.Args)
	case agentproto.MethodShareDelete:
		delete(w.things, "share "+args.Share)
	case agentproto.MethodSeedDelete:
		delete(w.things, "seed "+args.Volume)
	case agentproto.MethodMachineDefine:
		w.things["machine "+args.Machine] = string(c.Args)
	case agentproto.MethodMachineDelete:
		delete(w.things, "machine "+args.Machine)
		delete(w.things, "power "+args.Machine)
	case agentproto.MethodMachinePower:
		if _, ok := w.things["machine "+args.Machine]; !ok {
			return nil, fault.New(fault.NotFound, "there is no machine %s", args.Machine)
		}
		switch args.Action {
		case agentproto.PowerStart, agentproto.PowerReboot, agentproto.PowerReset, agentproto.PowerResume:
			w.things["power "+args.Machine] = "on"
		case agentproto.PowerStop, agentproto.PowerShutdown:
			delete(w.things, "power "+args.Machine)
		}
	}
	raw, err := json.Marshal(reply)
	w.answers[c.Request] = raw
	return raw, err
}

// exported is how a share stands at its servers once a call is done.
func exported(args []byte) string {
	var s agentproto.Share
	if json.Unmarshal(args, &s) != nil {
		return ""
	}
	s.Former = nil
	raw, _ := json.Marshal(s)
	return string(raw)
}

func (w *world) machines() []agentproto.Machine {
	var out []agentproto.Machine
	for name, definition := range w.things {
		if name[:4] == "mach" {
			var m agentproto.Machine
			if json.Unmarshal([]byte(definition), &m) == nil {
				out = append(out, m)
			}
		}
	}
	return out
}

func (w *world) snapshot() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]string{}
	for k, v := range w.things {
		out[k] = v
	}
	return out
}

// cloud is a store, an engine and the smallest topology that machines run on.
type cloud struct {
	t      *testing.T
	store  *store.Store
	board  place.Board
	engine *operate.Engine
	world  *world
	stop   func()
	ids    map[string]model.ID

	objects atomic.Value // string: why agents that are connected do not obey
}

var admin = access.Identity{Name: "master key", Role: model.RoleSuperAdmin}

func tables() []model.Table { return append(catalogue.Tables(), operation.Table) }

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, world: newWorld(), ids: map[string]model.ID{}}
	opts := store.Options{Dir: t.TempDir(), Tables: tables(), Follower: &c.board}
	if err := store.Create(opts); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	c.store = s
	c.run()
	t.Cleanup(func() {
		c.stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c.build()
	return c
}

// run starts an engine, as a restarted Kahuna does.
func (c *cloud) run() {
	c.configure(func(*operate.Config) {})
	c.begin()
}

// configure makes an engine that begin runs.
func (c *cloud) configure(change func(*operate.Config)) {
	config := operate.Config{Store: c.store, Board: &c.board, Agents: c.world, Objects: func(model.ID) string { why, _ := c.objects.Load().(string); return why }, Log: slog.New(slog.DiscardHandler),
		Rules:  func() behaviour.Config { return behaviour.Config{BootstrapUser: "ops", StopGrace: time.Second} },
		GiveUp: 50 * time.Millisecond, Patience: 20 * time.Millisecond,
		Pause: func(ctx context.Context, d time.Duration) {
			t := time.NewTimer(min(d, 2*time.Millisecond))
			if d == time.Hour {
				t.Reset(d)
			}
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}}
	change(&config)
	c.engine = operate.New(config)
}

// begin runs the engine until stop.
func (c *cloud) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		close(started)
		_ = c.engine.Run(ctx)
		close(ended)
	}()
	<-started
	c.stop = func() { cancel(); <-ended }
}

func find(id string) *catalogue.Op {
	for _, op := range catalogue.Ops() {
		if op.ID == id {
			return op
		}
	}
	panic("no operation " + id)
}

// ask carries out an operation; ids of the path are given by their names in the topology.
func (c *cloud) ask(id string, path map[string]string, query behaviour.Query, body string) (operate.Answer, error) {
	r := operate.Request{Op: find(id), Who: admin, Path: map[string]model.ID{}, Query: query, Body: []byte(body), ID: "test", Wait: true}
	for param, name := range path {
		r.Path[param] = c.id(name)
	}
	return c.engine.Do(context.Background(), r)
}

func (c *cloud) id(name string) model.ID {
	if id, ok := c.ids[name]; ok {
		return id
	}
	return model.ID(name)
}

func (c *cloud) must(name, id string, path map[string]string, query behaviour.Query, body string) model.Object {
	c.t.Helper()
	a, err := c.ask(id, path, query, body)
	if err != nil {
		c.t.Fatalf("%s: %v", id, err)
	}
	if a.Object != nil && name != "" {
		c.ids[name] = a.Object.Base().ID
	}
	return a.Object
}

func (c *cloud) build() {
	c.t.Helper()
	c.must("eu", "CreateRegion", nil, nil, `{"name":"eu","domain":"eu.example"}`)
	c.must("eu-a", "CreateZone", map[string]string{"regionId": "eu"}, nil, `{"name":"eu-a"}`)
	c.must("agent", "CreateAgent", nil, nil, `{"name":"host-1","type":"Kaktus"}`)
	c.must("host", "CreateKaktus", map[string]string{"zoneId": "eu-a"}, nil, `{"name":"host-1","agents":["`+string(c.ids["agent"])+`"]}`)
	if _, err := c.store.Update(context.Background(), store.Cause{Actor: "agent", What: "inventory"}, func(d model.Draft) error {
		host, _ := model.Find[*model.Kaktus](d, c.ids["host"])
		host = model.Edit(host)
		host.Caps = model.Caps{Arch: "x86_64", Threads: 32, Cores: 16, Sockets: 1, Memory: 64 << 30}
		return d.Put(host)
	}); err != nil {
		c.t.Fatal(err)
	}
	c.must("lan", "CreateVNet", map[string]string{"regionId": "eu"}, nil, `{"name":"lan","interface":"br0","private":true}`)
	c.must("lan-1", "CreateSubnet", map[string]string{"vnetId": "lan"}, nil,
		`{"name":"lan-1","cidr":"10.1.0.0/26","gateway":"10.1.0.1","gw_pool":[{"first":"10.1.0.2","last":"10.1.0.5"}]}`)
	c.must("pool", "CreateStoragePool", map[string]string{"regionId": "eu"}, nil, `{"name":"disks","pool":"dir:disks","agents":["`+string(c.ids["agent"])+`"]}`)
	c.must("image", "CreateTemplate", map[string]string{"poolId": "pool"}, nil, `{"name":"tiny","source":"file:///images/tiny.img"}`)
	c.must("ganesha", "CreateStorageNFS", map[string]string{"regionId": "eu"}, nil, `{"name":"ganesha","endpoint":"nfs.eu.example","backends":["192.0.2.1"]}`)
	c.must("eve", "CreateUser", nil, nil, `{"name":"eve","email":"eve@shop.example","role":"user","notifications":true}`)
	c.must("fans", "CreateTeam", nil, nil, `{"name":"fans","users":["`+string(c.ids["eve"])+`"]}`)
	c.must("shop", "CreateProject", nil, nil, `{"name":"shop","teams":["`+string(c.ids["fans"])+`"],"regions":["`+string(c.ids["eu"])+`"],"root_password":"secret-root"}`)
}

var inShop = map[string]string{"projectId": "shop", "zoneId": "eu-a"}

func (c *cloud) kompute(name string) *model.Kompute {
	c.t.Helper()
	return c.must(name, "CreateProjectZoneKompute", inShop, nil, komputeBody(name)).(*model.Kompute)
}

func komputeBody(name string) string {
	return `{"name":"` + name + `","vcpus":1,"memory":1073741824,"disk":2147483648,"data_disk":1048576}`
}

// worked are the kinds that operations work on.
var worked = []model.Kind{model.KindTemplate, model.KindVolume, model.KindAdapter, model.KindInstance, model.KindKompute, model.KindNFS, model.KindKylo, model.KindLetter}

// count is how many objects of each tenant's kind there are.
func (c *cloud) count() map[model.Kind]int {
	out := map[model.Kind]int{}
	for _, kind := range worked {
		out[kind] = c.store.View().Len(kind)
	}
	return out
}
