package store

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// A disk that fills up, in a process of its own whose files may not grow beyond a bound.
func TestFullDisk(t *testing.T) {
	opts := options(t.TempDir())
	if err := Create(opts); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=full", "STORE_TEST_DIR="+opts.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "well") {
		t.Fatalf("%v: %s", err, out)
	}
	s := reopen(t, opts)
	sound(t, s)
}

func fillUp(opts Options) int {
	s, err := Open(opts)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var was syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was)
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 6 << 20, Max: was.Max})
	filler := strings.Repeat("x", 100_000)
	acked := 0
	for ; acked < 1000; acked++ {
		r := region(acked)
		r.Description = filler
		if _, err = s.Update(context.Background(), Cause{}, put(r)); err != nil {
			break
		}
	}
	tip := s.Tip()
	if !fault.Is(err, fault.Unavailable) || s.Err() == nil || acked == 0 {
		fmt.Println("after", acked, "changes:", err, s.Err())
		return 1
	}
	if n := s.View().Len(model.KindRegion); n != acked || s.View().Index() != tip.Index {
		fmt.Println(acked, "acknowledged,", n, "visible")
		return 1
	}
	if err := s.Probe(context.Background()); !fault.Is(err, fault.Unavailable) || s.Err() == nil {
		fmt.Println("a probe, for which there is room, says that the disk takes changes:", err, s.Err())
		return 1
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
	if err := s.Probe(context.Background()); err != nil || s.Err() != nil {
		fmt.Println("a probe with room again, before any change:", err, s.Err())
		return 1
	}
	if _, err := s.Update(context.Background(), Cause{}, put(region(5000))); err != nil || s.Err() != nil {
		fmt.Println("with room again:", err, s.Err())
		return 1
	}
	if err := s.Probe(context.Background()); err != nil {
		fmt.Println("a probe with room again:", err)
		return 1
	}
	if s.Tip().Index != tip.Index+1 {
		fmt.Println("an index was lost:", tip, s.Tip())
		return 1
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("well")
	return 0
}
