package store

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"kowabunga/core/fault"
)

// What is being written can be read at once, and is no longer when it is in the file.
func TestMakingIsOver(t *testing.T) {
	s := create(t, pairing(t.TempDir()))
	begin(t, s, 1)
	later(t, s, "", put(region(1)))
	if last, e := s.Making(); last != (Position{}) || e != (Epoch{}) || s.Makes(s.End()) {
		t.Errorf("still making %+v of epoch %s", last, e)
	}
	if got := s.Recent(2, 9, 1<<20); len(got) != 1 {
		t.Errorf("%d records are in memory", len(got))
	}
	if got := s.Recent(1, 9, 1); len(got) != 1 {
		t.Errorf("%d records, and one is more than was asked for", len(got))
	}
	if got := s.Recent(3, 9, 1<<20); got != nil {
		t.Errorf("%d records beyond the end", len(got))
	}
}

// Records that the other node has, and that find no room here, end the epoch; those that nobody has do not. In a
// process of its own, whose files may not grow beyond a bound.
func TestUnwrittenThatSomebodyHas(t *testing.T) {
	opts := pairing(t.TempDir())
	if err := Create(opts); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=unwritten", "STORE_TEST_DIR="+opts.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "well") {
		t.Fatalf("%v: %s", err, out)
	}
	s := reopen(t, opts)
	sound(t, s)
}

func unwritten(opts Options) (code int) {
	failed := func(what string, about ...any) int { fmt.Println(what, fmt.Sprint(about...)); return 1 }
	opts.Held, opts.Moved = true, make(chan struct{}, 1)
	s, err := Open(opts)
	if err != nil {
		return failed("open", err)
	}
	ctx, epoch := context.Background(), Epoch{Counter: 1, Node: "here"}
	var reads atomic.Bool
	go func() { // the other node, which has what it reads, and confirms what is in the file
		for range opts.Moved {
			if last, _ := s.Making(); reads.Load() && last.Index > 0 {
				s.Recent(last.Index, last.Index, 1<<20)
			}
			s.Publish(s.End().Index)
		}
	}()
	if _, err := s.Begin(ctx, epoch); err != nil {
		return failed("begin", err)
	}
	var was syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was)
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 6 << 20, Max: was.Max})
	filler := strings.Repeat("x", 100_000)
	n := 0
	write := func() error {
		n++
		r := region(n)
		r.Description = filler
		_, err := s.Update(ctx, Cause{Request: "the request"}, put(r))
		return err
	}
	for err == nil {
		err = write()
	}
	end := s.End()
	if !strings.Contains(err.Error(), "nothing was changed") || s.Unwritten() != (Epoch{}) {
		return failed("nobody read it:", err, s.Unwritten())
	}
	reads.Store(true)
	for range 1000 { // whoever reads has to be quick
		if err = write(); err == nil {
			end = s.End() // there was room for one more
		} else if s.Unwritten() != (Epoch{}) {
			break
		}
	}
	if s.Unwritten() != epoch || !strings.Contains(err.Error(), "outcome of request the request is unknown") {
		return failed("somebody read it:", err, s.Unwritten())
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
	if err := write(); !fault.Is(err, fault.Unavailable) || s.End() != end {
		return failed("the epoch goes on:", err)
	}
	if last, _ := s.Making(); last != (Position{}) || len(s.Recent(end.Index+1, end.Index+9, 1<<20)) > 0 {
		return failed("what was not written can be read:", last)
	}
	if err := s.Probe(ctx); err != nil {
		return failed("probe", err)
	}
	if _, err := s.Begin(ctx, Epoch{Counter: 2, Node: "here"}); err != nil {
		return failed("begin again", err)
	}
	if err := write(); err != nil || s.Tip().Index != end.Index+2 || s.Err() != nil {
		return failed("write again", err, s.Tip(), s.Err())
	}
	if err := s.Close(); err != nil {
		return failed("close", err)
	}
	fmt.Println("well")
	return 0
}
