package kahuna

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/agent"
	"kowabunga/roles/kahuna/operate"
)

// A step whose time passed may be at work at its agent, and one that was not sent is not: the engine, which gives
// it to another agent or not, hears which.
func TestEngineHearsWhetherAStepMayBeAtWork(t *testing.T) {
	r := start(t, t.TempDir())
	_, _, agentID, _ := r.host("eu")
	release := make(chan struct{})
	var runs atomic.Int64
	r.hand(agentID, agent.Methods{agentproto.MethodMachineState: {Handle: func(context.Context, *agent.Call) (any, error) {
		runs.Add(1)
		<-release // deaf to being called off
		return agentproto.MachineStatus{}, nil
	}}}, nil)
	r.until("the agent is connected", func() bool { return r.s.fleet.Live().Online(string(agentID)) })
	c := caller{fleet: r.s.fleet, left: new(sync.WaitGroup)}
	ask := func(method string, timeout time.Duration) error {
		_, err := c.Call(t.Context(), operate.Call{Agents: []model.ID{agentID}, Method: method, Request: "operation/1/do/1", Timeout: timeout,
			Args: json.RawMessage(`{"machine":"m"}`), Progress: func(agentproto.Progress) {}})
		return err
	}
	var l operate.Lost
	if err := ask(agentproto.MethodMachineDefine, 20*time.Second); !errors.As(err, &l) || !l.Unsent || !fault.Is(err, fault.Unavailable) {
		t.Errorf("a step that the agent cannot do: %#v", err)
	}
	if err := ask(agentproto.MethodMachineState, time.Second); !errors.As(err, &l) || l.Unsent || !fault.Is(err, fault.Unavailable) {
		t.Errorf("a step whose time passed: %#v", err)
	}
	close(release)
	if err := ask(agentproto.MethodMachineState, 20*time.Second); err != nil || runs.Load() != 1 {
		t.Errorf("asked again: %v, after %d runs", err, runs.Load())
	}
}
