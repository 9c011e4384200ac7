package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// worker is a host on which steps have effects.
type worker struct {
	mu      sync.Mutex
	effects map[string]int // by request
	acting  chan string    // has a request after its effect
	hold    chan struct{}  // closed: answers are given
}

func newWorker() *worker {
	return &worker{effects: map[string]int{}, acting: make(chan string, 100), hold: make(chan struct{})}
}

func (w *worker) do(_ context.Context, c *Call) (any, error) {
	w.mu.Lock()
	w.effects[c.Request]++
	n := w.effects[c.Request]
	w.mu.Unlock()
	w.acting <- c.Request
	<-w.hold
	if c.Method == "fail" {
		return nil, fault.Bad("size", "is too small for effect %d", n)
	}
	return n, nil
}

func (w *worker) count(request string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.effects[request]
}

func (w *worker) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.effects {
		n += one
	}
	return n
}

func (w *worker) methods(c *Config) {
	c.Methods = Methods{"do": {Handle: w.do}, "fail": {Handle: w.do}}
}

// image is what a crash now would leave of a state directory.
func image(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

const step = "op/0/do/1"

// step asks for a step and returns its answer.
func (k *kahuna) step(t *testing.T, method, request string) (answer int, err error) {
	t.Helper()
	err = k.ask(t, method, agentproto.Envelope{Epoch: agentproto.Epoch{Counter: 1, Node: k.id}, Request: request}, &answer)
	return answer, err
}

func (k *kahuna) settle(t *testing.T, s agentproto.Settled) {
	t.Helper()
	args, _ := json.Marshal(s)
	if err := k.ask(t, agentproto.MethodSettle, agentproto.Envelope{Epoch: agentproto.Epoch{Counter: 1, Node: k.id}, Args: args}, nil); err != nil {
		t.Fatal(err)
	}
}

func (k *kahuna) open(t *testing.T) (l agentproto.OpenStepsList) {
	t.Helper()
	if err := k.ask(t, agentproto.MethodOpenSteps, agentproto.Envelope{}, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// crashBetween has an agent die between the effect of a step and its answer, and asks the next one again.
func crashBetween(t *testing.T, flaws lease.Flaws) (effects int, err error) {
	k := (&cloud{}).start(t, "a", agentproto.FeatureLedger)
	w := newWorker()
	flawed := func(c *Config) { c.flaws = flaws }
	dir := t.TempDir()
	_, stop := serveAgent(t, dir, k.url, w.methods, flawed)
	k.connected(t)
	first := make(chan struct{})
	go func() { defer close(first); k.step(t, "do", step) }()
	<-w.acting
	left := image(t, dir)
	close(w.hold)
	<-first
	stop()
	_, _ = serveAgent(t, left, k.url, w.methods, flawed)
	eventually(t, "the next agent", func() bool { return k.sessions() == 2 })
	k.connected(t)
	_, err = k.step(t, "do", again(flaws))
	return w.total(), err
}

// crashAfter has it die after the answer.
func crashAfter(t *testing.T, flaws lease.Flaws) (effects, answer int, err error) {
	k := (&cloud{}).start(t, "a", agentproto.FeatureLedger)
	w := newWorker()
	close(w.hold)
	flawed := func(c *Config) { c.flaws = flaws }
	dir := t.TempDir()
	_, stop := serveAgent(t, dir, k.url, w.methods, flawed)
	k.connected(t)
	if _, err := k.step(t, "do", step); err != nil {
		t.Fatal(err)
	}
	left := image(t, dir)
	stop()
	_, _ = serveAgent(t, left, k.url, w.methods, flawed)
	eventually(t, "the next agent", func() bool { return k.sessions() == 2 })
	k.connected(t)
	answer, err = k.step(t, "do", again(flaws))
	return w.total(), answer, err
}

// A step that is asked for again after its agent died is not done again: it is answered as before, or its
// outcome is unknown. Answers in memory alone, or another request id for the repeat, would be noticed here.
func TestStepIsDoneOnceOverACrash(t *testing.T) {
	if n, err := crashBetween(t, 0); n != 1 || !fault.Is(err, fault.Unknown) {
		t.Errorf("after a crash between effect and answer: done %d times, %v", n, err)
	}
	if n, answer, err := crashAfter(t, 0); n != 1 || answer != 1 || err != nil {
		t.Errorf("after a crash behind the answer: done %d times, %d, %v", n, answer, err)
	}
	for name, flaws := range map[string]lease.Flaws{"answers in memory": lease.Of(lease.FlawAnswersInMemory), "a fresh request id": lease.Of(lease.FlawFreshRequest)} {
		if n, _ := crashBetween(t, flaws); n != 2 {
			t.Errorf("with %s it was done %d times between effect and answer: this test sees nothing", name, n)
		}
		if n, _, _ := crashAfter(t, flaws); n != 2 {
			t.Errorf("with %s it was done %d times: this test sees nothing", name, n)
		}
	}
}

// again is how Kahuna asks for the step once more.
func again(flaws lease.Flaws) string {
	id, _ := lease.ParseStep(step)
	return id.Resumed(flaws).Request()
}

// A step's life with both ends of this release: a repeat waits for what runs, faults are answers too, what is
// settled is forgotten and refused.
func TestLedgerOfSteps(t *testing.T) {
	k := (&cloud{}).start(t, "a", agentproto.FeatureLease, agentproto.FeatureLedger)
	w := newWorker()
	dir := t.TempDir()
	a, stop := serveAgent(t, dir, k.url, w.methods)
	k.connected(t)
	if _, err := k.win(t, 1, a.Identity()); err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, 2)
	for range 2 {
		go func() { n, _ := k.step(t, "do", step); answers <- n }()
	}
	<-w.acting
	eventually(t, "the repeat", func() bool { return a.Counters().Repeats == 1 })
	k.settle(t, agentproto.Settled{Requests: []string{step}}) // what runs is not settled
	close(w.hold)
	if first, second := <-answers, <-answers; first != 1 || second != 1 {
		t.Error(first, second)
	}
	failed := "op/1/undo/7"
	for range 2 {
		if _, err := k.step(t, "fail", failed); !fault.Is(err, fault.Invalid) || fault.From(err).Field != "size" || w.count(failed) != 1 {
			t.Error(err, w.count(failed))
		}
	}
	if _, err := k.step(t, "fail", step); !fault.Is(err, fault.Conflict) {
		t.Errorf("another call under the same request id: %v", err)
	}
	for _, read := range []string{"", agentproto.ReadPrefix + "x"} {
		if _, err := k.step(t, "do", read); err != nil {
			t.Error(err)
		}
	}
	if l := k.open(t); fmt.Sprint(l) != "{[op/0/do/1 op/1/undo/7] false false}" {
		t.Error(l)
	}
	k.settle(t, agentproto.Settled{Requests: []string{step}})
	if _, err := k.step(t, "do", step); !fault.Is(err, fault.Conflict) || w.count(step) != 1 {
		t.Errorf("a settled step: %v, done %d times", err, w.count(step))
	}
	stop()
	again, _ := serveAgent(t, dir, k.url, w.methods)
	eventually(t, "the next agent", func() bool { return k.sessions() == 2 && again.Connected() })
	if l := k.open(t); fmt.Sprint(l) != "{[op/1/undo/7] false false}" {
		t.Error(l)
	}
	if _, err := k.step(t, "do", step); !fault.Is(err, fault.Conflict) {
		t.Errorf("a settled step after a restart: %v", err)
	}
	if _, err := k.step(t, "fail", failed); !fault.Is(err, fault.Invalid) || w.count(failed) != 1 {
		t.Error(err, w.count(failed))
	}
}

// A Kahuna of the release before settles nothing: its steps are remembered as ever, and never on disk.
func TestStepsOfTheReleaseBefore(t *testing.T) {
	k := (&cloud{}).start(t, "a")
	w := newWorker()
	close(w.hold)
	dir := t.TempDir()
	a, _ := serveAgent(t, dir, k.url, w.methods)
	k.connected(t)
	for range 2 {
		if n, err := k.step(t, "do", step); n != 1 || err != nil {
			t.Error(n, err)
		}
	}
	if n := a.steps.steps.Len(); n != 0 {
		t.Errorf("%d steps are in the ledger", n)
	}
	if err := k.ask(t, agentproto.MethodOpenSteps, agentproto.Envelope{Epoch: agentproto.Epoch{Counter: 1, Node: "a"}}, nil); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// A ledger that is damaged, or gone, takes nothing for new until Kahuna has told what may have been asked.
func TestLedgerThatIsDamaged(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"gone": os.Remove,
		"flipped": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[12] ^= 1
			return os.WriteFile(path, data, 0o600)
		},
		"empty":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"strange": func(path string) error { return os.WriteFile(path, []byte("what is this?\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			k := (&cloud{}).start(t, "a", agentproto.FeatureLedger)
			w := newWorker()
			close(w.hold)
			dir := t.TempDir()
			path := filepath.Join(dir, ledgerName)
			start := func(session int) (stop func()) {
				_, stop = serveAgent(t, dir, k.url, w.methods)
				eventually(t, "the agent", func() bool { return k.sessions() == session })
				k.connected(t)
				return stop
			}
			stop := start(1)
			if _, err := k.step(t, "do", step); err != nil {
				t.Fatal(err)
			}
			stop()
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			stop = start(2)
			stop() // it stays so over another start
			_ = start(3)
			if !k.open(t).Lost {
				t.Fatal("nothing is missing")
			}
			if _, err := k.step(t, "do", "op/9/do/1"); !fault.Is(err, fault.Unknown) || w.count("op/9/do/1") != 0 {
				t.Errorf("a step that may have been asked before: %v", err)
			}
			if _, err := k.step(t, "do", "op/9/do/2"); err != nil {
				t.Errorf("another attempt, after the first was unknown: %v", err)
			}
			k.settle(t, agentproto.Settled{Whole: true, Open: []string{step, "op/9/do/2"}})
			if k.open(t).Lost {
				t.Error("still not whole")
			}
			_, err := k.step(t, "do", step)
			if w.count(step) != 1 || err != nil && !fault.Is(err, fault.Unknown) {
				t.Errorf("the step of before: %v, done %d times", err, w.count(step))
			}
			if _, err := k.step(t, "do", "new/0/do/1"); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path + ".damaged"); name != "gone" && err != nil {
				t.Error(err)
			}
		})
	}
}

// An agent whose steps nobody settles begins no more at some time, and does when they are.
func TestLedgerIsBounded(t *testing.T) {
	a := restart(t, nil, t.TempDir())
	defer a.disk.close()
	for i := range maxSteps {
		_, _, effects, err := a.steps.steps.Ask(lease.LedgerEntry{Request: fmt.Sprint(i)})
		if err != nil || len(effects) != 1 {
			t.Fatal(effects, err)
		}
	}
	for range 2 {
		if _, _, err := a.steps.ask("do", agentproto.Envelope{Request: step}); !fault.Is(err, fault.Throttled) {
			t.Fatal(err)
		}
	}
	a.steps.leave("0")
	if _, starts, err := a.steps.ask("do", agentproto.Envelope{Request: step}); err != nil || len(starts) != 1 {
		t.Error(starts, err)
	}
}
