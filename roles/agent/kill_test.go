//go:build failpoint

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
	"kowabunga/store/failpoint"
)

// life is an agent in a process of its own, from its first start to its last, and what it has answered.
type life struct {
	t    *testing.T
	k    *kahuna
	dir  string
	proc *exec.Cmd
	died bool // at the point

	identity string // once it answered something
	obeyed   uint64
	promised uint64
	accepted uint64
	held     uint64
	answered map[string]bool
}

func live(t *testing.T, point string) *life {
	l := &life{t: t, dir: t.TempDir(), answered: map[string]bool{}}
	l.k = (&cloud{}).start(t, "a", agentproto.FeatureLease, agentproto.FeatureLedger)
	t.Cleanup(func() { l.end() })
	l.start("KOWABUNGA_FAILPOINT="+point, "KOWABUNGA_FAILPOINT_LOG="+l.log())
	return l
}

func (l *life) log() string { return filepath.Join(l.dir, "points") }

func (l *life) start(env ...string) {
	says, err := os.OpenFile(filepath.Join(l.dir, "says"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer says.Close()
	l.proc = exec.Command(os.Args[0])
	l.proc.Env = append(append(os.Environ(), victimDir+"="+l.dir, victimURL+"="+l.k.url), env...)
	l.proc.Stdout, l.proc.Stderr = says, says
	if err := l.proc.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// end is how its process ended; it is killed if it did not.
func (l *life) end() {
	if l.proc.ProcessState == nil {
		_ = l.proc.Process.Kill()
		_ = l.proc.Wait()
	}
}

// dead tells whether the process killed itself.
func (l *life) dead() bool {
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(l.proc.Process.Pid, &status, syscall.WNOHANG, nil)
	if err != nil || pid == 0 {
		return false
	}
	_ = l.proc.Process.Release()
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		says, _ := os.ReadFile(filepath.Join(l.dir, "says"))
		l.t.Fatalf("it ended by itself: %s", says)
	}
	return true
}

// again starts the next process in the place of one that died.
func (l *life) again() {
	l.died = true
	if old := l.k.now(); old != nil {
		<-old.Gone()
	}
	l.start()
}

// until repeats a request until it is answered, and has the agent start again should it die.
func (l *life) until(what string, ask func() error) {
	l.t.Helper()
	eventually(l.t, what, func() bool {
		if !l.died && l.dead() {
			l.again()
		}
		conn := l.k.now()
		if conn == nil || conn.Err() != nil {
			return false
		}
		err := ask()
		if err != nil && !errors.Is(err, link.ErrLost) {
			l.t.Fatalf("%s: %v", what, err)
		}
		return err == nil
	})
	l.identity = l.hello().Identity
}

func (l *life) hello() agentproto.Hello {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	return l.k.hello
}

func (l *life) win(counter uint64) {
	l.t.Helper()
	l.until("the announcement", func() error {
		_, err := l.k.win(l.t, counter, l.hello().Identity)
		return err
	})
	l.obeyed = counter
}

func (l *life) promise(counter uint64) {
	l.t.Helper()
	var reply lease.PromiseReply
	l.until("the promise", func() error {
		return l.k.ask(l.t, agentproto.MethodPromise, lease.Promise{Certificate: lease.Certify(lease.Promised, agentproto.Epoch{Counter: counter, Node: "a"}, l.k.key)}, &reply)
	})
	switch {
	case reply.OK || l.died && reply.Promised.Epoch.Counter == counter: // a repeat finds it promised
		l.promised = counter
	case !l.died: // one that starts promises nothing for the time of a lease
		l.t.Fatalf("not promised: %s", reply.Why)
	}
}

func (l *life) accept(counter uint64) {
	l.t.Helper()
	e := agentproto.Epoch{Counter: counter, Node: "a"}
	var reply lease.AcceptReply
	l.until("the record", func() error {
		return l.k.ask(l.t, agentproto.MethodAccept, lease.Accept{Record: &lease.Record{Epoch: e, Seq: 1}, Proof: lease.Certify(lease.Promised, e, l.k.key)}, &reply)
	})
	if !reply.OK {
		l.t.Fatalf("not accepted: %s", reply.Why)
	}
	l.promised, l.accepted = counter, counter
}

// step asks for a step until it is answered; it may be unknown only if the agent died.
func (l *life) step(request string) {
	l.t.Helper()
	l.until("the step "+request, func() error {
		var answer string
		err := l.k.ask(l.t, "do", agentproto.Envelope{Epoch: agentproto.Epoch{Counter: l.obeyed, Node: "a"}, Request: request}, &answer)
		switch {
		case fault.Is(err, fault.Unknown) && l.died:
			return nil
		case err == nil && answer != request:
			return fmt.Errorf("answered %q", answer)
		case err == nil:
			l.answered[request] = true
		}
		return err
	})
}

func (l *life) settle(request string) {
	l.t.Helper()
	args, _ := json.Marshal(agentproto.Settled{Requests: []string{request}})
	l.until("the settlement", func() error {
		return l.k.ask(l.t, agentproto.MethodSettle, agentproto.Envelope{Epoch: agentproto.Epoch{Counter: l.obeyed, Node: "a"}, Args: args}, nil)
	})
	delete(l.answered, request)
}

func (l *life) apply(generation uint64) {
	l.t.Helper()
	e := agentproto.Epoch{Counter: l.obeyed, Node: "a"}
	args, _ := json.Marshal(agentproto.State{Name: agentproto.StateKaktus, Generation: generation, Epoch: e})
	l.until("the desired state", func() error {
		return l.k.ask(l.t, agentproto.MethodState, agentproto.Envelope{Epoch: e, Args: args}, nil)
	})
	l.held = generation
}

// all is everything that makes an agent remember something.
func (l *life) all() {
	l.win(1)
	l.promise(5)
	l.accept(5)
	l.step("op/0/do/1")
	l.step("op/1/do/1")
	l.settle("op/0/do/1")
	l.apply(1)
	l.win(2)
	l.step("op/2/undo/3")
	l.apply(2)
	l.promise(6)
}

// remembers holds a last process to what was answered before.
func (l *life) remembers() {
	t := l.t
	t.Helper()
	l.end()
	if old := l.k.now(); old != nil {
		<-old.Gone()
	}
	l.died = true
	l.start()
	var voter lease.PrevoteReply
	identity := l.identity
	l.until("the last start", func() error {
		return l.k.ask(t, agentproto.MethodPrevote, lease.Prevote{Epoch: agentproto.Epoch{Counter: 1, Node: "a"}}, &voter)
	})
	h := l.hello()
	if h.Identity != identity || h.Blank {
		t.Errorf("it is another one: %s after %s, blank %v", h.Identity, identity, h.Blank)
	}
	if h.Obeyed.Counter < l.obeyed {
		t.Errorf("it obeyed %d and now %s", l.obeyed, h.Obeyed)
	}
	if h.Generations[agentproto.StateKaktus] < l.held {
		t.Errorf("it held generation %d and now %d", l.held, h.Generations[agentproto.StateKaktus])
	}
	if voter.Promised.Epoch.Counter < l.promised || l.accepted > 0 && (voter.Record == nil || voter.Record.Epoch.Counter < l.accepted) {
		t.Errorf("it promised %d, accepted a record of %d, and now knows of %s and %+v", l.promised, l.accepted, voter.Promised.Epoch, voter.Record)
	}
	if err := l.k.command(t, l.obeyed-1, "do", "op/9/do/1"); !fault.Is(err, fault.Fenced) {
		t.Errorf("it takes a command of an older epoch: %v", err)
	}
	for request := range l.answered {
		var answer string
		err := l.k.ask(t, "do", agentproto.Envelope{Epoch: agentproto.Epoch{Counter: l.obeyed, Node: "a"}, Request: request}, &answer)
		if err != nil || answer != request {
			t.Errorf("%s was answered and now %q, %v", request, answer, err)
		}
	}
	effects, err := os.ReadFile(filepath.Join(l.dir, "effects"))
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]int{}
	for _, request := range strings.Fields(string(effects)) {
		done[request]++
	}
	for request, n := range done {
		if n != 1 {
			t.Errorf("%s was done %d times", request, n)
		}
	}
	for request := range l.answered {
		if done[request] != 1 {
			t.Errorf("%s was answered and never done", request)
		}
	}
}

// passed counts the passages through the agent's points.
func (l *life) passed() map[string]int {
	text, err := os.ReadFile(l.log())
	if err != nil {
		l.t.Fatal(err)
	}
	count := map[string]int{}
	for _, name := range strings.Fields(string(text)) {
		if strings.HasPrefix(name, "agent.") {
			count[name]++
		}
	}
	return count
}

// An agent that is killed at any point where it remembers something has, when it is back, every promise, record,
// obeyed epoch, desired state and answer that it told anybody of, and does no step twice.
func TestKilledAtEveryPointOfItsMemory(t *testing.T) {
	undisturbed := live(t, "")
	undisturbed.all()
	if undisturbed.died {
		t.Fatal("it died undisturbed")
	}
	passed := undisturbed.passed()
	undisturbed.remembers()
	for _, name := range failpoint.Names() {
		if strings.HasPrefix(name, "agent.") && passed[name] == 0 {
			t.Errorf("nothing passes %s", name)
		}
	}
	crashes := 0
	for _, name := range slices.Sorted(maps.Keys(passed)) {
		last := passed[name]
		for _, n := range slices.Compact([]int{1, (last + 1) / 2, last}) {
			crashes++
			t.Run(fmt.Sprintf("%s@%d", name, n), func(t *testing.T) {
				l := live(t, fmt.Sprintf("%s=kill@%d", name, n))
				l.all()
				if !l.died {
					t.Error("it was not killed")
				}
				l.remembers()
			})
		}
	}
	t.Logf("%d crashes at %d points", crashes, len(passed))
}
