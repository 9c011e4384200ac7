package lease

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

const request = "op/0/do/1"

func call(request, sum string) LedgerEntry {
	return LedgerEntry{Request: request, Epoch: e1, Sum: sum}
}

func ask(t *testing.T, l *Ledger, e LedgerEntry, want Reply) (answer []byte, effects []Effect) {
	t.Helper()
	got, answer, effects, err := l.Ask(e)
	if err != nil || got != want {
		t.Fatalf("%s is %q, %v; want %q", e.Request, got, err, want)
	}
	return answer, effects
}

// TestStepHasOneEffect follows a step through its life: on disk before the effect and before the answer.
func TestStepHasOneEffect(t *testing.T) {
	l := NewLedger(nil, 0)
	_, effects := ask(t, l, call(request, "sum"), ReplyFresh)
	if e := effect[KeepEntry](t, effects).Entry; e.State != StepStarted || e.Request != request || e.Sum != "sum" {
		t.Fatal(e)
	}
	ask(t, l, call(request, "sum"), ReplyRunning)
	effect[RunStep](t, l.Kept(request))
	ask(t, l, call(request, "sum"), ReplyRunning)
	if e := effect[KeepEntry](t, l.Done(request, []byte("yes"))).Entry; e.State != StepAnswered || string(e.Answer) != "yes" {
		t.Fatal(e)
	}
	ask(t, l, call(request, "sum"), ReplyRunning) // the answer is not on disk
	if a := effect[AnswerStep](t, l.Kept(request)); string(a.Answer) != "yes" {
		t.Fatal(a)
	}
	for range 2 {
		if answer, effects := ask(t, l, call(request, "sum"), ReplyAnswered); string(answer) != "yes" || len(effects) != 0 {
			t.Fatal(string(answer), effects)
		}
	}
	_, _, _, err := l.Ask(call(request, "another sum"))
	refused(t, err, fault.Conflict, "another call")

	if e := effect[KeepEntry](t, l.Settle(e1, []string{request})).Entry; e.State != StepSettled || e.Answer != nil {
		t.Fatal(e)
	}
	none(t, l.Kept(request))
	_, _, _, err = l.Ask(call(request, "sum"))
	refused(t, err, fault.Conflict, "settled")
	_, _, _, err = l.Ask(call("", "sum"))
	refused(t, err, fault.Malformed, "no request id")
}

func TestStepAfterARestart(t *testing.T) {
	l := NewLedger([]LedgerEntry{
		{Request: "started", Sum: "s", State: StepStarted},
		{Request: "answered", Sum: "s", State: StepAnswered, Answer: []byte("yes")},
		{Request: "settled", Epoch: e1, State: StepSettled},
	}, 0)
	ask(t, l, call("started", "s"), ReplyUnknown)
	if answer, _ := ask(t, l, call("answered", "s"), ReplyAnswered); string(answer) != "yes" {
		t.Error(string(answer))
	}
	if _, _, _, err := l.Ask(call("settled", "s")); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if open := l.Open(); len(open) != 2 || open[0].Request != "answered" || open[1].Request != "started" {
		t.Error(open)
	}
}

func TestWhatRunsIsNotSettled(t *testing.T) {
	l := NewLedger(nil, 0)
	_, _ = ask(t, l, call(request, "s"), ReplyFresh)
	none(t, l.Settle(e1, []string{request, ""}))
	l.Kept(request)
	none(t, l.Settle(e1, []string{request}))
	l.Done(request, nil)
	none(t, l.Settle(e1, []string{request}))
	l.Kept(request)
	effect[KeepEntry](t, l.Settle(e1, []string{request, request}))
	// One that never came is remembered too: its call may still be on the way.
	effect[KeepEntry](t, l.Settle(e1, []string{"late/0/do/1"}))
	if _, _, _, err := l.Ask(call("late/0/do/1", "s")); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
}

func TestSettledRequestsAreBounded(t *testing.T) {
	l := NewLedger(nil, 0)
	for i := range settledKept {
		effect[KeepEntry](t, l.Settle(e1, []string{fmt.Sprint(i)}))
	}
	effects := l.Settle(e2, []string{"more"})
	if len(effects) != 2 || effects[1] != (DropEntry{"0"}) {
		t.Fatal(effects)
	}
	if effects := l.Obey(e2); len(effects) != settledKept-1 || len(l.settled) != 1 {
		t.Fatalf("%d dropped, %d left", len(effects), len(l.settled))
	}
}

func TestDiskThatFails(t *testing.T) {
	l := NewLedger(nil, 0)
	ask(t, l, call(request, "s"), ReplyFresh)
	l.NotKept(request)
	ask(t, l, call(request, "s"), ReplyFresh) // as if never asked
	l.Kept(request)
	l.Done(request, []byte("yes"))
	l.NotKept(request)
	_, effects := ask(t, l, call(request, "s"), ReplyRunning)
	effect[KeepEntry](t, effects)
	effect[AnswerStep](t, l.Kept(request))
}

// A ledger of which something is missing takes nothing for new that it may have been asked before.
func TestLedgerThatLostSomething(t *testing.T) {
	l := NewLedger([]LedgerEntry{{Request: "op/0/do/1", Sum: "s", State: StepAnswered, Answer: []byte("yes")}}, 0)
	l.Lose()
	ask(t, l, call("op/0/do/1", "s"), ReplyAnswered)
	_, effects := ask(t, l, call("op/1/do/1", "s"), ReplyUnknown)
	effect[KeepEntry](t, effects)
	none(t, l.Kept("op/1/do/1"))
	ask(t, l, call("op/1/do/1", "s"), ReplyUnknown)
	ask(t, l, call("op/1/do/2", "s"), ReplyFresh) // asked for because the first was unknown
	ask(t, l, call("foreign", "s"), ReplyUnknown)

	effects = l.Recover(e2, []string{"op/0/do/1", "op/1/do/2", "op/2/undo/3", ""})
	if e := effect[KeepEntry](t, effects).Entry; e.Request != "op/2/undo/3" || e.State != StepStarted {
		t.Fatal(e)
	}
	ask(t, l, call("op/2/undo/3", "s"), ReplyUnknown)
	ask(t, l, call("op/3/do/1", "s"), ReplyFresh)
	if l.Lost() {
		t.Error("still lost")
	}
}

// A step whose answer cannot be kept is settled all the same once nobody asks for it any more.
func TestAnswerThatWasNeverKeptIsSettled(t *testing.T) {
	l := NewLedger(nil, 0)
	ask(t, l, call(request, "s"), ReplyFresh)
	l.Kept(request)
	l.Done(request, []byte("yes"))
	l.NotKept(request)
	effect[KeepEntry](t, l.Settle(e1, []string{request}))
	if open := l.Open(); len(open) != 0 {
		t.Error(open)
	}
}

func TestRequestIDs(t *testing.T) {
	s := StepID{Operation: "0123", Step: 2, Direction: "undo", Attempt: 3}
	if s.Request() != "0123/2/undo/3" || s.Resumed(0) != s || s.Resumed(Of(FlawFreshRequest)) == s {
		t.Error(s.Request(), s.Resumed(0), s.Resumed(Of(FlawFreshRequest)))
	}
	if got, ok := ParseStep(s.Request()); !ok || got != s {
		t.Error(got, ok)
	}
	for _, foreign := range []string{"", "~read", "a/b/c/d", "a/1/do", "a/01/do/1", "a/1/do/1/", "a/1/do/+1"} {
		if got, ok := ParseStep(foreign); ok {
			t.Errorf("%q is %+v", foreign, got)
		}
	}
}

// TestLedgerProperties: under any order of calls, repeats, ends, disk failures, settlements and crashes a
// request has one effect at most, and one answer, which is on disk before it is told.
func TestLedgerProperties(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		var flaws Flaws
		l := NewLedger(nil, flaws)
		disk := map[string]LedgerEntry{}
		order := []string{}
		var writes []LedgerEntry
		ran, told, doing := map[string]int{}, map[string]string{}, map[string]bool{}
		dropped := map[string]bool{}
		var take func(effects []Effect)
		take = func(effects []Effect) {
			for _, e := range effects {
				switch e := e.(type) {
				case KeepEntry:
					writes = append(writes, e.Entry)
				case DropEntry:
					delete(disk, e.Request)
					dropped[e.Request] = true
				case RunStep:
					ran[e.Request]++
					doing[e.Request] = true
					if disk[e.Request].State != StepStarted {
						t.Fatalf("%s runs and is not on disk", e.Request)
					}
				case AnswerStep:
					if d := disk[e.Request]; d.State != StepAnswered || string(d.Answer) != string(e.Answer) {
						t.Fatalf("%s is answered and not on disk", e.Request)
					}
					told[e.Request] = string(e.Answer)
				}
			}
		}
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				r := name.Draw(t, "request")
				reply, answer, effects, err := l.Ask(call(r, r))
				if err == nil && reply == ReplyAnswered && told[r] != "" && told[r] != string(answer) {
					t.Fatalf("%s was answered %q and now %q", r, told[r], answer)
				}
				take(effects)
			},
			"written": func(t *rapid.T) {
				if len(writes) == 0 {
					t.Skip()
				}
				e := writes[0]
				writes = writes[1:]
				if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
					l.NotKept(e.Request)
					return
				}
				if _, there := disk[e.Request]; !there {
					order = append(order, e.Request)
				}
				disk[e.Request] = e
				take(l.Kept(e.Request))
			},
			"done": func(t *rapid.T) {
				r := name.Draw(t, "request")
				if doing[r] {
					delete(doing, r)
					take(l.Done(r, fmt.Appendf(nil, "%s %d", r, ran[r])))
				}
			},
			"settle": func(t *rapid.T) {
				r := name.Draw(t, "request")
				if _, answered := told[r]; answered {
					take(l.Settle(e1, []string{r}))
				}
			},
			"crash": func(t *rapid.T) {
				var entries []LedgerEntry
				for _, r := range order {
					if e, ok := disk[r]; ok {
						entries = append(entries, e)
					}
				}
				l, writes, doing = NewLedger(entries, flaws), nil, map[string]bool{}
			},
			"": func(t *rapid.T) {
				for r, n := range ran {
					if n > 1 {
						t.Fatalf("%s ran %d times", r, n)
					}
				}
			},
		})
	})
}
