package operate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

func epochOf(n uint64) lease.Epoch { return lease.Epoch{Counter: n, Node: "n"} }

// admit records that the agent connected with a state directory.
func (c *cloud) admit(identity string) {
	c.t.Helper()
	if err := admitted(c, "agent", identity); err != nil {
		c.t.Fatal(err)
	}
}

// reign restarts the engine in an epoch.
func (c *cloud) reign(n uint64, flaws ...lease.Flaw) *operate.Shown {
	c.t.Helper()
	c.stop()
	c.configure(func(o *operate.Config) { o.Flaws = lease.Of(flaws...) })
	shown := c.engine.Reign(epochOf(n))
	c.begin()
	return shown
}

// answers has an agent with a state directory answer an epoch, and tell of the requests that it cannot end.
func (c *cloud) answers(s *operate.Shown, n uint64, agent, identity string, stuck ...string) {
	a := agentproto.Announced{Epoch: epochOf(n), Identity: identity}
	for _, request := range stuck {
		a.Stuck = append(a.Stuck, agentproto.StuckCall{Request: request})
	}
	s.Answered(string(c.ids[agent]), a)
}

// answer is the same of the first agent.
func (c *cloud) answer(s *operate.Shown, n uint64, identity string, stuck ...string) {
	c.answers(s, n, "agent", identity, stuck...)
}

// begun asks for something and returns its operation without waiting for it.
func (c *cloud) begun(id string, path map[string]string) model.ID {
	c.t.Helper()
	r := operate.Request{Op: find(id), Who: admin, Path: map[string]model.ID{}}
	for param, name := range path {
		r.Path[param] = c.id(name)
	}
	a, err := c.engine.Do(context.Background(), r)
	if err != nil {
		c.t.Fatal(err)
	}
	return a.Operation
}

// note is what an operation says of how it stands.
func (c *cloud) note(op model.ID) string {
	p, _ := c.engine.Progress(op)
	return p.Note
}

// waiting tells whether an operation says that it waits for the first agent.
func (c *cloud) waiting(op model.ID) bool {
	return strings.Contains(c.note(op), "waits for agent "+string(c.ids["agent"]))
}

func (c *cloud) until(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) { // between looks at a condition
		if time.Now().After(deadline) {
			c.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func (c *cloud) succeeds(op model.ID) {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer stop()
	for {
		o, err := c.engine.Wait(ctx, op)
		if err == nil && o.State == operation.Succeeded {
			return
		}
		if !fault.Is(err, fault.Unavailable) || ctx.Err() != nil {
			c.t.Fatalf("%+v, %v", o, err)
		}
	}
}

func (c *cloud) calls() int {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	return len(c.world.calls)
}

// heldThings makes a machine and a gateway, and begins a new epoch.
func heldThings(t *testing.T, flaws ...lease.Flaw) (*cloud, *operate.Shown) {
	c := newCloud(t)
	c.gateways(1)
	c.admit("first")
	c.kompute("web")
	c.must("gw", "CreateProjectRegionKawaii", map[string]string{"projectId": "p0", "regionId": "eu"}, nil, `{}`)
	return c, c.reign(2, flaws...)
}

var deleteGateway = map[string]string{"kawaiiId": "gw"}

// What an agent may hold by order of an older epoch stays its own until it answered: operations wait and say
// for whom, never fail, and go on by themselves; what needs no operation is refused. (M30)
func TestNothingIsReleasedThatAnUnshownAgentMayHold(t *testing.T) {
	c, shown := heldThings(t)
	before, asked := c.count(), c.calls()
	op := c.begun("DeleteKompute", map[string]string{"komputeId": "web"})
	c.until("the operation says for whom it waits", func() bool { return c.waiting(op) })
	if _, err := c.engine.Wait(t.Context(), op); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "has not answered epoch 2@n") {
		t.Errorf("who waits for the operation hears %v", err)
	}
	if _, err := c.ask("DeleteKawaii", deleteGateway, nil, ""); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "kowabunga agent fence host-1") {
		t.Errorf("the addresses of a gateway are free: %v", err)
	}
	// Nobody is told to call a host fenced that is on, and says what keeps it.
	c.objects.Store("its libvirt is away")
	if _, err := c.ask("DeleteKawaii", deleteGateway, nil, ""); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "fence") || !strings.Contains(err.Error(), "host-1 is connected and does not obey yet: its libvirt is away") {
		t.Errorf("the agent is connected and says what keeps it: %v", err)
	}
	c.objects.Store("")
	if n := c.count(); n[model.KindAdapter] != before[model.KindAdapter] || n[model.KindInstance] != 1 || c.calls() != asked {
		t.Errorf("%v became %v, after %d calls", before, n, c.calls()-asked)
	}
	c.answer(shown, 1, "first")  // of the epoch before, late
	c.answer(shown, 2, "second") // of another state directory
	if !c.waiting(op) || c.calls() != asked {
		t.Error("released by an answer that is not the one waited for")
	}
	c.answer(shown, 2, "first")
	c.succeeds(op)
	c.must("", "DeleteKawaii", deleteGateway, nil, "")
	if v := c.store.View(); v.Len(model.KindInstance) != 0 || v.Len(model.KindNode) != 0 {
		t.Error("something is left")
	}
}

// The same with the mistake made: that is seen.
func TestReleasingUnshownIsSeen(t *testing.T) {
	c, _ := heldThings(t, lease.FlawReleaseUnshown)
	c.succeeds(c.begun("DeleteKompute", map[string]string{"komputeId": "web"}))
	c.must("", "DeleteKawaii", deleteGateway, nil, "")
}

// Work that cannot be ended at the agent holds what it may be about, until it ended.
func TestStuckWorkHolds(t *testing.T) {
	c, shown := heldThings(t)
	c.answer(shown, 2, "first", "old/1/do/1")
	op := c.begun("DeleteKompute", map[string]string{"komputeId": "web"})
	c.until("the operation waits", func() bool { return c.waiting(op) })
	c.answer(shown, 2, "first")
	c.succeeds(op)
}

// A person's word that the host is off lets everything go on. It is on record, holds over epochs, and ends
// when the agent is back.
func TestFence(t *testing.T) {
	c, _ := heldThings(t)
	fence := map[string]string{"agentId": "agent"}
	if _, err := c.ask("FenceAgent", fence, nil, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("an agent that is connected: %v", err)
	}
	op := c.begun("DeleteKompute", map[string]string{"komputeId": "web"})
	c.until("the operation waits", func() bool { return c.waiting(op) })
	c.world.away(c.ids["agent"])
	c.must("", "FenceAgent", fence, nil, "")
	c.world.away() // the host is asked again
	c.succeeds(op)
	if a, _ := model.Find[*model.Agent](c.store.View(), c.ids["agent"]); !strings.HasPrefix(a.Fenced, "master key at 2") {
		t.Errorf("on record: %q", a.Fenced)
	}
	c.reign(3)
	c.must("", "DeleteKawaii", deleteGateway, nil, "")
	c.admit("first")
	if a, _ := model.Find[*model.Agent](c.store.View(), c.ids["agent"]); a.Fenced != "" {
		t.Error("an agent that is back is fenced")
	}
}

// A host that was made anew does not speak for its former self.
func TestFormerStateDirectory(t *testing.T) {
	c, _ := heldThings(t)
	c.admit("second")
	shown := c.reign(3)
	c.answer(shown, 3, "second")
	if _, err := c.ask("DeleteKawaii", deleteGateway, nil, ""); !fault.Is(err, fault.Unavailable) {
		t.Errorf("released what the former one may hold: %v", err)
	}
	c.must("", "FenceAgent", map[string]string{"agentId": "agent"}, nil, "")
	if a, _ := model.Find[*model.Agent](c.store.View(), c.ids["agent"]); a.Fenced != "" || len(a.Former) != 0 {
		t.Errorf("%+v", a)
	}
	c.must("", "DeleteKawaii", deleteGateway, nil, "")
}

// What was begun in this epoch nobody holds from an older one: undoing it waits for nobody.
func TestOwnCreationIsUndone(t *testing.T) {
	c, _ := heldThings(t)
	c.world.before = func(_ context.Context, call operate.Call) error {
		if call.Method == agentproto.MethodMachineDefine {
			return fault.New(fault.Invalid, "no")
		}
		return nil
	}
	if _, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("other")); !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	if v := c.store.View(); v.Len(model.KindInstance) != 1 {
		t.Error("something is left")
	}
}

// After a promotion that may have lost records nothing is handed out before the agents reported, or somebody
// waived them by name. That outlives a restart, and ends for good. (M34)
func TestNothingIsAllocatedBeforeTheAgentsReported(t *testing.T) {
	for name, clear := range map[string]func(*cloud, *operate.Shown){
		"reported": func(c *cloud, s *operate.Shown) { c.answer(s, 3, "first") },
		"waived": func(c *cloud, _ *operate.Shown) {
			c.must("", "WaiveAgent", map[string]string{"agentId": "agent"}, nil, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := heldThings(t)
			if _, err := c.ask("WaiveAgent", map[string]string{"agentId": "agent"}, nil, ""); !fault.Is(err, fault.Conflict) {
				t.Errorf("waived although nothing was lost: %v", err)
			}
			if err := operate.Lose(t.Context(), c.store, draw(1), "promoted"); err != nil {
				t.Fatal(err)
			}
			c.reign(2)
			shown := c.reign(3)
			before := c.store.View().Index()
			for id, ask := range map[string]func() error{
				"machine": func() error {
					_, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("other"))
					return err
				},
				"card": func() error {
					_, err := c.ask("CreateAdapter", map[string]string{"subnetId": "lan-1"}, behaviour.Query{}, `{"name":"card"}`)
					return err
				},
			} {
				if err := ask(); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "has not reported") {
					t.Errorf("%s handed out: %v", id, err)
				}
			}
			if c.store.View().Index() != before {
				t.Error("a refusal wrote something")
			}
			clear(c, shown)
			c.until("everything is known again", func() bool { return !holding.Lost(c.store.View()) })
			c.kompute("other")
			if a, _ := model.Find[*model.Agent](c.store.View(), c.ids["agent"]); a.Waived != "" {
				t.Error("the waiver stays for the next time")
			}
			c.reign(4)
			c.kompute("third")
		})
	}
}

// An operation that was under way when records were lost may have been over: nothing is asked of its agents
// again before all of them reported.
func TestNothingGoesOnBeforeTheAgentsReported(t *testing.T) {
	c, _ := heldThings(t)
	op := c.interruptedStop()
	if err := operate.Lose(t.Context(), c.store, draw(1), "promoted"); err != nil {
		t.Fatal(err)
	}
	asked := c.calls()
	shown := c.reign(3)
	c.until("the operation says for whom it waits", func() bool { return c.waiting(op) })
	if n := c.calls(); n != asked {
		t.Errorf("%d calls before the agent reported", n-asked)
	}
	c.answer(shown, 3, "first")
	c.succeeds(op)
}

// The same with the mistake made: that is seen.
func TestAllocatingUnseenIsSeen(t *testing.T) {
	c, _ := heldThings(t)
	if err := operate.Lose(t.Context(), c.store, draw(1), "promoted"); err != nil {
		t.Fatal(err)
	}
	c.reign(3, lease.FlawAllocateUnseen)
	c.kompute("other")
}

func draw(n byte) *model.Draw { return model.NewDraw([32]byte{n}, time.Unix(1, 0)) }

// What an operation releases in the end waits for every agent that may hold it, also for one that took no
// part in the operation.
func TestTheEndWaitsForTheOtherAgentOfTheHost(t *testing.T) {
	c := newCloud(t)
	c.must("second", "CreateAgent", nil, nil, `{"name":"host-1-too","type":"Kaktus"}`)
	agents := `"agents":["` + string(c.ids["agent"]) + `","` + string(c.ids["second"]) + `"]`
	c.must("", "UpdateKaktus", map[string]string{"kaktusId": "host"}, nil, `{"name":"host-1",`+agents+`}`)
	c.must("", "UpdateStoragePool", map[string]string{"poolId": "pool"}, nil, `{"name":"disks","pool":"dir:disks",`+agents+`}`)
	machine(c)
	c.must("", "UpdateInstance", map[string]string{"instanceId": "vm"}, nil, c.instanceBody(1, "os", "extra"))
	c.admit("first")
	if err := admitted(c, "second", "of the other"); err != nil {
		t.Fatal(err)
	}
	shown := c.reign(2)
	c.answer(shown, 2, "first")
	r := operate.Request{Op: find("UpdateInstance"), Who: admin, Path: map[string]model.ID{"instanceId": c.ids["vm"]}, Body: []byte(c.instanceBody(1, "os"))}
	a, err := c.engine.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c.until("the operation waits", func() bool {
		return strings.Contains(c.note(a.Operation), "waits for agent "+string(c.ids["second"])+" (it may hold volume "+string(c.ids["extra"]))
	})
	if vm, _ := model.Find[*model.Instance](c.store.View(), c.ids["vm"]); len(vm.Volumes) != 2 {
		t.Error("the disk is free")
	}
	c.answers(shown, 2, "second", "of the other")
	c.succeeds(a.Operation)
	if vm, _ := model.Find[*model.Instance](c.store.View(), c.ids["vm"]); len(vm.Volumes) != 1 {
		t.Error("the disk is not free")
	}
}

func admitted(c *cloud, agent, identity string) error {
	_, err := c.store.Update(context.Background(), store.Cause{Actor: "agent"}, func(d model.Draft) error {
		_, err := holding.Admit(d, c.ids[agent], identity, true)
		return err
	})
	return err
}
