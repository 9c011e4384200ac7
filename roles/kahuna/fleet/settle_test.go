package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
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
