package kahuna

import (
	"context"
	"errors"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
	"kowabunga/roles/kahuna/fleet"
)

// A Kahuna gives up commanding and commands again in one process. Its agents stay connected, and get no
// command meanwhile.
func TestCommandIsGivenUpAndTakenAgain(t *testing.T) {
	r := start(t, t.TempDir())
	region, _, agentID, host := r.host("eu")
	r.topology(region, "", agentID)
	member, _ := r.s.fleet.Live().Get(string(agentID))
	state := func() error {
		return r.s.fleet.Call(t.Context(), []string{string(agentID)}, agentproto.MethodMachineState, fleet.CallOptions{}, agentproto.MachineRef{Machine: "none"}, new(agentproto.MachineStatus))
	}
	if err := state(); err != nil {
		t.Fatal(err)
	}
	e := r.s.epoch()
	r.s.Stop("handed over")
	for _, method := range []string{"GET", "POST"} {
		if status := r.ask(method, "/api/v1/region", `{"name":"later","domain":"l.example"}`, nil); status != 503 {
			t.Errorf("%s is answered %d by a Kahuna that does not command", method, status)
		}
	}
	if err := state(); !errors.Is(err, fleet.ErrOffline) {
		t.Errorf("a command of a Kahuna that does not command: %v", err)
	}
	if err := r.s.fleet.Ask(t.Context(), string(agentID), member.Hello.Identity, "lease.unknown", struct{}{}, nil); errors.Is(err, fleet.ErrOffline) {
		t.Errorf("a witness cannot be asked: %v", err)
	}
	if err := r.s.fleet.Ask(t.Context(), string(agentID), "another host", "lease.unknown", struct{}{}, nil); !errors.Is(err, fleet.ErrOffline) {
		t.Errorf("another host is asked under the agent's name: %v", err)
	}
	r.s.Serve(e)
	r.settled()
	if status := r.ask("POST", "/api/v1/region", `{"name":"later","domain":"l.example"}`, nil); status != 201 {
		t.Errorf("a write after command was taken again: %d", status)
	}
	r.until("the agent obeys again", func() bool { return r.s.fleet.Live().Online(string(agentID)) })
	if err := state(); err != nil {
		t.Errorf("a command after command was taken again: %v", err)
	}
	r.until("the host has what is wanted of it", func() bool { return len(host.Inventory().Pools) == 1 })
	if now, _ := r.s.fleet.Live().Get(string(agentID)); now.Since != member.Since {
		t.Error("the agent had to connect again")
	}
}

// An operation whose step is under way when command is given up goes on at the agent, and is finished by
// whoever commands next.
func TestStepGoesOnWhileNobodyCommands(t *testing.T) {
	r := start(t, t.TempDir())
	_, _, agentID, _ := r.host("eu")
	working, release, calledOff := make(chan struct{}, 4), make(chan struct{}), make(chan struct{}, 4)
	r.hand(agentID, agent.Methods{agentproto.MethodMachineState: {Handle: func(ctx context.Context, _ *agent.Call) (any, error) {
		working <- struct{}{}
		select {
		case <-release:
			return agentproto.MachineStatus{Known: true, State: "Running"}, nil
		case <-ctx.Done():
			calledOff <- struct{}{}
			return nil, ctx.Err()
		}
	}}}, nil)
	r.until("the agent is connected", func() bool { return r.s.fleet.Live().Online(string(agentID)) })
	outcome := make(chan error, 1)
	ask := func() {
		var status agentproto.MachineStatus
		outcome <- r.s.fleet.Call(t.Context(), []string{string(agentID)}, agentproto.MethodMachineState, fleet.CallOptions{Request: "operation/1/do/1"}, agentproto.MachineRef{Machine: "m"}, &status)
	}
	go ask()
	<-working
	e := r.s.epoch()
	r.s.Stop("handed over")
	if err := <-outcome; !errors.Is(err, link.ErrLost) {
		t.Errorf("the call under way ended with %v, want an unknown outcome", err)
	}
	r.s.Serve(e)
	r.settled()
	r.until("the agent obeys again", func() bool { return r.s.fleet.Live().Online(string(agentID)) })
	go ask()
	close(release)
	if err := <-outcome; err != nil {
		t.Errorf("the repeat under the same request id: %v", err)
	}
	if len(working) > 0 {
		t.Error("the repeat ran the step once more")
	}
	select {
	case <-calledOff:
		t.Error("the agent was told to stop")
	default:
	}
}

// settled waits until what a change of roles asks for is done.
func (r *running) settled() {
	done := make(chan struct{})
	r.s.turn.work.Add(func() { close(done) })
	<-done
}
