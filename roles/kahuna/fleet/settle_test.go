package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
)

// journalled is a Steps of given requests.
type journalled struct {
	mu   sync.Mutex
	open []string
}

func (j *journalled) Settled(request string) bool { return !slices.Contains(j.Open(), request) }

func (j *journalled) Open() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.open)
}

func (j *journalled) set(open ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open = open
}

// remembers waits until the agent remembers these steps.
func (r *rig) remembers(want ...string) {
	r.t.Helper()
	wait(r.t, fmt.Sprint("the agent remembering ", want), func() bool {
		m, _ := r.fleet.Live().Get(hostA)
		var list agentproto.OpenStepsList
		err := r.fleet.Ask(context.Background(), hostA, m.Hello.Identity, agentproto.MethodOpenSteps, agentproto.Envelope{}, &list)
		return err == nil && slices.Equal(list.Requests, want) && !list.Lost
	})
}

// TestAnswersAreKeptUntilSettled by the agent, over restarts and over whatever Kahuna did not manage to say.
func TestAnswersAreKeptUntilSettled(t *testing.T) {
	steps := &journalled{}
	r := newRig(t, func(c *Config) { c.Steps = steps })
	g := newGated()
	close(g.release)
	dir := t.TempDir()
	start := func() (stop func()) {
		_, stop = r.agent(hostA, agent.Methods{"do": g.method()}, keeping(dir, &applied{}))
		r.online(hostA)
		return stop
	}
	ask := func(request string, want int64) {
		t.Helper()
		if a := <-r.call([]string{hostA}, "do", CallOptions{Request: request}); a.err != nil || a.n != want {
			t.Errorf("%s is answered %d, %v; want %d", request, a.n, a.err, want)
		}
	}
	stop := start()
	steps.set("op/0/do/1", "op/1/do/1")
	ask("op/0/do/1", 1)
	ask("op/1/do/1", 2)
	ask("", 3) // reading is no step
	stop()
	r.offline(hostA)
	stop = start()
	r.remembers("op/0/do/1", "op/1/do/1")
	ask("op/0/do/1", 1)

	steps.set("op/1/do/1")
	r.fleet.Settle("op/0/do/1")
	r.fleet.Settle("op/0/do/1")
	r.remembers("op/1/do/1")

	steps.set() // recorded while the agent was away: it hears of it when it is back
	stop()
	r.offline(hostA)
	r.fleet.Settle("op/1/do/1")
	stop = start()
	r.remembers()
	if a := <-r.call([]string{hostA}, "do", CallOptions{Request: "op/1/do/1"}); !fault.Is(a.err, fault.Conflict) {
		t.Errorf("a late copy of a settled step: %v", a.err)
	}

	// Another Kahuna commands meanwhile, with the same agents.
	steps.set("op/2/do/1")
	ask("op/2/do/1", 4)
	r.fleet.Rest(fault.New(fault.Unavailable, "handed over"))
	steps.set()
	r.fleet.Settle("op/2/do/1")
	r.remembers("op/2/do/1")
	r.reign(2)
	r.remembers()
	stop()
}

// TestDamagedLedgerIsMadeWhole: the agent is told what it may have been asked for, and takes that for unknown.
func TestDamagedLedgerIsMadeWhole(t *testing.T) {
	steps := &journalled{}
	r := newRig(t, func(c *Config) { c.Steps = steps })
	g := newGated()
	close(g.release)
	dir := t.TempDir()
	start := func() (stop func()) {
		_, stop = r.agent(hostA, agent.Methods{"do": g.method()}, keeping(dir, &applied{}))
		r.online(hostA)
		return stop
	}
	stop := start()
	steps.set("op/0/do/1")
	if a := <-r.call([]string{hostA}, "do", CallOptions{Request: "op/0/do/1"}); a.err != nil {
		t.Fatal(a.err)
	}
	stop()
	r.offline(hostA)
	if err := os.Truncate(filepath.Join(dir, "steps"), 10); err != nil {
		t.Fatal(err)
	}
	_ = start()
	r.remembers("op/0/do/1")
	if a := <-r.call([]string{hostA}, "do", CallOptions{Request: "op/0/do/1"}); !fault.Is(a.err, fault.Unknown) || g.runs.Load() != 1 {
		t.Errorf("%v, done %d times", a.err, g.runs.Load())
	}
	if a := <-r.call([]string{hostA}, "do", CallOptions{Request: "op/1/do/1"}); a.err != nil || a.n != 2 {
		t.Error(a.n, a.err)
	}
}

// forgetful is an agent that fails to name its steps once, and has lost some.
type forgetful struct {
	failed atomic.Bool
	told   chan agentproto.Settled
}

func (p *forgetful) Call(_ context.Context, method string, params json.RawMessage) (any, error) {
	switch {
	case method == agentproto.MethodOpenSteps && p.failed.CompareAndSwap(false, true):
		return nil, fault.New(fault.Unavailable, "not now")
	case method == agentproto.MethodOpenSteps:
		return agentproto.OpenStepsList{Requests: []string{"op/0/do/1", "op/1/do/1"}, Lost: true}, nil
	case method == agentproto.MethodSettle:
		var env agentproto.Envelope
		var s agentproto.Settled
		if err := errors.Join(json.Unmarshal(params, &env), json.Unmarshal(env.Args, &s)); err != nil {
			return nil, err
		}
		p.told <- s
		return agentproto.Empty{}, nil
	}
	return nil, link.UnknownMethod(method)
}

func (p *forgetful) Notify(string, json.RawMessage) {}

// TestComparingIsTriedAgain until it worked, and tells an agent that lost something of all it may have been
// asked for. One of the release before is asked nothing of the kind.
func TestComparingIsTriedAgain(t *testing.T) {
	steps := &journalled{open: []string{"op/1/do/1", "op/2/do/1"}}
	r := newRig(t, func(c *Config) { c.Steps = steps })
	p := &forgetful{told: make(chan agentproto.Settled, 9)}
	conn := r.dialBare(hostA, func(h *agentproto.Hello) { h.Features = []string{agentproto.FeatureLedger} })
	conn.Start(p)
	want := agentproto.Settled{Requests: []string{"op/0/do/1"}, Open: []string{"op/1/do/1", "op/2/do/1"}, Whole: true}
	if got := over(t, "being told", p.told); !reflect.DeepEqual(got, want) {
		t.Errorf("told %+v, want %+v", got, want)
	}
	conn.Close("enough")
	<-conn.Gone()

	old := &forgetful{told: make(chan agentproto.Settled, 9)}
	conn = r.dialBare(hostB)
	conn.Start(old)
	r.online(hostB)
	<-r.call([]string{hostB}, "echo", CallOptions{Request: "op/3/do/1"})
	r.fleet.Settle("op/3/do/1")
	conn.Close("enough")
	<-conn.Gone()
	if old.failed.Load() || len(old.told) > 0 {
		t.Error("an agent of the release before was asked for its steps")
	}
}
