//go:build failpoint

package backups

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/store"
	"kowabunga/store/failpoint"
)

// TestMain also plays the process that is killed: it writes a chain of two pieces and another chain, which
// dooms the first, and says how far it came.
func TestMain(m *testing.M) {
	dir := os.Getenv("BACKUPS_TEST_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := writeAndDie(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeAndDie(dir string) error {
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "data"), Tables: catalogue.Tables(), SealKey: key})
	if err != nil {
		return err
	}
	b, err := New(Config{Store: s, Key: key, Tables: catalogue.Tables(), Place: Place{Target: filepath.Join(dir, "target")}, Keep: Keep{Chains: 1}, Every: time.Hour, FullEvery: time.Hour, Scratch: filepath.Join(dir, "scratch")})
	if err != nil {
		return err
	}
	for i, full := range []bool{true, false, true} {
		r := &model.Region{Meta: model.Meta{ID: model.ID(fmt.Sprintf("%024x", i+1)), Name: fmt.Sprintf("r%d", i+1)}}
		if _, err := s.Update(context.Background(), store.Cause{What: "test"}, func(d model.Draft) error { return d.Put(r) }); err != nil {
			return err
		}
		if _, err := b.Take(context.Background(), full); err != nil {
			return err
		}
		fmt.Println("counts", i+1)
	}
	return s.Close()
}

// Killed at every point of writing and removing: what was said to count is there and restores, what does
// not count is not taken for it, and the next process leaves nothing of it behind.
func TestKilledAtEveryPoint(t *testing.T) {
	points, kills := 0, 0
	for _, point := range failpoint.Names() {
		if !strings.HasPrefix(point, "backups.") {
			continue
		}
		points++
		for nth := 1; ; nth++ {
			now := time.Now()
			w := &cloud{t: t, dir: t.TempDir(), clock: &now}
			w.place = Place{Target: filepath.Join(w.dir, "target")}
			if err := store.Create(w.options()); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "BACKUPS_TEST_DIR="+w.dir, fmt.Sprintf("KOWABUNGA_FAILPOINT=%s=kill@%d", point, nth))
			out, err := cmd.Output()
			counted := strings.Count(string(out), "counts")
			if err == nil {
				if counted != 3 {
					t.Errorf("%s@%d: %d", point, nth, counted)
				}
				break // passed less often than that
			}
			if kills++; cmd.ProcessState.ExitCode() != -1 {
				t.Fatalf("%s@%d ended by itself: %v", point, nth, err)
			}
			where := fmt.Sprintf("%s@%d", point, nth)
			for _, c := range w.survey() {
				if c.Manifest == nil {
					continue
				}
				// A chain that retention was removing has lost its manifest first.
				if v := w.verdict(c, ""); len(v.Findings) > 0 || !v.Restored {
					t.Errorf("%s: %+v", where, v)
				}
			}
			w.keep = Keep{Chains: 1}
			if counted > 0 {
				_, n, err := w.regions(Moment{}, "", &key)
				if err != nil || n < counted {
					t.Errorf("%s: %d count, %d regions came back, %v", where, counted, n, err)
				}
			}
			if err := os.RemoveAll(filepath.Join(w.dir, "scratch")); err != nil { // as a server does when it starts
				t.Fatal(err)
			}
			w.open()
			w.take(false)
			if got := kinds(objects(t, w.target())); len(got) != 2 || got["full"] != 1 || got["manifest"] != 1 {
				t.Errorf("%s left %v", where, got)
			}
		}
	}
	if points < 6 || kills < 15 {
		t.Errorf("only %d points, %d kills", points, kills)
	}
}
