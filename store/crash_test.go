package store

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kowabunga/core/model"
)

func nan() float64 { return math.NaN() }
func goexit()      { runtime.Goexit() }

// play is what a process started by a test does.
func play(role string) int {
	opts := options(os.Getenv("STORE_TEST_DIR"))
	switch role {
	case "create":
		if Create(opts) != nil {
			return 1
		}
		return 0
	case "full":
		return fillUp(opts)
	case "unwritten":
		return unwritten(opts)
	case "paused":
		return pausedAnswer(opts)
	case "restore":
		raw, err := os.Open(os.Getenv("STORE_TEST_BACKUP"))
		if err == nil {
			_, _, err = Restore(context.Background(), raw, RestoreOptions{Dir: opts.Dir, Tables: opts.Tables, SealKey: &opts.SealKey})
		}
		if err != nil {
			fmt.Println("restore", err)
			return 1
		}
		return 0
	case "pair":
		return pairStep(opts.Dir, os.Getenv("STORE_TEST_STEP"))
	}
	s, err := Open(opts)
	if err != nil {
		fmt.Println("open", err)
		return 1
	}
	writers, _ := strconv.Atoi(os.Getenv("STORE_TEST_WRITERS"))
	from := int(s.Epoch().Counter-1) * 100_000 // nobody made those yet
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := 0; n < 1000; n++ {
				i := from + 1 + n*writers + w
				// Each change makes two objects: a crash must leave both or none.
				_, err := s.Update(context.Background(), Cause{Actor: "test", What: "crash"}, put(region(i), pool(i, region(i), "secret "+strconv.Itoa(i))))
				if err != nil {
					fmt.Println("failed", err)
					return
				}
				// One write to a pipe: what the parent read had been acknowledged before the crash.
				_, _ = os.Stdout.WriteString("ack " + strconv.Itoa(i) + "\n")
			}
		})
	}
	all.Wait()
	return 0
}

// pausedAnswer makes a change whose answer is held up by a failpoint until the change has been seen.
func pausedAnswer(opts Options) int {
	s, err := Open(opts)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	answered := make(chan error, 1)
	go func() {
		_, err := s.Update(context.Background(), Cause{}, put(region(1)))
		answered <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for r, err := range s.Watch(ctx, 2) {
		if err != nil || r.Index != 2 || s.View().Len(model.KindRegion) != 1 {
			fmt.Println("not seen:", err)
			return 1
		}
		break
	}
	select {
	case <-answered:
		fmt.Println("answered though the answer is held up")
		return 1
	default:
	}
	for {
		_ = syscall.Kill(os.Getpid(), syscall.SIGCONT) // again and again: the point may not be reached yet
		select {
		case err := <-answered:
			if err != nil {
				fmt.Println(err)
				return 1
			}
			return 0
		default:
			runtime.Gosched()
		}
	}
}

// crash runs writers in a process of their own, lets enough decide after each acknowledgement whether
// to kill it, and returns what it acknowledged.
func crash(t *testing.T, dir string, writers int, enough func(acks int) bool, env ...string) (acked []int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "STORE_TEST_ROLE=write", "STORE_TEST_DIR="+dir, "STORE_TEST_WRITERS="+strconv.Itoa(writers)), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if word != "ack" {
			t.Errorf("the writers say: %s", lines.Text())
			continue
		}
		n, _ := strconv.Atoi(rest)
		if acked = append(acked, n); enough(len(acked)) {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		t.Errorf("the writers ended with %v, not killed", cmd.ProcessState)
	}
	return acked
}

// survived opens the store after a crash and verifies that nothing acknowledged is lost, nothing is
// half there and everything is sound. It returns how many changes are there.
func survived(t *testing.T, opts Options, acked []int) int {
	t.Helper()
	s := reopen(t, opts)
	defer shut(t, s)
	for _, n := range acked {
		p, ok := model.Find[*model.Pool](s.View(), region(n).ID)
		if !ok || p.CephSecretUUID.Reveal() != "secret "+strconv.Itoa(n) {
			t.Errorf("change %d was acknowledged and is lost", n)
		}
	}
	if r, p := s.View().Len(model.KindRegion), s.View().Len(model.KindPool); r != p {
		t.Errorf("half a change is there: %d regions, %d pools", r, p)
	}
	sound(t, s)
	return s.View().Len(model.KindRegion)
}

func TestKilledAtRandom(t *testing.T) {
	opts := options(t.TempDir())
	if err := Create(opts); err != nil {
		t.Fatal(err)
	}
	var acked []int
	for round := range 6 {
		n := 1 + rand.IntN(200)
		acked = append(acked, crash(t, opts.Dir, 8, func(acks int) bool { return acks >= n })...)
		if there := survived(t, opts, acked); there < len(acked) {
			t.Fatalf("round %d: %d acknowledged, %d there", round, len(acked), there)
		}
	}
}
