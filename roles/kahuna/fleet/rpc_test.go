package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
)

// TestWRPC2UnknownMethodAndBadArgumentsAreAnswered at once, with typed codes.
func TestWRPC2UnknownMethodAndBadArgumentsAreAnswered(t *testing.T) {
	r := newRig(t)
	r.agent(hostA, agent.Methods{"typed": {Handle: agent.Handle(func(context.Context, *agent.Call, agentproto.MachinePower) (any, error) { return nil, nil })}})
	r.online(hostA)
	if err := r.fleet.Call(t.Context(), []string{hostA}, "typed", CallOptions{}, map[string]any{"machine": 7}, nil); !fault.Is(err, fault.Malformed) {
		t.Errorf("arguments of a wrong type: %v", err)
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "typed", CallOptions{}, map[string]any{"machine": "m", "of": "a newer release"}, nil); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "none", CallOptions{}, nil, nil); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "offers none") {
		t.Errorf("a method nobody offers: %v", err)
	}
	r.fleet.mu.Lock()
	conn := r.fleet.members[hostA].session.conn
	r.fleet.mu.Unlock()
	if err := conn.Call(t.Context(), "none", agentproto.Envelope{Epoch: r.fleet.cfg.Epoch()}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown method: %v", err)
	}
	if err := conn.Call(t.Context(), "typed", []int{1}, nil); !fault.Is(err, fault.Malformed) {
		t.Errorf("parameters that are no envelope: %v", err)
	}
}

// TestWRPC3ParallelTrafficBothWays: 500 calls each way at once with heartbeats in between; run with -race.
func TestWRPC3ParallelTrafficBothWays(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Heartbeat, c.Silence = 10*time.Millisecond, patience
		c.Handle = func(_ context.Context, id, method string, env agentproto.Envelope) (any, error) { return env.Args, nil }
	})
	a, _ := r.agent(hostA, agent.Methods{"echo": echo})
	r.online(hostA)
	wait(t, "the agent's connection", a.Connected)
	var wg sync.WaitGroup
	for i := range 500 {
		in := fmt.Sprintf("%d %s", i, strings.Repeat("x", i*10))
		wg.Go(func() {
			var out string
			if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, in, &out); err != nil || out != in {
				t.Errorf("call %d of Kahuna: %v", i, err)
			}
		})
		wg.Go(func() {
			var out string
			if err := a.Call(t.Context(), "ask", in, &out); err != nil || out != in {
				t.Errorf("call %d of the agent: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// TestWRPC4HeartbeatsEndWithTheirConnection: after many quick drops nothing of the old connections is
// left; the leak check of TestMain looks at the goroutines, this at the calls still working.
func TestWRPC4HeartbeatsEndWithTheirConnection(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Heartbeat = time.Millisecond; c.Silence = patience })
	r.agent(hostA, agent.Methods{"echo": echo})
	for range 10 {
		r.online(hostA)
		before, _ := r.fleet.Live().Get(hostA)
		r.proxy.cut()
		over(t, "the old connection's goroutines", before.conn.Gone())
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{WaitOnline: patience}, 1, nil); err != nil {
		t.Fatal(err)
	}
}

// TestWRPC5AnswersKeepTheirCallers mixes calls that time out with calls that do not.
func TestWRPC5AnswersKeepTheirCallers(t *testing.T) {
	r := newRig(t)
	r.agent(hostA, agent.Methods{"echo": echo, "slow": newGated().method()})
	r.online(hostA)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if i%4 == 0 {
				r.fleet.Call(t.Context(), []string{hostA}, "slow", CallOptions{Timeout: time.Duration(i+1) * 50 * time.Microsecond}, agentproto.Empty{}, nil)
				return
			}
			var out int
			if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, i, &out); err != nil || out != i {
				t.Errorf("call %d got %d, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}

// TestWRPC6PanicIsAnAnswer: a handler's panic is an internal fault for its caller and nothing else.
func TestWRPC6PanicIsAnAnswer(t *testing.T) {
	r := newRig(t)
	a, _ := r.agent(hostA, agent.Methods{"echo": echo, "panic": {Handle: func(context.Context, *agent.Call) (any, error) { panic("secret detail") }}})
	r.online(hostA)
	err := r.fleet.Call(t.Context(), []string{hostA}, "panic", CallOptions{}, nil, nil)
	if !fault.Is(err, fault.Internal) || strings.Contains(err.Error(), "secret detail") {
		t.Fatal(err)
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, 1, nil); err != nil {
		t.Fatalf("after a panic: %v", err)
	}
	if n := a.Counters().Panics; n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

// TestWRPC9NumbersKeepTheirDigits through fleet, link and agent.
func TestWRPC9NumbersKeepTheirDigits(t *testing.T) {
	r := newRig(t)
	r.agent(hostA, agent.Methods{"size": {Handle: agent.Handle(func(_ context.Context, _ *agent.Call, v agentproto.Volume) (agentproto.Volume, error) { return v, nil })}})
	r.online(hostA)
	in, out := agentproto.Volume{Size: 1<<53 + 1, Allocated: 1<<62 + 3}, agentproto.Volume{}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "size", CallOptions{}, in, &out); err != nil || out != in {
		t.Fatalf("%+v, %v", out, err)
	}
}

// TestWRPC10KindIsBoundToTheKey: the key of a Kaktus does not open the door to a Kiwi.
func TestWRPC10KindIsBoundToTheKey(t *testing.T) {
	r := newRig(t)
	_, _, err := link.Dial(t.Context(), link.Target{URL: r.url, Key: "key-" + hostA, Hello: agentproto.Hello{Protocol: agentproto.Version, Kind: agentproto.Kiwi, Agent: hostA, Identity: "i", Session: "s"}})
	if !fault.Is(err, fault.Unauthenticated) || r.fleet.Live().Online(hostA) {
		t.Fatalf("another kind was let in: %v", err)
	}
}

// TestWRPC11ShutdownLetsRunningCallsFinish, refuses new ones, and is over in time.
func TestWRPC11ShutdownLetsRunningCallsFinish(t *testing.T) {
	r := newRig(t)
	g := newGated()
	a, stop := r.agent(hostA, agent.Methods{"gated": g.method(), "echo": echo})
	r.online(hostA)
	running := r.call([]string{hostA}, "gated", CallOptions{Request: "r1", Timeout: patience})
	over(t, "the call", g.started)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	wait(t, "new calls refused", func() bool {
		err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, 1, nil)
		return fault.Is(err, fault.Unavailable) && strings.Contains(err.Error(), "shutting down")
	})
	close(g.release)
	if got := over(t, "the running call", running); got.err != nil || got.n != 1 {
		t.Fatalf("the running call was cut: %+v", got)
	}
	over(t, "the end", stopped)
	r.offline(hostA)
	if a.Connected() {
		t.Error("still connected")
	}
}

// TestD8ShutdownIsGraceful at Kahuna's end: agents get a normal close, callers an answer, and stubborn
// calls do not hold the agent's own end beyond its bound.
func TestD8ShutdownIsGraceful(t *testing.T) {
	r := newRig(t)
	g := newGated()
	why := make(chan error, 10)
	_, stop := r.agent(hostA, agent.Methods{"gated": g.method()}, func(c *agent.Config) {
		c.Drain = 50 * time.Millisecond
		c.OnDisconnect = func(err error) { why <- err }
	})
	r.online(hostA)
	pending := r.call([]string{hostA}, "gated", CallOptions{Request: "r1", Timeout: patience})
	over(t, "the call", g.started)
	if err := r.fleet.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := over(t, "the caller's answer", pending); !fault.Is(a.err, fault.Unavailable) {
		t.Errorf("the caller got %v", a.err)
	}
	if err := over(t, "the goodbye", why); !strings.Contains(err.Error(), "Kahuna is shutting down") {
		t.Errorf("the agent was told %v", err)
	}
	began := time.Now()
	stop() // the call still runs: a dropped socket cancels nothing, a shutdown of the agent does
	if err := over(t, "the end of the call", g.ended); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the call was ended with %v", err)
	}
	if took := time.Since(began); took > 5*time.Second { // otherwise it would be agent.Config's usual Drain
		t.Errorf("the shutdown took %s", took)
	}
}

// TestWRPC12KeyRotationNeedsNoRestart: the key file is read at each dial, so that neither a reload
// signal nor a restart is needed. (Handling SIGHUP belongs to each role's process.)
func TestWRPC12KeyRotationNeedsNoRestart(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "key")
	put := func(key string) {
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("key-" + hostA)
	r.agent(hostA, nil, func(c *agent.Config) { c.Key, c.KeyFile = nil, file })
	r.online(hostA)
	r.keys.set(hostA, "rotated", time.Time{})
	r.fleet.Disconnect(hostA)
	put("rotated")
	r.online(hostA)
}

// TestWRPC14EventsArePushed in order, the newest of each subject, also those from before the connection.
func TestWRPC14EventsArePushed(t *testing.T) {
	r := newRig(t)
	r.proxy.stall.Lock() // offline for now
	a, _ := r.agent(hostA, nil)
	for i := range 5 {
		a.Event("machine", "m1", i)
	}
	a.Event("machine", "m2", "other")
	r.proxy.stall.Unlock()
	wait(t, "the events", func() bool { return r.seen.count("event "+hostA) == 2 })
	if r.seen.count("event "+hostA+" machine m1 4") != 1 || r.seen.count("event "+hostA+` machine m2 "other"`) != 1 {
		t.Errorf("got %v", r.seen.lines)
	}
	a.Event("pool", "p", "live")
	wait(t, "a live event", func() bool { return r.seen.count("event "+hostA+" pool p") == 1 })
	if first := slices.IndexFunc(r.seen.lines, func(l string) bool { return strings.HasPrefix(l, "event") }); r.seen.lines[0] != "connect "+hostA || first != 1 {
		t.Errorf("the events came before the connect: %v", r.seen.lines)
	}
}

// TestWRPC16RepeatsGetTheFirstAnswer: a request id is carried out once, whoever asks how often; another
// call under the same id is refused.
func TestWRPC16RepeatsGetTheFirstAnswer(t *testing.T) {
	r := newRig(t)
	g := newGated()
	r.agent(hostA, agent.Methods{"gated": g.method(), "echo": echo})
	r.online(hostA)
	first := r.call([]string{hostA}, "gated", CallOptions{Request: "op/1/do/1", Timeout: patience})
	over(t, "the call", g.started)
	joined := r.call([]string{hostA}, "gated", CallOptions{Request: "op/1/do/1", Timeout: patience})
	close(g.release)
	later := r.call([]string{hostA}, "gated", CallOptions{Request: "op/1/do/1", Timeout: patience})
	for _, c := range []<-chan answered{first, joined, later} {
		if a := over(t, "an answer", c); a.err != nil || a.n != 1 {
			t.Errorf("got %+v", a)
		}
	}
	if n := g.runs.Load(); n != 1 {
		t.Errorf("carried out %d times", n)
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{Request: "op/1/do/1"}, 1, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("the id of another call: %v", err)
	}
}
