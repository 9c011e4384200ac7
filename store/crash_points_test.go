//go:build failpoint

package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/store/failpoint"
)

// Every point of a commit, at the first change and later, alone and in company.
func TestKilledAtEveryPointOfACommit(t *testing.T) {
	points := 0
	for _, point := range failpoint.Names() {
		if !strings.HasPrefix(point, "store.commit.") {
			continue
		}
		points++
		for _, nth := range []string{"2", "5"} {
			for _, writers := range []int{1, 8} {
				opts := options(t.TempDir())
				if err := Create(opts); err != nil {
					t.Fatal(err)
				}
				acked := crash(t, opts.Dir, writers, func(int) bool { return false }, "KOWABUNGA_FAILPOINT="+point+"=kill@"+nth)
				there := survived(t, opts, acked)
				if writers > 1 {
					continue
				}
				// The record "epoch begins" passes the points of writing first, but is answered to nobody.
				want := len(acked)
				if point == "store.commit.after-sync" || point == "store.commit.before-answer" {
					want++ // durable, but the answer never got out
				}
				if there != want {
					t.Errorf("%s@%s: %d acknowledged, %d there, want %d", point, nth, len(acked), there, want)
				}
			}
		}
	}
	if points < 4 {
		t.Errorf("only %d points", points)
	}
}

// A process that dies while it creates leaves nothing that counts, and the next attempt succeeds.
func TestKilledWhileCreating(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=create", "STORE_TEST_DIR="+dir, "KOWABUNGA_FAILPOINT=store.create.before-install=kill")
	if err := cmd.Run(); err == nil {
		t.Fatal("not killed")
	}
	if _, err := os.Stat(filepath.Join(dir, fileName)); err == nil {
		t.Fatal("half a store has the name of a whole one")
	}
	sound(t, create(t, options(dir)))
}

// A restore that dies leaves nothing that counts, and the next one makes the whole store.
func TestKilledWhileRestoring(t *testing.T) {
	from := create(t, options(t.TempDir()))
	for n := range 3 {
		update(t, from, put(region(n)))
	}
	copied, to := filepath.Join(t.TempDir(), "copy"), options(filepath.Join(t.TempDir(), "new"))
	if err := os.WriteFile(copied, backup(t, from, BackupOptions{}), 0o600); err != nil {
		t.Fatal(err)
	}
	restore := func(env ...string) ([]byte, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(append(os.Environ(), "STORE_TEST_ROLE=restore", "STORE_TEST_DIR="+to.Dir, "STORE_TEST_BACKUP="+copied), env...)
		return cmd.CombinedOutput()
	}
	if out, err := restore("KOWABUNGA_FAILPOINT=store.restore.before-install=kill"); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("not killed: %v %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(to.Dir, fileName)); err == nil {
		t.Fatal("half a store has the name of a whole one")
	}
	if out, err := restore(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := reopen(t, to)
	if n := s.View().Len("region"); n != 3 {
		t.Errorf("%d regions were restored", n)
	}
	sound(t, s)
}

// When it is not known whether a change stands, no further one is taken, and opening again tells.
func TestUnknownOutcomeStopsWriting(t *testing.T) {
	dir := t.TempDir()
	if err := Create(options(dir)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=write", "STORE_TEST_DIR="+dir, "STORE_TEST_WRITERS=1", "KOWABUNGA_FAILPOINT=store.commit.after-sync=error@4")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ack 2\nfailed write to the store: it is not known") {
		t.Fatalf("%v: %s", err, out)
	}
	if there := survived(t, options(dir), []int{1, 2}); there != 3 {
		t.Errorf("%d changes are there, want the two acknowledged and the one nobody knew of", there)
	}
}

// A change is published before anybody is told that it was made.
func TestPublishedBeforeAnswered(t *testing.T) {
	dir := t.TempDir()
	if err := Create(options(dir)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=paused", "STORE_TEST_DIR="+dir, "KOWABUNGA_FAILPOINT=store.commit.before-answer=pause")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A process that dies between two migrations, or before the first, leaves data that the next one takes
// further.
func TestKilledWhileMigrating(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(upgradeDir, "schema-1", fileName))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=write", "STORE_TEST_DIR="+dir, "KOWABUNGA_FAILPOINT=store.migrate.before-step=kill")
	if err := cmd.Run(); err == nil {
		t.Fatal("not killed")
	}
	s := reopen(t, options(dir))
	if n := s.View().Len("region"); n != 2 {
		t.Errorf("%d regions after a migration that was cut off", n)
	}
	sound(t, s)
}
