package operate_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
)

// interrupted has the first call that fits be done, and its agent not know so.
func (c *cloud) interrupted(fits func(operate.Call) bool) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	once := false
	c.world.after = func(_ context.Context, call operate.Call) error {
		c.world.mu.Lock()
		defer c.world.mu.Unlock()
		if once || !fits(call) {
			return nil
		}
		once = true
		return fault.New(fault.Unknown, "the agent was interrupted")
	}
}

// told is what is to be told of each call of a method, in order: to whom it went, and under which request of
// its operation.
func (c *cloud) told(method string, tell func(agents []model.ID, request string) string) (all []string) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	for _, call := range c.world.calls {
		if call.Method == method {
			_, request, _ := strings.Cut(call.Request, "/")
			all = append(all, tell(call.Agents, request))
		}
	}
	return all
}

// asked are the requests of calls of a method.
func (c *cloud) asked(method string) []string {
	return c.told(method, func(_ []model.ID, request string) string { return request })
}

// A step whose agent does not know whether it was done is asked for anew, which finds it done, and every
// request that an agent may remember is told as settled once it is.
func TestUnknownOutcomeIsFoundOut(t *testing.T) {
	c := newCloud(t)
	c.stop()
	var mu sync.Mutex
	settled := map[string]bool{}
	c.configure(func(config *operate.Config) {
		config.Settle = func(request string) {
			if !operation.Settled(c.store.View(), request) {
				t.Errorf("%s is told as settled, and is not", request)
			}
			mu.Lock()
			defer mu.Unlock()
			settled[request] = true
		}
	})
	c.begin()
	c.interrupted(func(call operate.Call) bool { return call.Method == agentproto.MethodMachineDefine })
	c.kompute("web")
	if got := c.asked(agentproto.MethodMachineDefine); len(got) != 2 || !strings.HasSuffix(got[0], "/do/1") || !strings.HasSuffix(got[1], "/do/2") {
		t.Errorf("asked as %v", got)
	}
	c.settled()
	c.stop()
	mu.Lock()
	defer mu.Unlock()
	c.world.mu.Lock()
	for _, call := range c.world.calls {
		if call.Request != "" && strings.HasPrefix(call.Request, c.lastOperation()) && !settled[call.Request] {
			t.Errorf("%s is never told as settled", call.Request)
		}
	}
	c.world.mu.Unlock()
	if open := operation.Open(c.store.View()); len(open) != 0 {
		t.Errorf("open: %v", open)
	}
	c.run()
}

// lastOperation is the one of the newest call. It needs the world's lock.
func (c *cloud) lastOperation() string {
	op, _, _ := strings.Cut(c.world.calls[len(c.world.calls)-1].Request, "/")
	return op
}

// A machine is not reset twice: whether it was is told as unknown if it runs, and the rest done if it is off.
func TestResetIsNotRepeated(t *testing.T) {
	c := newCloud(t)
	c.kompute("web")
	resets := func(action agentproto.Power) func(operate.Call) bool {
		return func(call operate.Call) bool {
			return call.Method == agentproto.MethodMachinePower && strings.Contains(string(call.Args), string(action))
		}
	}
	path := map[string]string{"komputeId": "web"}
	for op, action := range map[string]agentproto.Power{"ResetKompute": agentproto.PowerReset, "RebootKompute": agentproto.PowerReboot} {
		c.world.calls = nil
		c.interrupted(resets(action))
		if _, err := c.ask(op, path, nil, ""); !fault.Is(err, fault.Unknown) {
			t.Errorf("%s: %v", op, err)
		}
		if n := len(c.asked(agentproto.MethodMachinePower)); n != 1 {
			t.Errorf("%s was asked for %d times", op, n)
		}
	}
	// Interrupted between off and on.
	c.world.calls = nil
	c.interrupted(resets(agentproto.PowerReboot))
	interrupt := c.world.after
	c.world.after = func(ctx context.Context, call operate.Call) error {
		err := interrupt(ctx, call)
		if err != nil {
			c.world.mu.Lock()
			for name := range c.world.things {
				if strings.HasPrefix(name, "power ") {
					delete(c.world.things, name)
				}
			}
			c.world.mu.Unlock()
		}
		return err
	}
	if _, err := c.ask("RebootKompute", path, nil, ""); err != nil {
		t.Error(err)
	}
	if got := c.asked(agentproto.MethodMachinePower); !slices.Equal(got, []string{"0/do/1", "0/do/2"}) {
		t.Errorf("asked as %v", got)
	}
}
