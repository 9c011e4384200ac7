package kahuna

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// somebody is a user that is not root, and has no account.
const somebody = 54321

// owned fails the test unless everything in a directory belongs to somebody.
func owned(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		n++
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != somebody || owner.Gid != somebody {
			t.Errorf("%s belongs to %d:%d", path, owner.Uid, owner.Gid)
		}
		return nil
	})
	if err != nil || n < 2 {
		t.Errorf("%d files, %v", n, err)
	}
}

// of gives everything in a directory to somebody.
func of(t *testing.T, dir string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, somebody, somebody)
	}); err != nil {
		t.Fatal(err)
	}
}

// What root makes in the directory of the user that Kahuna runs as, that user can read: the key of the
// pair before Kahuna ever ran, a new Kahuna, a standby, a restored one.
func TestCommandsOfRootLeaveTheDirectoryToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	empty := func() *running {
		dir := t.TempDir()
		of(t, dir)
		return commandsOn(t, dir)
	}
	r := empty()
	r.says("Kahuna is ready", "init", "--listen", "127.0.0.1:0")
	owned(t, r.s.cfg.Dir)
	key := filepath.Join(r.s.cfg.Dir, "secrets", "pair-key")
	if exists(key) {
		t.Fatal("there is a pair key before anybody asked")
	}
	r.says("pair-key ", "pair-key")
	if !exists(key) || !exists(filepath.Join(r.s.cfg.Dir, "tls", "ca.pem")) {
		t.Error("the key of the pair is not kept")
	}
	owned(t, r.s.cfg.Dir)

	a := primary(t, t.TempDir())
	b := empty()
	b.says("Kahuna is ready", "init", "--plain-http", "--listen", "127.0.0.1:0", "--standby-of", a.url, "--pair-key-file", filepath.Join(a.s.cfg.secrets(), "pair-key"))
	owned(t, b.s.cfg.Dir)

	a.made("/region", `{"name":"one","domain":"one.example"}`)
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := a.command("backup", backup); err != nil {
		t.Fatal(err)
	}
	c := empty()
	c.says("Restored", "restore", backup, "--sealing-key-file", a.s.cfg.sealingKey())
	owned(t, c.s.cfg.Dir)
}
