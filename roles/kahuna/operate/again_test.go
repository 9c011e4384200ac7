package operate_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
)

// fails has calls end in the errors that with gives, and not be done.
func (c *cloud) fails(with func(operate.Call) error) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.world.before = func(_ context.Context, call operate.Call) error { return with(call) }
}

// firstFails has those to the first agent do so.
func (c *cloud) firstFails(with func(operate.Call) error) {
	c.fails(func(call operate.Call) error {
		if !slices.Contains(call.Agents, c.ids["agent"]) {
			return nil
		}
		return with(call)
	})
}

func (c *cloud) operation(id model.ID) *operation.Operation {
	op, _ := model.Find[*operation.Operation](c.store.View(), id)
	return op
}

var (
	errTimedOut = operate.Lost{Err: fault.New(fault.Unavailable, "the agent did not answer")}
	errUnsent   = operate.Lost{Unsent: true, Err: fault.New(fault.Unavailable, "not connected")}
)

const rawVolume = `{"name":"data","type":"raw","size":1048576,"pool":"disks"}`

// onlyAs fails unless a method was asked for, and always of the same agent under the same request.
func (c *cloud) onlyAs(method, want string) {
	c.t.Helper()
	got := c.sent(method)
	if len(got) == 0 || slices.ContainsFunc(got, func(to string) bool { return to != want }) {
		c.t.Errorf("%s was asked of %q, want only %s", method, got, want)
	}
}

// An agent that hangs may be at work: the step is asked for again there, under the same id, whoever else is
// reachable; its attempt is not settled; and after a take-over it is the one that is waited for.
func TestTimedOutOrderStaysWithItsAgent(t *testing.T) {
	c := twoAgents(t)
	c.stop()
	c.configure(func(o *operate.Config) {
		o.GiveUp = 1 << 62
		o.Settle = func(request string) { t.Errorf("%s is told as settled", request) }
	})
	c.answers(c.engine.Reign(epochOf(2)), 2, "agent", "first")
	c.firstFails(func(operate.Call) error {
		c.world.away(c.ids["agent"])
		return errTimedOut
	})
	c.begin()
	op := c.begun("StopKompute", map[string]string{"komputeId": "web"})
	c.until("it is asked for again and again", func() bool { return len(c.sent(agentproto.MethodMachinePower)) > 2 })
	if operation.Settled(c.store.View(), string(op)+"/0/do/1") {
		t.Error("the attempt is settled while the agent may be at work on it")
	}
	c.stop()
	c.onlyAs(agentproto.MethodMachinePower, "first 0/do/1")

	shown := c.reign(3)
	c.answers(shown, 3, "second", "of the other")
	c.until("the operation waits for the agent that hung", func() bool { return c.waiting(op) })
	c.fails(func(operate.Call) error { return nil })
	c.world.away()
	c.answers(shown, 3, "agent", "first")
	c.succeeds(op)
	c.onlyAs(agentproto.MethodMachinePower, "first 0/do/1")
}

// An agent that hangs for good is given up as before, and what it was asked for is undone by it.
func TestTimedOutStepIsGivenUp(t *testing.T) {
	c := twoAgents(t)
	c.firstFails(func(call operate.Call) error {
		if call.Method == agentproto.MethodVolumeCreate {
			return errTimedOut
		}
		return nil
	})
	_, err := c.ask("CreateProjectRegionVolume", inRegion, nil, rawVolume)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("%v", err)
	}
	c.settle()
	c.onlyAs(agentproto.MethodVolumeCreate, "first 0/do/1")
	c.onlyAs(agentproto.MethodVolumeDelete, "first 0/undo/2")
}

// What was never sent is nobody's: another agent gets the step, under the same id.
func TestUnsentOrderGoesElsewhere(t *testing.T) {
	c := twoAgents(t)
	c.firstFails(func(operate.Call) error {
		c.world.away(c.ids["agent"])
		return errUnsent
	})
	c.must("", "StopKompute", map[string]string{"komputeId": "web"}, nil, "")
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1", "second 0/do/1"}) {
		t.Errorf("%q", got)
	}
}

// So it is after a take-over, once the agent that had it before is shown.
func TestUnsentOrderOfThisEpochGoesElsewhere(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedStop()
	c.firstFails(func(operate.Call) error {
		c.world.away(c.ids["agent"])
		return errUnsent
	})
	c.stop()
	c.configure(func(*operate.Config) {})
	shown := c.engine.Reign(epochOf(3))
	c.answers(shown, 3, "agent", "first")
	c.answers(shown, 3, "second", "of the other")
	c.begin()
	c.succeeds(op)
	if got := c.sent(agentproto.MethodMachinePower); !slices.Equal(got, []string{"first 0/do/1", "first 0/do/1", "second 0/do/1"}) {
		t.Errorf("%q", got)
	}
}

// One that went out once may be at work there, whatever becomes of the next attempt to send it.
func TestUnsentRepeatStays(t *testing.T) {
	c := twoAgents(t)
	times := 0
	c.firstFails(func(operate.Call) error {
		times++
		switch times {
		case 1:
			return errTimedOut
		case 2:
			c.world.away(c.ids["agent"])
			return errUnsent
		}
		c.world.away()
		return nil
	})
	c.must("", "StopKompute", map[string]string{"komputeId": "web"}, nil, "")
	c.onlyAs(agentproto.MethodMachinePower, "first 0/do/1")
}

// Nor does the undoing of a step that nobody was asked for wait for an agent.
func TestUndoingWhatWasNeverSent(t *testing.T) {
	c := twoAgents(t)
	c.world.away(c.ids["second"])
	c.firstFails(func(call operate.Call) error {
		if call.Method != agentproto.MethodMachineDefine {
			return nil
		}
		c.world.away(c.ids["agent"], c.ids["second"])
		return errUnsent
	})
	if _, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("other")); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	op := c.unfinished().ID
	c.until("it is given up", func() bool { return c.operation(op).State == operation.Unwinding })
	c.world.away(c.ids["agent"])
	c.until("the other agent undoes it", func() bool { return c.operation(op).State.Final() })
	for _, to := range c.sent(agentproto.MethodMachineDelete) {
		if !strings.HasPrefix(to, "second ") {
			t.Errorf("undone by %s", to)
		}
	}
}

// After a take-over nobody is at work on a step whose agent answered: its undoing, not sent to that one, goes to
// another.
func TestUnsentUndoingOfThisEpochGoesElsewhere(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedAt(agentproto.MethodVolumeCreate, "CreateProjectRegionVolume", inRegion, rawVolume)
	c.firstFails(func(operate.Call) error {
		c.world.away(c.ids["agent"])
		return errUnsent
	})
	c.configure(func(*operate.Config) {})
	shown := c.engine.Reign(epochOf(3))
	c.answers(shown, 3, "agent", "first")
	c.answers(shown, 3, "second", "of the other")
	if err := c.engine.Cancel(t.Context(), operate.By{Who: admin}, op); err != nil {
		t.Fatal(err)
	}
	c.begin()
	c.until("it is undone", func() bool { return c.operation(op).State == operation.Cancelled })
	if got := c.sent(agentproto.MethodVolumeDelete); !slices.Equal(got, []string{"first 0/undo/2", "second 0/undo/2"}) {
		t.Errorf("%q", got)
	}
}

// An agent that is fenced is at work on nothing: the one that gets its order and cannot do it answers for itself
// alone, and yet another may be asked.
func TestNextAgentAnswersForItself(t *testing.T) {
	c := twoAgents(t)
	failed := false
	c.fails(func(call operate.Call) error {
		switch {
		case slices.Contains(call.Agents, c.ids["second"]):
			failed = true
			c.world.away(c.ids["second"]) // and the first is back
			return fault.New(fault.Unavailable, "the pool is busy")
		case failed:
			return nil
		}
		c.world.away(c.ids["agent"])
		return errTimedOut
	})
	if _, err := c.ask("CreateProjectRegionVolume", inRegion, nil, rawVolume); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	c.until("the undoing is tried", func() bool { return len(c.sent(agentproto.MethodVolumeDelete)) > 0 })
	c.must("", "FenceAgent", map[string]string{"agentId": "agent"}, nil, "")
	c.settle()
	if got := slices.Compact(c.sent(agentproto.MethodVolumeDelete)); !slices.Equal(got, []string{"first 0/undo/2", "second 0/undo/2", "first 0/undo/3"}) {
		t.Errorf("%q", got)
	}
}

// An agent that was never heard about doing a step, and cannot undo it, may still be doing it.
func TestFailedUndoingStays(t *testing.T) {
	c := twoAgents(t)
	fails := 3
	c.firstFails(func(call operate.Call) error {
		switch {
		case call.Method == agentproto.MethodVolumeCreate:
			return errTimedOut
		case call.Method == agentproto.MethodVolumeDelete && fails > 0:
			fails--
			c.world.away(c.ids["agent"])
			return fault.New(fault.Unavailable, "the pool is busy")
		}
		return nil
	})
	_, err := c.ask("CreateProjectRegionVolume", inRegion, nil, rawVolume)
	if !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	c.settle()
	if got := c.sent(agentproto.MethodVolumeDelete); !slices.Equal(got, []string{"first 0/undo/2", "first 0/undo/3", "first 0/undo/4", "first 0/undo/5"}) {
		t.Errorf("%q", got)
	}
}

// As long as it is not found out whether a machine was started anew, no other agent is asked to.
func TestResetIsNotRepeatedElsewhere(t *testing.T) {
	c := twoAgents(t)
	times, looks := 0, 0
	c.fails(func(call operate.Call) error {
		switch call.Method {
		case agentproto.MethodMachinePower:
			if times++; times == 1 {
				return fault.New(fault.Unknown, "the agent was interrupted")
			}
		case agentproto.MethodMachineState:
			if looks++; looks == 1 {
				c.world.away(c.ids["agent"])
				return fault.New(fault.Unavailable, "libvirt is away")
			}
		}
		return nil
	})
	c.must("", "ResetKompute", map[string]string{"komputeId": "web"}, nil, "")
	c.onlyAs(agentproto.MethodMachinePower, "first 0/do/1")
}

// An agent that answered the epoch and named a step as what it cannot end does not get the undoing of it while
// it is at work on it.
func TestUndoingWaitsForWhatCannotEnd(t *testing.T) {
	c := twoAgents(t)
	op := c.interruptedAt(agentproto.MethodImageImport, "CreateTemplate", map[string]string{"poolId": "pool"}, `{"name":"other","source":"https://example.net/x.img"}`)
	c.configure(func(*operate.Config) {})
	shown := c.engine.Reign(epochOf(3))
	c.answer(shown, 3, "first", string(op)+"/0/do/1")
	c.answers(shown, 3, "second", "of the other")
	if err := c.engine.Cancel(t.Context(), operate.By{Who: admin}, op); err != nil {
		t.Fatal(err)
	}
	c.begin()
	c.until("the operation waits", func() bool { return strings.Contains(c.note(op), "cannot be ended there") })
	if got := c.sent(agentproto.MethodImageDelete); len(got) != 0 {
		t.Errorf("undone meanwhile: %q", got)
	}
	c.answer(shown, 3, "first")
	c.until("it is undone", func() bool { return c.operation(op).State == operation.Cancelled })
}
