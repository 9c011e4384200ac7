package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
)

// dialBare connects as an agent with nothing behind it; start is left to the test.
func (r *rig) dialBare(id string, change ...func(*agentproto.Hello)) *link.Conn {
	r.t.Helper()
	hello := agentproto.Hello{Protocol: agentproto.Version, Kind: agentproto.Kaktus, Agent: id, Identity: "bare", Session: "s", Methods: []string{"echo"}}
	for _, f := range change {
		f(&hello)
	}
	conn, _, err := link.Dial(context.Background(), link.Target{URL: r.url, Key: "key-" + id, Hello: hello})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		conn.Close("the test is over")
		over(r.t, "the bare agent's end", conn.Gone())
	})
	return conn
}

// mute is an agent's end that answers nothing.
type mute struct{}

var _ link.Peer = mute{}

func (mute) Call(_ context.Context, method string, _ json.RawMessage) (any, error) {
	return nil, link.UnknownMethod(method)
}
func (mute) Notify(string, json.RawMessage) {}

// TestD1ReconnectIsNotOrphaned: an agent that reconnects before Kahuna noticed the drop
// has its new session, with its new method list, whatever the old session's end does later.
func TestD1ReconnectIsNotOrphaned(t *testing.T) {
	r := newRig(t)
	old := r.dialBare(hostA) // for Kahuna it is alive until a newer one comes
	old.Start(mute{})
	r.online(hostA)
	_, _ = r.agent(hostA, agent.Methods{"echo": echo, "new.method": echo})
	over(t, "the end of the older session", old.Done())
	if !errors.Is(old.Err(), link.ErrSuperseded) {
		t.Errorf("the older session was told: %v", old.Err())
	}
	wait(t, "the newer session", func() bool { m, _ := r.fleet.Live().Get(hostA); return m.Offers("new.method") })
	over(t, "the older session's goroutines", old.Gone())
	for range 50 {
		if err := r.fleet.Call(t.Context(), []string{hostA}, "new.method", CallOptions{}, 1, nil); err != nil {
			t.Fatalf("the newer session was orphaned: %v", err)
		}
	}
	if n := r.seen.count("disconnect"); n != 0 {
		t.Errorf("%d disconnects were told although the agent never was away", n)
	}
	if r.fleet.Counters().Superseded != 1 {
		t.Error("the replacement was not counted")
	}
}

// TestWRPC7StaleWatcherKeepsNewSession repeats the race many times.
func TestWRPC7StaleWatcherKeepsNewSession(t *testing.T) {
	r := newRig(t)
	for range 30 {
		conn := r.dialBare(hostA)
		go conn.Close("quick drop")
	}
	r.agent(hostA, agent.Methods{"echo": echo})
	wait(t, "a usable session", func() bool {
		return r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{WaitOnline: patience, Timeout: time.Second}, 1, nil) == nil
	})
	wait(t, "all the others' end", func() bool { m, _ := r.fleet.Live().Get(hostA); return m.Online && m.Hello.Identity != "bare" })
}

// TestD2LostAnswerDoesNotBlock: a call in flight when the socket closes ends within its bound, and other
// calls are not held up by it.
func TestD2LostAnswerDoesNotBlock(t *testing.T) {
	r := newRig(t)
	g := newGated()
	_, stop := r.agent(hostA, agent.Methods{"gated": g.method()}, func(c *agent.Config) { c.Drain = time.Millisecond })
	r.agent(hostB, agent.Methods{"echo": echo})
	r.online(hostA, hostB)
	pending := r.call([]string{hostA}, "gated", CallOptions{Request: "r1", Timeout: patience, WaitReturn: 50 * time.Millisecond})
	over(t, "the call's start", g.started)
	r.proxy.listener.Close() // it cannot come back
	r.proxy.cut()
	a := over(t, "the failure", pending)
	if !fault.Is(a.err, fault.Unavailable) || !errors.Is(a.err, link.ErrLost) {
		t.Fatalf("the lost call ended with %v", a.err)
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "gated", CallOptions{}, nil, nil); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), hostA) {
		t.Fatalf("a call to an offline agent: %v", err)
	}
	stop()
}

// TestD3DisconnectIsEffective: after Disconnect the session is gone, a second Disconnect returns, and
// the old key opens nothing.
func TestD3DisconnectIsEffective(t *testing.T) {
	r := newRig(t)
	key := make(chan string, 1)
	key <- "key-" + hostA
	a, _ := r.agent(hostA, agent.Methods{"echo": echo}, func(c *agent.Config) {
		c.Key = func() (string, error) { k := <-key; key <- k; return k, nil }
	})
	r.online(hostA)
	r.keys.set(hostA, "rotated", time.Time{})
	for range 2 {
		r.fleet.Disconnect(hostA)
		if r.fleet.Live().Online(hostA) {
			t.Fatal("still online after Disconnect")
		}
	}
	if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, 1, nil); !errors.Is(err, ErrOffline) {
		t.Fatalf("a revoked session was used: %v", err)
	}
	refused := r.fleet.Counters().Refused
	wait(t, "a refusal of the old key", func() bool { return r.fleet.Counters().Refused > refused })
	if a.Connected() {
		t.Fatal("the old key opened the door")
	}
	<-key
	key <- "rotated"
	r.online(hostA)
}

// TestRevocationDuringHandshake: a key revoked after the proof and before the session lets nobody in.
func TestRevocationDuringHandshake(t *testing.T) {
	for name, revoke := range map[string]func(*rig){
		"removed":                   func(r *rig) { r.keys.remove(hostA) },
		"replaced":                  func(r *rig) { r.keys.set(hostA, "rotated", time.Time{}) },
		"disconnected after a look": func(r *rig) { r.fleet.Disconnect(hostA) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			looks := 0
			r.keys.onLookup = func(string) {
				if looks++; looks == 2 { // the gate looked; now the fleet looks again
					revoke(r)
				}
			}
			_, _, err := link.Dial(t.Context(), link.Target{URL: r.url, Key: "key-" + hostA, Hello: agentproto.Hello{
				Protocol: agentproto.Version, Kind: agentproto.Kaktus, Agent: hostA, Identity: "i", Session: "s"}})
			if !fault.Is(err, fault.Unauthenticated) || r.fleet.Live().Online(hostA) {
				t.Fatalf("let in with a revoked key: %v", err)
			}
		})
	}
}

func TestExpiryEndsTheSession(t *testing.T) {
	r := newRig(t)
	r.keys.set(hostA, "key-"+hostA, time.Now().Add(300*time.Millisecond))
	conn := r.dialBare(hostA)
	r.online(hostA)
	over(t, "the end at the key's expiry", r.seenEnd(hostA))
	if _, _, err := link.Dial(t.Context(), link.Target{URL: r.url, Key: "key-" + hostA, Hello: agentproto.Hello{Kind: agentproto.Kaktus, Agent: hostA}}); !fault.Is(err, fault.Unauthenticated) {
		t.Fatalf("an expired key: %v", err)
	}
	conn.Close("done")
}

func (r *rig) seenEnd(id string) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		r.offline(id)
		close(c)
	}()
	return c
}

// TestD4SlowPeersDelayNobody: peers that authenticate and never read, with megabytes queued for them, do
// not slow down calls to another agent, nor Disconnect.
func TestD4SlowPeersDelayNobody(t *testing.T) {
	r := newRig(t)
	r.dialBare(hostB)
	r.agent(hostA, agent.Methods{"echo": echo})
	r.online(hostA, hostB)
	big := strings.Repeat("x", 3<<20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stuck sync.WaitGroup
	var ended atomic.Int32
	for range 10 {
		stuck.Go(func() {
			if err := r.fleet.Call(ctx, []string{hostB}, "echo", CallOptions{Timeout: patience}, big, nil); err == nil {
				t.Error("a peer that does not read answered")
			}
			ended.Add(1)
		})
	}
	for range 200 {
		if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{Timeout: patience}, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := ended.Load(); n > 0 {
		t.Errorf("a quick agent was called after %d calls to a silent one had ended, not before", n)
	}
	cancel()
	stuck.Wait()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.fleet.Disconnect(hostB)
	}()
	over(t, "disconnecting a silent peer", done)
}

// TestRawSocketDelaysNobody: a TCP peer that never says a word, and one that stops in the middle of the
// handshake, keep nobody from connecting.
func TestRawSocketDelaysNobody(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Handshake = 300 * time.Millisecond; c.Handshakes = 4 })
	for i := range 8 {
		raw, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if i%2 == 0 {
			fmt.Fprintf(raw, "GET %s HTTP/1.1\r\nHost: k\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", agentproto.Path, agentproto.Subprotocol)
		}
	}
	r.agent(hostA, nil)
	r.online(hostA)
}

// TestD5RegistryUnderFire: reading who is online while agents come and go is race-free (run with -race)
// and every snapshot is consistent. It is Kahuna's half of W-RPC-8 as well.
func TestD5RegistryUnderFire(t *testing.T) {
	r := newRig(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, m := range r.fleet.Live().All() {
					if m.Online && m.Since.IsZero() {
						t.Error("online since never")
					}
					m.LastSeen()
				}
				r.fleet.Counters()
				runtime.Gosched()
			}
		})
	}
	var writers sync.WaitGroup
	for i := range 16 {
		id := fmt.Sprintf("%024x", i)
		r.keys.set(id, "key-"+id, time.Time{})
		writers.Go(func() {
			for range 5 {
				conn := r.dialBare(id)
				conn.Close("next")
				<-conn.Gone()
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// TestD6LateAnswersReachNobodyElse: after a timeout every later call gets its own answer.
func TestD6LateAnswersReachNobodyElse(t *testing.T) {
	r := newRig(t)
	stubborn := make(chan struct{})
	r.agent(hostA, agent.Methods{"echo": echo, "stubborn": {Handle: func(context.Context, *agent.Call) (any, error) { <-stubborn; return -1, nil }}})
	r.online(hostA)
	for range 3 {
		if err := r.fleet.Call(t.Context(), []string{hostA}, "stubborn", CallOptions{Timeout: 5 * time.Millisecond}, nil, nil); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a missed deadline: %v", err)
		}
	}
	close(stubborn)
	for i := range 50 {
		var out int
		if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, i, &out); err != nil || out != i {
			t.Fatalf("call %d got %d, %v", i, out, err)
		}
	}
}

// TestD7LongCallBlocksNobody, as W-RPC-1 has it: while one lane is full, others work.
func TestD7LongCallBlocksNobody(t *testing.T) {
	r := newRig(t)
	g := newGated()
	r.agent(hostA, agent.Methods{"gated": g.method(), "echo": echo}, func(c *agent.Config) { c.Lanes = map[string]int{"gated": 2} })
	r.online(hostA)
	var pending []<-chan answered
	for i := range 5 {
		pending = append(pending, r.call([]string{hostA}, "gated", CallOptions{Request: fmt.Sprint("long", i), Timeout: patience}))
	}
	over(t, "one long call", g.started)
	over(t, "another long call", g.started)
	for i := range 100 {
		if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, i, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := g.runs.Load(); n != 2 {
		t.Errorf("%d calls run in a lane of 2", n)
	}
	close(g.release)
	for _, p := range pending {
		if a := over(t, "a long call", p); a.err != nil {
			t.Error(a.err)
		}
	}
}

// TestWRPC1ImportDoesNotBlockPower is D7 seen from the table of methods: the lanes are apart.
func TestWRPC1ImportDoesNotBlockPower(t *testing.T) {
	r := newRig(t)
	g := newGated()
	quickly := echo
	quickly.Lane = "machine"
	r.agent(hostA, agent.Methods{agentproto.MethodImageImport: g.method(), agentproto.MethodMachinePower: quickly})
	r.online(hostA)
	pending := r.call([]string{hostA}, agentproto.MethodImageImport, CallOptions{Request: "import", Timeout: patience})
	over(t, "the import", g.started)
	if err := r.fleet.Call(t.Context(), []string{hostA}, agentproto.MethodMachinePower, CallOptions{Request: "power"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	close(g.release)
	if a := over(t, "the import", pending); a.err != nil {
		t.Fatal(a.err)
	}
}

// TestD9HostFailureIsVisible (liveness): a host behind a dead network goes offline within the bound, and
// Kahuna says when it was last seen.
func TestD9HostFailureIsVisible(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Heartbeat, c.Silence = 20*time.Millisecond, 300*time.Millisecond })
	a, _ := r.agent(hostA, nil)
	r.online(hostA)
	m, _ := r.fleet.Live().Get(hostA)
	if m.Since.IsZero() || time.Since(m.LastSeen()) > patience {
		t.Fatalf("online since %s, last seen %s", m.Since, m.LastSeen())
	}
	r.proxy.stall.Lock()
	r.offline(hostA)
	m, known := r.fleet.Live().Get(hostA)
	if !known || m.Online || m.LastSeen().IsZero() || time.Since(m.LastSeen()) < 200*time.Millisecond {
		t.Errorf("offline, last seen %s ago, known %v", time.Since(m.LastSeen()), known)
	}
	r.proxy.stall.Unlock()
	r.online(hostA)
	wait(t, "the agent knows", a.Connected)
}

// TestD10FailedHelloLeavesNothing: a hello that cannot be accepted ends socket and goroutines (the leak
// check of TestMain covers the latter) and registers nobody.
func TestD10FailedHelloLeavesNothing(t *testing.T) {
	r := newRig(t)
	for name, hello := range map[string]agentproto.Hello{
		"far release": {Protocol: 99, Kind: agentproto.Kaktus, Agent: hostA, Identity: "i", Session: "s"},
		"no identity": {Protocol: agentproto.Version, Kind: agentproto.Kaktus, Agent: hostA, Session: "s"},
	} {
		if _, _, err := link.Dial(t.Context(), link.Target{URL: r.url, Key: "key-" + hostA, Hello: hello}); err == nil || errors.Is(err, link.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, known := r.fleet.Live().Get(hostA); known {
		t.Error("somebody was registered")
	}
}

// TestTrialIsNoSession: who only proves the agent's key neither takes its place nor leaves an identity behind.
func TestTrialIsNoSession(t *testing.T) {
	r := newRig(t)
	trial := func() {
		t.Helper()
		conn := r.dialBare(hostA, func(h *agentproto.Hello) { h.Trial, h.Identity = true, "trial" })
		conn.Start(mute{})
		over(t, "the trial's end", conn.Gone())
	}
	trial()
	if _, there := r.fleet.Live().Get(hostA); there {
		t.Error("a trial is known as the agent")
	}
	r.agent(hostA, agent.Methods{"echo": echo})
	r.online(hostA)
	before, _ := r.fleet.Live().Get(hostA)
	trial()
	if now, _ := r.fleet.Live().Get(hostA); now.conn != before.conn || now.Hello.Identity != before.Hello.Identity {
		t.Error("a trial took the place of the agent")
	}
	if n := r.seen.count("connect " + hostA); n != 1 {
		t.Errorf("%d connections were told", n)
	}
}
