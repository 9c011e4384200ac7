//go:build failpoint

package store

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/store/failpoint"
)

// crashes are all points at which something done with one of two stores can be cut off: what is done, and
// whether the store it is done to is as before or as after then.
var crashes = map[string]struct {
	step string
	done bool // it counts
	fork bool // there is a fork file
	pass bool // a disk that fails there fails nobody
}{
	"store.begin.before-write":    {step: "begin"},
	"store.begin.before-sync":     {step: "begin"},
	"store.begin.after-sync":      {step: "begin", done: true},
	"store.append.before-write":   {step: "append"},
	"store.append.before-sync":    {step: "append"},
	"store.append.after-sync":     {step: "append", done: true},
	"store.wal.before-write":      {step: "log"},
	"store.wal.before-sync":       {step: "log", done: true}, // it survives a process, not a power failure
	"store.wal.after-sync":        {step: "log", done: true},
	"store.wal.before-mark":       {step: "log", done: true, pass: true},
	"store.fold.before-write":     {step: "fold"},
	"store.fold.before-sync":      {step: "fold"},
	"store.fold.after-sync":       {step: "fold", done: true},
	"store.fork.before-sync":      {step: "cut"},
	"store.fork.after-sync":       {step: "cut", fork: true},
	"store.cut.before-write":      {step: "cut", fork: true},
	"store.cut.before-sync":       {step: "cut", fork: true},
	"store.cut.after-sync":        {step: "cut", done: true, fork: true},
	"store.snapshot.begun":        {step: "install"},
	"store.install.before-write":  {step: "install"},
	"store.install.before-rename": {step: "install"},
	"store.install.after-rename":  {step: "install", done: true},
}

// run does a step in a process of its own, which meets a failpoint.
func run(dir, step, at string) (string, *os.ProcessState) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=pair", "STORE_TEST_DIR="+dir, "STORE_TEST_STEP="+step, "KOWABUNGA_FAILPOINT="+at)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState
}

// Killed at whatever point, both stores are sound; what was done counts or does not, as a whole; and doing
// it again leads to where it would have led.
func TestPairKilledAtEveryPoint(t *testing.T) {
	for _, point := range failpoint.Names() {
		what, rest, _ := strings.Cut(strings.TrimPrefix(point, "store."), ".")
		if _, listed := crashes[point]; !listed && rest != "" && slices.Contains([]string{"begin", "append", "wal", "fold", "cut", "fork", "snapshot", "install"}, what) {
			t.Errorf("nobody is killed at %s", point)
		}
	}
	for point, c := range crashes {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			shown, common, end := halfway(t, dir)
			out, state := run(dir, c.step, point+"=kill")
			if s, ok := state.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
				t.Fatalf("ended with %v: %s", state, out)
			}
			of, other := halves(dir)
			a, b := reopen(t, of), reopen(t, other)
			sound(t, a)
			sound(t, b)
			wantA, wantB, shownB := end, common, shown
			switch {
			case c.step == "fold":
				wantB = end // from the log, or from the file
			case c.step == "log" && !c.done:
				h, _, _ := a.Mark(end.Index - 1)
				wantB = Position{end.Index - 1, h}
			case !c.done:
			case c.step == "begin":
				if wantB = b.End(); wantB.Index != common.Index+1 || b.HighestEpoch() != 2 {
					t.Errorf("an epoch was begun; it ends at %+v, having known epoch %d", wantB, b.HighestEpoch())
				}
			case c.step == "append", c.step == "log":
				wantB = end
			case c.step == "cut":
				wantA = common
			case c.step == "install":
				wantB = shown
			}
			if a.End() != wantA || a.Tip() != shown {
				t.Errorf("a ends at %+v and shows %+v; want %+v and %+v", a.End(), a.Tip(), wantA, shown)
			}
			if b.End() != wantB || b.Tip() != shownB {
				t.Errorf("b ends at %+v and shows %+v; want %+v and %+v", b.End(), b.Tip(), wantB, shownB)
			}
			if content(a.View()) != content(b.View()) {
				t.Error("what they show differs")
			}
			switch fork, err := ReadFork(forkOf(dir)); {
			case c.fork && (err != nil || len(fork.Records) != 2 || fork.Position != end || fork.After != common):
				t.Errorf("the fork holds %+v, %v", fork, err)
			case !c.fork && !fault.Is(err, fault.NotFound):
				t.Errorf("there is a fork: %v", err)
			}
			shut(t, a)
			shut(t, b)

			out, state = run(dir, c.step, "")
			if !state.Success() {
				t.Fatalf("again: %v: %s", state, out)
			}
			a, b = reopen(t, of), reopen(t, other)
			sound(t, a)
			sound(t, b)
			switch c.step {
			case "begin":
				if b.End().Index != common.Index+1 || b.HighestEpoch() != 2 {
					t.Errorf("after another attempt it ends at %+v", b.End())
				}
			case "append", "log", "fold":
				if b.End() != end {
					t.Errorf("after another attempt it ends at %+v", b.End())
				}
			case "cut":
				if a.End() != common {
					t.Errorf("after another attempt it ends at %+v", a.End())
				}
				if fork, err := ReadFork(forkOf(dir)); err != nil || fork.Position != end {
					t.Errorf("the fork holds %+v, %v", fork, err)
				}
			case "install":
				if b.End() != shown {
					t.Errorf("after another attempt it ends at %+v", b.End())
				}
			}
			a.Publish(end.Index)
			b.Publish(b.End().Index)
			if b.End() == end && content(a.View()) != content(b.View()) {
				t.Error("what they show in the end differs")
			}
		})
	}
}

// A disk that fails before the sync leaves everything as it was, and the next attempt succeeds; when it is
// not known whether the sync counted, nothing more is taken until the store is opened again, which tells.
func TestPairMeetsABadDisk(t *testing.T) {
	for point, c := range crashes {
		if c.pass {
			continue
		}
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			_, common, end := halfway(t, dir)
			out, state := run(dir, c.step, point+"=error")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if !state.Success() || len(lines) != 2 || lines[0] == c.step+" <nil>" {
				t.Fatalf("%v: %s", state, out)
			}
			unknown := c.done && c.step != "install" && c.step != "log" // which the next transaction of the file voids
			if strings.Contains(lines[0], "not known") != unknown || (lines[1] != c.step+" <nil>") != unknown {
				t.Errorf("told %q, and then %q", lines[0], lines[1])
			}
			of, other := halves(dir)
			a, b := reopen(t, of), reopen(t, other)
			sound(t, a)
			sound(t, b)
			switch {
			case c.step == "begin" && b.End().Index != common.Index+1,
				slices.Contains([]string{"append", "log", "fold"}, c.step) && b.End() != end,
				c.step == "cut" && a.End() != common,
				c.step == "install" && b.End() != a.Tip():
				t.Errorf("in the end a is at %+v, b at %+v", a.End(), b.End())
			}
		})
	}
}
