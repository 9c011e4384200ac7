package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// applied is an Applier with a function field that notes what it got.
type applied struct {
	mu    sync.Mutex
	got   []uint64
	check func(agentproto.State) ([]string, error)
}

var _ agent.Applier = (*applied)(nil)

func (a *applied) Apply(_ context.Context, st agentproto.State) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, st.Generation)
	if a.check != nil {
		return a.check(st)
	}
	return nil, nil
}

func (a *applied) last() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.got) == 0 {
		return 0
	}
	return a.got[len(a.got)-1]
}

func (a *applied) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

func state(generation uint64) agentproto.State {
	return agentproto.State{Name: agentproto.StateKaktus, Generation: generation, Body: json.RawMessage(`{}`)}
}

func keeping(dir string, a agent.Applier) func(*agent.Config) {
	return func(c *agent.Config) {
		c.StateDir, c.States = dir, map[string]agent.Applier{agentproto.StateKaktus: a}
	}
}

// TestD11DesiredStateConverges: pushed offline, refused a few times, cut in between: the latest
// generation ends up in force, and each step is told.
func TestD11DesiredStateConverges(t *testing.T) {
	r := newRig(t)
	r.fleet.Push(hostA, state(1))
	r.fleet.Push(hostA, state(2))
	var failures atomic.Int64
	a := &applied{check: func(st agentproto.State) ([]string, error) {
		if failures.Add(1) <= 3 {
			return nil, errors.New("the uplink is missing")
		}
		return nil, nil
	}}
	r.agent(hostA, nil, keeping(t.TempDir(), a))
	wait(t, "generation 2", func() bool { return r.seen.count("status "+hostA+" kaktus applied") > 0 })
	if a.last() != 2 || a.count() != 4 {
		t.Errorf("applied %v", a.got)
	}
	if r.seen.count("status "+hostA+" kaktus failed") == 0 {
		t.Error("the failures were not told")
	}
	r.fleet.Push(hostA, state(3))
	r.proxy.cut()
	wait(t, "generation 3", func() bool { return a.last() == 3 })
}

// TestReconnectPushesOnlyWhatIsBehind: an agent that holds the state is left in peace; one that is
// behind, or holds it from another reign, gets it.
func TestReconnectPushesOnlyWhatIsBehind(t *testing.T) {
	r := newRig(t)
	a := &applied{}
	r.agent(hostA, nil, keeping("", a))
	r.online(hostA)
	r.fleet.Push(hostA, state(7))
	wait(t, "generation 7", func() bool { return r.seen.count("status "+hostA+" kaktus applied") == 1 })
	again := func() {
		t.Helper()
		before, _ := r.fleet.Live().Get(hostA)
		told := r.seen.count("status " + hostA + " kaktus applied")
		r.proxy.cut()
		wait(t, "a new session", func() bool { m, _ := r.fleet.Live().Get(hostA); return m.Online && m.conn != before.conn })
		wait(t, "its status", func() bool { return r.seen.count("status "+hostA+" kaktus applied") > told })
	}
	again()
	if n := a.count(); n != 1 {
		t.Errorf("applied %d times although nothing changed", n)
	}
	r.reign(2)
	again()
	if n := a.count(); n != 2 {
		t.Errorf("applied %d times; the state of another epoch must be sent again", n)
	}
}

// TestLastGoodStateSurvivesWithoutKahuna: a restarted agent re-applies what it held before it can reach
// anybody; a failed newer one never replaces it.
func TestLastGoodStateSurvivesWithoutKahuna(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	good := &applied{check: func(st agentproto.State) ([]string, error) {
		if st.Generation == 6 {
			return nil, fault.New(fault.Invalid, "bridge name too long")
		}
		return nil, nil
	}}
	_, stop := r.agent(hostA, nil, keeping(dir, good))
	r.online(hostA)
	r.fleet.Push(hostA, state(5))
	wait(t, "generation 5", func() bool { return r.seen.count("status "+hostA+" kaktus applied") == 1 })
	r.fleet.Push(hostA, state(6))
	wait(t, "the refusal of 6", func() bool { return r.seen.count("status "+hostA+" kaktus failed") > 0 })
	stop()
	r.proxy.listener.Close()
	again := &applied{}
	_, stop = r.agent(hostA, nil, keeping(dir, again))
	wait(t, "the last good state", func() bool { return again.last() == 5 })
	stop()
}

// TestObeyedEpochSurvivesARestart: a Kahuna of a lower epoch is refused by a restarted agent, at the
// handshake and, should it ever come so far, at each call.
func TestObeyedEpochSurvivesARestart(t *testing.T) {
	r := newRig(t)
	r.reign(5)
	dir := t.TempDir()
	a, stop := r.agent(hostA, agent.Methods{"echo": echo}, keeping(dir, &applied{}))
	r.online(hostA)
	r.reign(4) // the session stays; its commands are old now
	if err := r.fleet.Call(t.Context(), []string{hostA}, "echo", CallOptions{}, 1, nil); !fault.Is(err, fault.Fenced) {
		t.Errorf("an older command was obeyed: %v", err)
	}
	if a.Counters().Fenced != 1 {
		t.Error("the fenced command was not counted")
	}
	stop()
	a, stop = r.agent(hostA, nil, keeping(dir, &applied{}))
	wait(t, "a refusal", func() bool { return a.Counters().DialFailures > 0 })
	if a.Connected() || a.Obeyed().Counter != 5 {
		t.Errorf("connected %v, obeys %s", a.Connected(), a.Obeyed())
	}
	r.reign(6)
	r.online(hostA)
	wait(t, "the newer epoch obeyed", func() bool { return a.Obeyed().Counter == 6 })
	stop()
}

// TestCommandsCarryTheEpochOfTheirRight: what was allowed in one epoch never goes out as an order of the next,
// which may have begun since.
func TestCommandsCarryTheEpochOfTheirRight(t *testing.T) {
	r := newRig(t)
	epochs := make(chan agentproto.Epoch, 1)
	a := &applied{check: func(st agentproto.State) ([]string, error) {
		epochs <- st.Epoch
		return nil, nil
	}}
	r.agent(hostA, agent.Methods{"tell": {Handle: func(_ context.Context, c *agent.Call) (any, error) { return c.Epoch, nil }}}, keeping(t.TempDir(), a))
	r.online(hostA)
	r.counter.Store(2) // the store is in the next epoch, and nobody may command in it yet
	var told agentproto.Epoch
	if err := r.fleet.Call(t.Context(), []string{hostA}, "tell", CallOptions{}, 1, &told); err != nil || told.Counter != 1 {
		t.Errorf("the call carries %s, %v", told, err)
	}
	r.fleet.Push(hostA, state(1))
	if told := over(t, "the state", epochs); told.Counter != 1 {
		t.Errorf("the desired state carries %s", told)
	}
	r.reign(2)
	if err := r.fleet.Call(t.Context(), []string{hostA}, "tell", CallOptions{}, 1, &told); err != nil || told.Counter != 2 {
		t.Errorf("the call carries %s, %v", told, err)
	}
}
