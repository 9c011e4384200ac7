package operate_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

// patience bounds what these tests wait for; all of it takes milliseconds when it works.
const patience = time.Minute

func (c *cloud) within(what string, ch <-chan result) result {
	c.t.Helper()
	select {
	case r := <-ch:
		return r
	case <-time.After(patience):
		c.t.Fatalf("%s: no answer", what)
		return result{}
	}
}

// settle waits until every operation has ended, however often its callers were sent away meanwhile.
func (c *cloud) settle() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for op := range model.All[*operation.Operation](c.store.View()) {
		for !op.State.Final() {
			_, _ = c.engine.Wait(ctx, op.ID)
			if ctx.Err() != nil {
				c.t.Fatalf("%s does not end", op.Name)
			}
			op, _ = model.Find[*operation.Operation](c.store.View(), op.ID)
		}
	}
	c.settled()
}

// as carries out an operation for somebody else.
func (c *cloud) as(who access.Identity, id string, path map[string]string, body string, change func(*operate.Request)) (operate.Answer, error) {
	r := operate.Request{Op: find(id), Who: who, Path: map[string]model.ID{}, Body: []byte(body), ID: "test", Wait: true}
	for param, name := range path {
		r.Path[param] = c.id(name)
	}
	if change != nil {
		change(&r)
	}
	return c.engine.Do(context.Background(), r)
}

// A request that arrives before the engine runs is answered once it does.
func TestWaiterBeforeRun(t *testing.T) {
	c := newCloud(t)
	c.stop()
	started := make(chan struct{})
	c.configure(func(conf *operate.Config) { conf.Store = &watched{Store: c.store, updated: func() { close(started) }} })
	waiting := c.background("CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"}, `{"name":"early","type":"raw","size":1048576}`)
	<-started
	c.begin()
	if r := c.within("the early request", waiting); r.err != nil || r.Object == nil {
		t.Fatal(r.err)
	}
}

// watched tells of updates and lets a test act between the moment the engine read a view and its use.
type watched struct {
	operate.Store
	once    sync.Once
	updated func()
	looked  func(model.View)
}

func (w *watched) View() model.View {
	v := w.Store.View()
	if w.looked != nil {
		w.looked(v)
	}
	return v
}

func (w *watched) Update(ctx context.Context, cause store.Cause, f func(model.Draft) error) (uint64, error) {
	n, err := w.Store.Update(ctx, cause, f)
	if w.updated != nil {
		w.once.Do(w.updated)
	}
	return n, err
}

// Calling off in the very moment in which a step is sent still stops the step.
func TestCancelBetweenLookAndCall(t *testing.T) {
	c := newCloud(t)
	c.stop()
	var done atomic.Bool
	w := &watched{Store: c.store}
	w.looked = func(v model.View) {
		for op := range model.By[*operation.Operation](v, "state", operation.Running) {
			if op.Steps[0].State == operation.Started && done.CompareAndSwap(false, true) {
				if err := c.engine.Cancel(context.Background(), operate.By{Who: admin}, op.ID); err != nil {
					t.Error(err)
				}
			}
		}
	}
	c.hold("volume.create")
	c.configure(func(conf *operate.Config) { conf.Store = w })
	c.begin()
	r := c.within("the creation", c.background("CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"}, `{"name":"d","type":"raw","size":1048576}`))
	if !fault.Is(r.err, fault.Cancelled) {
		t.Errorf("answered %v", r.err)
	}
}

// What people call things has no influence on how operations end.
func TestNamesThatLookLikeMasks(t *testing.T) {
	c := newCloud(t)
	volumes(c)
	c.world.before = func(_ context.Context, call operate.Call) error {
		if call.Method == "volume.resize" {
			return fault.New(fault.Exhausted, "the disk is full")
		}
		return nil
	}
	r := c.within("growing", c.background("UpdateVolume", map[string]string{"volumeId": "extra"}, `{"name":"extra","description":"[secret]","type":"raw","size":2097152}`))
	if !fault.Is(r.err, fault.Exhausted) {
		t.Fatalf("answered %v", r.err)
	}
	c.settle()
}

// A change that also renames can be undone although somebody took the old name meanwhile.
func TestUndoingAfterTheOldNameWasTaken(t *testing.T) {
	c := newCloud(t)
	machine(c)
	vm := c.id("vm")
	g := c.hold("machine.define")
	body := strings.Replace(c.instanceBody(2, "os"), `"name":"vm"`, `"name":"vm2"`, 1)
	change := c.background("UpdateInstance", map[string]string{"instanceId": "vm"}, body)
	<-g.reached
	c.world.mu.Lock()
	c.world.before = nil
	c.world.mu.Unlock()
	c.kompute("vm")
	c.world.mu.Lock()
	c.world.before = func(_ context.Context, call operate.Call) error {
		if call.Method == "machine.power" && strings.Contains(call.Request, "/do/") {
			return fault.New(fault.Conflict, "no")
		}
		return nil
	}
	c.world.mu.Unlock()
	close(g.open)
	if r := c.within("the change", change); !fault.Is(r.err, fault.Conflict) {
		t.Fatalf("answered %v", r.err)
	}
	c.settle()
	if o, _ := model.Find[*model.Instance](c.store.View(), vm); o == nil || o.VCPUs != 1 || o.Name != "vm2" {
		t.Errorf("the instance is %+v", o)
	}
	c.consistent()
}

// An agent that is replaced while an operation needs it does not hold the operation up: the host's
// present agents are asked.
func TestReplacedAgent(t *testing.T) {
	c := newCloud(t)
	c.must("new", "CreateAgent", nil, nil, `{"name":"host-1-new","type":"Kaktus"}`)
	present := c.id("new")
	reached := make(chan struct{})
	var once sync.Once
	c.world.before = func(_ context.Context, call operate.Call) error {
		if call.Method == "machine.define" || strings.Contains(call.Request, "/undo/") {
			if slices.Contains(call.Agents, present) {
				return nil
			}
			once.Do(func() { close(reached) })
			return operate.Lost{Err: fault.New(fault.Unavailable, "not connected")}
		}
		return nil
	}
	creation := c.background("CreateProjectZoneKompute", inShop, komputeBody("web"))
	<-reached
	agents := `["` + string(present) + `"]`
	c.must("host", "UpdateKaktus", map[string]string{"kaktusId": "host"}, nil, `{"name":"host-1","agents":`+agents+`}`)
	c.must("pool", "UpdateStoragePool", map[string]string{"poolId": "pool"}, nil, `{"name":"disks","pool":"dir:disks","agents":`+agents+`}`)
	c.within("the creation", creation) // whether it was still in time does not matter here
	c.settle()
	c.consistent()
}

// While a machine is switched by its instance, its Kompute cannot be changed or deleted under it.
func TestOneOperationPerMachine(t *testing.T) {
	c := newCloud(t)
	k := c.kompute("web")
	c.ids["web-vm"] = k.Instance
	g := c.hold("machine.power")
	stop := c.background("StopInstance", map[string]string{"instanceId": "web-vm"}, "")
	<-g.reached
	for op, body := range map[string]string{"UpdateKompute": strings.Replace(komputeBody("web"), `"vcpus":1`, `"vcpus":2`, 1), "DeleteKompute": "", "StopKompute": ""} {
		if a, err := c.as(admin, op, map[string]string{"komputeId": "web"}, body, func(r *operate.Request) { r.Wait = false }); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s meanwhile: %+v %v", op, a, err)
		}
	}
	close(g.open)
	if r := c.within("the stop", stop); r.err != nil {
		t.Fatal(r.err)
	}
	c.settle()
	c.consistent()
}

// Work that no agent could ever do is refused at once.
func TestPoolWithoutAgents(t *testing.T) {
	c := newCloud(t)
	c.must("empty", "CreateStoragePool", map[string]string{"regionId": "eu"}, nil, `{"name":"empty","pool":"dir:empty","agents":[]}`)
	r := c.within("the import", c.background("CreateTemplate", map[string]string{"poolId": "empty"}, `{"name":"t","source":"file:///x"}`))
	if !fault.Is(r.err, fault.Conflict) || r.Operation != "" {
		t.Errorf("import into a pool without agents: %v", r.err)
	}
}

// A restart while an operation is being undone goes on undoing.
func TestStopWhileUnwinding(t *testing.T) {
	for _, method := range []string{"volume.delete", "seed.delete", "machine.delete"} {
		t.Run(method, func(t *testing.T) {
			c := newCloud(t)
			reached, ok := make(chan struct{}), false
			var once sync.Once
			c.world.before = func(ctx context.Context, call operate.Call) error {
				c.world.mu.Lock()
				passes := ok
				c.world.mu.Unlock()
				switch {
				case call.Method == "machine.power":
					return fault.New(fault.Conflict, "no")
				case call.Method == method && !passes:
					once.Do(func() { close(reached) })
					<-ctx.Done()
					return operate.Lost{Err: fault.From(ctx.Err())}
				}
				return nil
			}
			waiting := c.background("CreateProjectZoneKompute", inShop, komputeBody("web"))
			<-reached
			c.stop()
			if r := c.within("the creation", waiting); !fault.Is(r.err, fault.Unavailable) {
				t.Errorf("answered %v", r.err)
			}
			c.world.mu.Lock()
			ok = true
			c.world.mu.Unlock()
			c.run()
			c.settle()
			if n := c.store.View().Len(model.KindKompute) + c.store.View().Len(model.KindAdapter) + c.store.View().Len(model.KindVolume); n != 0 {
				t.Errorf("%d objects are left", n)
			}
			c.consistent()
		})
	}
}

// Objects that vanish while an operation works on them do not keep it from ending.
func TestEndingWithoutItsObjects(t *testing.T) {
	c := newCloud(t)
	volumes(c)
	g := c.hold("volume.resize")
	grow := c.background("UpdateVolume", map[string]string{"volumeId": "extra"}, `{"name":"extra","type":"raw","size":2097152}`)
	<-g.reached
	if _, err := c.store.Update(context.Background(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		return d.Delete(model.KindVolume, c.id("extra"))
	}); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	c.within("growing", grow)
	c.settle()
}

// A deletion that failed leaves its object in sight; nothing but another deletion touches it.
func TestFailedDeletionGoesOn(t *testing.T) {
	c := newCloud(t)
	c.kompute("web")
	fail := true
	c.world.before = func(_ context.Context, call operate.Call) error {
		if call.Method == "volume.delete" && fail {
			return fault.New(fault.Conflict, "the disk is in use")
		}
		return nil
	}
	at := map[string]string{"komputeId": "web"}
	if _, err := c.ask("DeleteKompute", at, nil, ""); !fault.Is(err, fault.Conflict) {
		t.Fatalf("answered %v", err)
	}
	k, ok := model.Find[*model.Kompute](c.store.View(), c.id("web"))
	if !ok || k.Phase != model.Deleting || access.Hidden(k) {
		t.Fatalf("after the failure: %+v", k)
	}
	if _, err := c.ask("UpdateKompute", at, nil, komputeBody("web")); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "delete it again") {
		t.Errorf("a change of it: %v", err)
	}
	fail = false
	if _, err := c.ask("DeleteKompute", at, behaviour.Query{}, ""); err != nil {
		t.Fatalf("deleting again: %v", err)
	}
	c.settle()
	c.consistent()
}

// Infrastructure that something stands on does not change under it, and what goes gives back what it held.
func TestInfrastructureInUse(t *testing.T) {
	c := newCloud(t)
	c.kompute("web")
	b := c.must("eu-b", "CreateZone", map[string]string{"regionId": "eu"}, nil, `{"name":"eu-b"}`).Base().ID
	c.must("other", "CreateAgent", nil, nil, `{"name":"host-2","type":"Kaktus"}`)
	agents := func(names ...string) string {
		for i, name := range names {
			names[i] = `"` + string(c.id(name)) + `"`
		}
		return "[" + strings.Join(names, ",") + "]"
	}
	c.must("host-2", "CreateKaktus", map[string]string{"zoneId": "eu-b"}, nil, `{"name":"host-2","agents":`+agents("other")+`}`)
	c.must("spare", "CreateAgent", nil, nil, `{"name":"spare","type":"Kaktus"}`)
	c.must("pool", "UpdateStoragePool", map[string]string{"poolId": "pool"}, nil, `{"name":"disks","pool":"dir:disks","agents":`+agents("agent", "spare")+`}`)
	for _, bad := range []struct{ name, op, param, of, body, field string }{
		{"another bridge", "UpdateVNet", "vnetId", "lan", `{"name":"lan","interface":"br7"}`, "interface"},
		{"pool on another host", "UpdateStoragePool", "poolId", "pool", `{"name":"disks","pool":"dir:disks","agents":` + agents("other") + `}`, "agents"},
		{"pool on two hosts", "UpdateKaktus", "kaktusId", "host-2", `{"name":"host-2","agents":` + agents("other", "spare") + `}`, "agents"},
	} {
		_, err := c.ask(bad.op, map[string]string{bad.param: bad.of}, nil, bad.body)
		if f := fault.From(err); f == nil || f.Field != bad.field {
			t.Errorf("%s: %v", bad.name, err)
		}
	}
	c.must("host-2", "DeleteKaktus", map[string]string{"kaktusId": "host-2"}, nil, "")
	gateways := func() []model.Gateway {
		p, _ := model.Find[*model.Project](c.store.View(), c.id("shop"))
		return p.Gateways
	}
	first := gateways()[0]
	if n := len(gateways()); n != 2 {
		t.Fatalf("%d gateways", n)
	}
	c.must("eu-b", "DeleteZone", map[string]string{"zoneId": string(b)}, nil, "")
	if g := gateways(); len(g) != 1 || g[0] != first {
		t.Errorf("after the zone went: %v", g)
	}
}
