package operate_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

// twoAgents is a cloud whose host and pool have two agents, both of which answered epoch 2, and a machine.
func twoAgents(t *testing.T, flaws ...lease.Flaw) *cloud {
	t.Helper()
	c := newCloud(t)
	c.must("second", "CreateAgent", nil, nil, `{"name":"host-1-too","type":"Kaktus"}`)
	agents := `"agents":["` + string(c.ids["agent"]) + `","` + string(c.ids["second"]) + `"]`
	c.must("", "UpdateKaktus", map[string]string{"kaktusId": "host"}, nil, `{"name":"host-1",`+agents+`}`)
	c.must("", "UpdateStoragePool", map[string]string{"poolId": "pool"}, nil, `{"name":"disks","pool":"dir:disks",`+agents+`}`)
	c.admit("first")
	if err := admitted(c, "second", "of the other"); err != nil {
		t.Fatal(err)
	}
	c.kompute("web")
	shown := c.reign(2, flaws...)
	c.answers(shown, 2, "agent", "first")
	c.answers(shown, 2, "second", "of the other")
	c.world.calls = nil
	return c
}

// sent are the agents that calls of a method went to, and under which request, in order.
func (c *cloud) sent(method string) []string {
	names := map[model.ID]string{c.ids["agent"]: "first", c.ids["second"]: "second"}
	return c.told(method, func(agents []model.ID, request string) string {
		var all []string
		for _, id := range agents {
			all = append(all, names[id])
		}
		return strings.Join(all, "+") + " " + request
	})
}

// unfinished is the one operation that has not ended.
func (c *cloud) unfinished() *operation.Operation {
	c.t.Helper()
	var all []*operation.Operation
	for o := range model.All[*operation.Operation](c.store.View()) {
		if !o.State.Final() {
			all = append(all, o)
		}
	}
	if len(all) != 1 {
		c.t.Fatalf("%d operations have not ended, want one", len(all))
	}
	return all[0]
}

// interruptedAt asks for something, and ends the Kahuna while an agent is at a call of a method for it.
func (c *cloud) interruptedAt(method, id string, path map[string]string, body string) model.ID {
	c.t.Helper()
	gate := c.hold(method)
	asked := c.background(id, path, body)
	<-gate.reached
	c.stop()
	close(gate.open)
	if r := <-asked; r.err == nil {
		c.t.Fatalf("%s was done", id)
	}
	return c.unfinished().ID
}

// interruptedStop begins to stop the machine, and ends the Kahuna while the first agent is at it.
func (c *cloud) interruptedStop() model.ID {
	c.t.Helper()
	return c.interruptedAt(agentproto.MethodMachinePower, "StopKompute", map[string]string{"komputeId": "web"}, "")
}

// After a take-over a step is asked for again of the agent that had it, which has the first answer, and of no
// other while that one may be at it.
func TestStepIsRepeatedWhereItWasAskedFor(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedStop()
	c.world.away(c.ids["agent"])
	shown := c.reign(3)
	c.answers(shown, 3, "second", "of the other")
	c.until("the operation waits for the first agent", func() bool {
		return c.waiting(op) && strings.Contains(c.note(op), "kowabunga agent fence host-1")
	})
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1"}) {
		t.Errorf("while the first may be at it: %q", got)
	}
	c.world.away()
	c.answers(shown, 3, "agent", "first")
	c.succeeds(op)
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1", "first 0/do/1"}) {
		t.Errorf("in the end: %q", got)
	}
	if o, _ := model.Find[*operation.Operation](c.store.View(), op); o.Steps[0].Agent != c.ids["agent"] || o.Steps[0].Epoch != epochOf(3) {
		t.Errorf("on record: %+v", o.Steps[0])
	}
}

// The same with the mistake made: that is seen.
func TestRepeatingElsewhereUnshownIsSeen(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedStop()
	c.world.away(c.ids["agent"])
	c.reign(3, lease.FlawReleaseUnshown)
	c.succeeds(op)
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1", "second 0/do/1"}) {
		t.Errorf("%q", got)
	}
}

// An agent that answered the new epoch and went away again is at nothing older; one whose host is known to be
// off is at nothing at all. Another one gets the step then.
func TestStepGoesElsewhereOnceNobodyIsAtIt(t *testing.T) {
	for name, clear := range map[string]func(*cloud, *operate.Shown){
		"answered": func(c *cloud, s *operate.Shown) { c.answers(s, 3, "agent", "first") },
		"fenced": func(c *cloud, _ *operate.Shown) {
			c.must("", "FenceAgent", map[string]string{"agentId": "agent"}, nil, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := twoAgents(t)
			op := c.interruptedStop()
			c.world.away(c.ids["agent"])
			shown := c.reign(3)
			c.answers(shown, 3, "second", "of the other")
			clear(c, shown)
			c.succeeds(op)
			if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1", "second 0/do/1"}) {
				t.Errorf("%q", got)
			}
			if o, _ := model.Find[*operation.Operation](c.store.View(), op); o.Steps[0].Agent != c.ids["second"] || o.Steps[0].Epoch != epochOf(3) {
				t.Errorf("on record: %+v", o.Steps[0])
			}
		})
	}
}

// cutOff has calls of a method to the first agent be lost, and the agent go away.
func (c *cloud) cutOff(method string) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.world.before = func(_ context.Context, call operate.Call) error {
		if call.Method != method || call.Agents[0] != c.ids["agent"] {
			return nil
		}
		c.world.away(c.ids["agent"])
		return operate.Lost{Err: fault.New(fault.Unavailable, "the connection dropped")}
	}
}

// Within an epoch, too: the agent whose connection dropped may be at the step. The step and its undoing are its
// own, until a person says that its host is off.
func TestStepStaysWithTheAgentThatIsCutOff(t *testing.T) {
	c := twoAgents(t)
	c.cutOff(agentproto.MethodMachineDefine)
	_, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("other"))
	if !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	op := c.unfinished().ID
	c.until("it is given up and undone", func() bool {
		o, _ := model.Find[*operation.Operation](c.store.View(), op)
		return o.State == operation.Unwinding
	})
	c.until("the undoing is tried", func() bool { return len(c.sent(agentproto.MethodMachineDelete)) > 0 })
	c.world.mu.Lock()
	c.world.before = nil
	c.world.mu.Unlock()
	for _, to := range append(c.sent(agentproto.MethodMachineDefine), c.sent(agentproto.MethodMachineDelete)...) {
		if !strings.HasPrefix(to, "first ") {
			t.Errorf("asked of %s", to)
		}
	}
	c.must("", "FenceAgent", map[string]string{"agentId": "agent"}, nil, "")
	c.until("it is undone", func() bool { o, _ := model.Find[*operation.Operation](c.store.View(), op); return o.State.Final() })
	if n := c.store.View().Len(model.KindInstance); n != 1 {
		t.Errorf("%d machines are left", n)
	}
}

// A disk that is being made is held by the agent that was asked for it alone: undoing it after a take-over
// waits for no other.
func TestUndoingWaitsForTheOneThatWasAsked(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedAt(agentproto.MethodVolumeCreate, "CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"},
		`{"name":"data","type":"raw","size":1048576,"pool":"disks"}`)
	c.world.away(c.ids["second"])
	c.configure(func(*operate.Config) {})
	shown := c.engine.Reign(epochOf(3))
	if err := c.engine.Cancel(t.Context(), operate.By{Who: admin}, op); err != nil {
		t.Fatal(err)
	}
	c.begin()
	c.until("the operation waits for the one that was asked", func() bool { return c.waiting(op) })
	if n := c.note(op); strings.Contains(n, string(c.ids["second"])) {
		t.Errorf("it waits for the other as well: %s", n)
	}
	c.answers(shown, 3, "agent", "first")
	c.until("it is undone", func() bool {
		o, _ := model.Find[*operation.Operation](c.store.View(), op)
		return o.State == operation.Cancelled
	})
}

// A step that an earlier release began does not say who was asked: any agent is asked again, as that release
// did.
func TestStepOfAnEarlierRelease(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedStop()
	if _, err := c.store.Update(t.Context(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		o, _ := model.Find[*operation.Operation](d, op)
		o = model.Edit(o)
		o.Steps[0].Agent, o.Steps[0].Epoch = "", lease.Epoch{}
		return d.Put(o)
	}); err != nil {
		t.Fatal(err)
	}
	c.reign(3)
	c.succeeds(op)
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1", "first+second 0/do/1"}) {
		t.Errorf("%q", got)
	}
}

// To whom a step goes is recorded with its beginning: the work costs no commit more. Where nobody is connected
// it does not begin.
func TestRecordingToWhomCostsNothing(t *testing.T) {
	c := twoAgents(t)
	before := c.store.View().Index()
	c.must("", "StopKompute", map[string]string{"komputeId": "web"}, nil, "")
	if n := c.store.View().Index() - before; n != 4 { // asked for, begun, done, ended
		t.Errorf("%d commits", n)
	}
	c.world.away(c.ids["agent"], c.ids["second"])
	_, err := c.ask("StartKompute", map[string]string{"komputeId": "web"}, nil, "")
	if !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	if got := c.sent(agentproto.MethodMachinePower); len(got) != 1 { // that of the stop
		t.Errorf("%q", got)
	}
}

// A step that no connected agent can do is not begun, however often it is looked at, and begins once one can.
func TestStepBeginsOnceSomebodyCanDoIt(t *testing.T) {
	c := twoAgents(t)
	c.stop()
	var looks atomic.Int64
	able := make(chan struct{})
	c.configure(func(o *operate.Config) {
		o.GiveUp = time.Minute
		o.Choose = func(agents []model.ID, _ string, _ model.ID) (model.ID, error) {
			looks.Add(1)
			select {
			case <-able:
				return agents[1], nil
			default:
				return "", operate.Lost{Unsent: true, Err: fault.New(fault.Unavailable, "none of the connected agents offers it")}
			}
		}
	})
	c.begin()
	op := c.begun("StopKompute", map[string]string{"komputeId": "web"})
	before := c.store.View().Index()
	c.until("it is looked at again and again", func() bool { return looks.Load() > 3 })
	if o, _ := model.Find[*operation.Operation](c.store.View(), op); o.Steps[0].State != operation.Pending || c.store.View().Index() != before {
		t.Errorf("%+v, %d commits", o.Steps[0], c.store.View().Index()-before)
	}
	close(able)
	c.succeeds(op)
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"second 0/do/1"}) {
		t.Errorf("%q", got)
	}
}
