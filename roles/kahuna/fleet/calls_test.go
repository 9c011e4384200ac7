package fleet

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// TestResendAfterDrop: the socket drops while a call runs; it goes on, and the caller gets its answer
// over the next connection without noticing.
func TestResendAfterDrop(t *testing.T) {
	r := newRig(t)
	g := newGated()
	r.agent(hostA, agent.Methods{"gated": g.method()})
	r.online(hostA)
	pending := r.call([]string{hostA}, "gated", CallOptions{Request: "op/1/do/1", Timeout: patience})
	over(t, "the call", g.started)
	for range 3 {
		before, _ := r.fleet.Live().Get(hostA)
		r.proxy.cut()
		wait(t, "a new session", func() bool { m, _ := r.fleet.Live().Get(hostA); return m.Online && m.conn != before.conn })
	}
	wait(t, "the repeat", func() bool { return r.fleet.Counters().Resent > 0 })
	close(g.release)
	if a := over(t, "the answer", pending); a.err != nil || a.n != 1 || g.runs.Load() != 1 {
		t.Fatalf("got %+v after %d runs", a, g.runs.Load())
	}
}

// TestResendToAnotherHostIsRefused: an agent that comes back with another state directory is another host.
func TestResendToAnotherHostIsRefused(t *testing.T) {
	r := newRig(t)
	g := newGated()
	_, stop := r.agent(hostA, agent.Methods{"gated": g.method()}, func(c *agent.Config) { c.Drain = time.Millisecond })
	r.online(hostA)
	pending := r.call([]string{hostA}, "gated", CallOptions{Request: "r1", Timeout: patience})
	over(t, "the call", g.started)
	r.proxy.cut()
	r.agent(hostA, agent.Methods{"gated": g.method()}) // a new identity takes over
	defer stop()
	a := over(t, "the caller's answer", pending)
	if a.err != nil && !fault.Is(a.err, fault.Unavailable) {
		t.Fatalf("got %+v", a)
	}
	if a.err == nil {
		t.Fatal("the call was carried over to another host")
	}
}

// TestCancellationReachesTheAgent, at once and, after a drop, when it is back.
func TestCancellationReachesTheAgent(t *testing.T) {
	r := newRig(t)
	g := newGated()
	r.agent(hostA, agent.Methods{"gated": g.method()})
	for _, drop := range []bool{false, true} {
		r.online(hostA)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			failed <- r.fleet.Call(ctx, []string{hostA}, "gated", CallOptions{Request: fmt.Sprint("cancel ", drop)}, nil, nil)
		}()
		over(t, "the call", g.started)
		if drop {
			r.proxy.stall.Lock()
			r.proxy.cut()
			r.offline(hostA)
		}
		cancel()
		if err := over(t, "the caller's answer", failed); !fault.Is(err, fault.Cancelled) {
			t.Errorf("the caller got %v", err)
		}
		if drop {
			r.proxy.stall.Unlock()
		}
		if err := over(t, "the end at the agent", g.ended); !fault.Is(err, fault.Cancelled) {
			t.Errorf("the handler was ended with %v", err)
		}
	}
}

// TestDeadlineEndsTheCallAtTheAgent even if nobody is there to call it off.
func TestDeadlineEndsTheCallAtTheAgent(t *testing.T) {
	r := newRig(t)
	g := newGated()
	r.agent(hostA, agent.Methods{"gated": g.method()})
	r.online(hostA)
	pending := r.call([]string{hostA}, "gated", CallOptions{Request: "r1", Timeout: 200 * time.Millisecond})
	over(t, "the call", g.started)
	r.proxy.listener.Close()
	r.proxy.cut()
	if err := over(t, "the end at the agent", g.ended); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the handler was ended with %v", err)
	}
	if a := over(t, "the caller's answer", pending); !fault.Is(a.err, fault.Unavailable) {
		t.Errorf("the caller got %v", a.err)
	}
}

// TestProgressArrives thinned out, and the last report before the answer.
func TestProgressArrives(t *testing.T) {
	r := newRig(t)
	r.agent(hostA, agent.Methods{"work": {Handle: func(_ context.Context, call *agent.Call) (any, error) {
		for i := range int64(10001) {
			call.Progress(i, 10000, "bytes")
		}
		return nil, nil
	}}})
	r.online(hostA)
	var got []agentproto.Progress
	err := r.fleet.Call(t.Context(), []string{hostA}, "work", CallOptions{Request: "r1", Progress: func(p agentproto.Progress) { got = append(got, p) }}, nil, nil)
	if err != nil || len(got) == 0 || len(got) > 100 {
		t.Fatalf("%d reports, %v", len(got), err)
	}
	if last := got[len(got)-1]; last.Done != 10000 || last.Total != 10000 || last.Unit != "bytes" {
		t.Errorf("the last report is %+v", last)
	}
}

// TestCallChoosesItsAgent: the preferred, else the one used last, else the first that can.
func TestCallChoosesItsAgent(t *testing.T) {
	r := newRig(t)
	who := func(id string) agent.Methods {
		return agent.Methods{"who": {Handle: func(context.Context, *agent.Call) (any, error) { return id, nil }}}
	}
	ask := func(opt CallOptions) string {
		var id, chosen string
		opt.Chosen = func(id string) { chosen = id }
		if err := r.fleet.Call(t.Context(), []string{hostA, hostB}, "who", opt, nil, &id); err != nil || chosen != id {
			t.Fatal(id, chosen, err)
		}
		return id
	}
	waiting := make(chan error, 1)
	go func() {
		waiting <- r.fleet.Call(t.Context(), []string{hostA, hostB}, "who", CallOptions{WaitOnline: patience}, nil, nil)
	}()
	_, stopB := r.agent(hostB, who(hostB))
	if err := over(t, "the call that waits for an agent", waiting); err != nil {
		t.Fatal(err)
	}
	_, _ = r.agent(hostA, who(hostA))
	r.online(hostA, hostB)
	if id := ask(CallOptions{}); id != hostB {
		t.Errorf("the agent used last is not preferred: %s", id)
	}
	if id := ask(CallOptions{Prefer: hostA}); id != hostA {
		t.Errorf("the preferred agent is not used: %s", id)
	}
	if id, err := r.fleet.Choose([]string{hostA, hostB}, "who", hostB); id != hostB || err != nil {
		t.Errorf("the preferred agent is not chosen: %s, %v", id, err)
	}
	if _, err := r.fleet.Choose([]string{hostA, hostB}, "what", hostB); !fault.Is(err, fault.Unavailable) || errors.Is(err, ErrOffline) {
		t.Errorf("one is chosen that cannot do it: %v", err)
	}
	stopB()
	r.offline(hostB)
	if id, err := r.fleet.Choose([]string{hostA, hostB}, "who", hostB); id != hostA || err != nil {
		t.Errorf("the only agent is not chosen: %s, %v", id, err)
	}
	if _, err := r.fleet.Choose([]string{hostB}, "who", hostB); !errors.Is(err, ErrOffline) {
		t.Errorf("one is chosen that is not connected: %v", err)
	}
	if id := ask(CallOptions{Prefer: hostB}); id != hostA {
		t.Errorf("the only agent is not used: %s", id)
	}
	if err := r.fleet.Call(t.Context(), nil, "who", CallOptions{}, nil, nil); !errors.Is(err, ErrOffline) {
		t.Errorf("no agents at all: %v", err)
	}
}
