package kahuna

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// restoredFrom makes a Kahuna of a backup, promoted or not, and starts it.
func (r *running) restoredFrom(file string, promoted bool) *running {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "copy")
	made := commandsOn(r.t, dir)
	made.says("Restored", "restore", fmt.Sprintf("--promote=%t", promoted), "--plain-http", "--listen", port(r.t), "--sealing-key-file", r.s.cfg.sealingKey(), file)
	for _, own := range []string{"data/voter.json", "secrets/node-key", "secrets/pair-key"} {
		if exists(filepath.Join(dir, own)) {
			r.t.Errorf("a restored directory holds %s of another node", own)
		}
	}
	if knows := exists(made.s.cfg.lossMark()); knows != promoted {
		r.t.Errorf("a copy, promoted: %t, knows that records may be lost: %t", promoted, knows)
	}
	return start(r.t, dir)
}

// Either node can be backed up. What is made of a backup is another node, which acts when it is promoted
// and has everything that was published when the backup was made.
func TestBackupsOfAPair(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	a.made("/region", `{"name":"one","domain":"one.example"}`)
	b.within("the standby shows it", 5*time.Second, func() bool { return b.names() == "one" })
	ids := map[string]bool{a.s.nodeID(): true, b.s.nodeID(): true}
	for _, r := range []*running{a, b} {
		file := filepath.Join(t.TempDir(), "backup")
		r.says("written", "backup", file)
		c := r.restoredFrom(file, true)
		if id := c.s.nodeID(); ids[id] {
			t.Errorf("the copy is node %s, as another one", id)
		} else {
			ids[id] = true
		}
		if !c.s.acts() || c.names() != "one" {
			t.Errorf("the copy acts: %v, and has %q", c.s.acts(), c.names())
		}
		if c.s.epoch().Counter <= a.s.epoch().Counter+65536-1 {
			t.Errorf("the copy acts in epoch %v", c.s.epoch())
		}
		if exists(c.s.cfg.lossMark()) || !strings.Contains(c.logs.String(), "records may be lost") {
			t.Error("the store does not say that records may be lost")
		}
		c.stop()
	}
}

// Only the node that acts makes the backups that are scheduled, and the other one goes on with them once it
// acts.
func TestScheduledBackupsAreOfTheOneThatActs(t *testing.T) {
	targets := []string{t.TempDir(), t.TempDir()}
	to := func(i int) func(*Config) { return func(c *Config) { c.Backup.Target = targets[i] } }
	a := primary(t, t.TempDir(), to(0))
	b := a.standby(t.TempDir(), to(1))
	some := func(i int) bool {
		entries, err := os.ReadDir(targets[i])
		return err == nil && len(entries) > 0
	}
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	a.until("the one that acts backs up", func() bool { return some(0) })
	if some(1) {
		t.Error("the standby backs up by itself")
	}
	a.says(b.url+" acts since", "handoff")
	b.until("the other one backs up", func() bool { return some(1) })
}
