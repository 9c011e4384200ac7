package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
)

// deaf is a method that goes on when it is called off, until it is released.
func deaf() (method agent.Method, started chan struct{}, release func()) {
	started, released := make(chan struct{}, 10), make(chan struct{})
	return agent.Method{Handle: func(context.Context, *agent.Call) (any, error) {
		started <- struct{}{}
		<-released
		return nil, nil
	}}, started, func() { close(released) }
}

// What was sent and not answered may be at work, whether its time passed or it was called off; the error says so.
func TestOutcomeIsUnknownWhenNobodyWaitsAnyMore(t *testing.T) {
	r := newRig(t)
	method, started, release := deaf()
	defer release()
	r.agent(hostA, agent.Methods{"deaf": method})
	r.online(hostA)
	sent := false
	err := r.fleet.Call(t.Context(), []string{hostA}, "deaf", CallOptions{Request: "late", Timeout: time.Second, Chosen: func(string) { sent = true }}, agentproto.Empty{}, nil)
	if !sent || !errors.Is(err, link.ErrLost) || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("its time passed: %v", err)
	}
	over(t, "the call", started)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		failed <- r.fleet.Call(ctx, []string{hostA}, "deaf", CallOptions{Request: "off"}, agentproto.Empty{}, nil)
	}()
	over(t, "the call", started)
	cancel()
	if err := over(t, "the caller's answer", failed); !errors.Is(err, link.ErrLost) || !fault.Is(err, fault.Cancelled) {
		t.Errorf("called off: %v", err)
	}
}

// Chosen is told of what may be at work alone.
func TestChosenIsNotToldOfWhatIsNotSent(t *testing.T) {
	r := newRig(t)
	r.agent(hostA, agent.Methods{"echo": echo})
	r.online(hostA)
	for name, agents := range map[string][]string{"echo": {hostB}, "another": {hostA}} {
		for _, opt := range []CallOptions{{}, {WaitOnline: patience, Timeout: time.Millisecond}} {
			opt.Chosen = func(agent string) { t.Errorf("%s of %s is told as sent", name, agent) }
			if err := r.fleet.Call(t.Context(), agents, name, opt, 1, nil); err == nil || errors.Is(err, link.ErrLost) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
