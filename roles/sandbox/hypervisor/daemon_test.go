package hypervisor

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kowabunga/core/fault"
)

func TestUnfitDirectoriesAreRefused(t *testing.T) {
	long := "/tmp/" + strings.Repeat("d", 90)
	for _, c := range []struct{ dir, says string }{
		{"relative/dir", "clean absolute path"},
		{"/tmp/../tmp/x", "clean absolute path"},
		{"/tmp/a\"b", "without quotes"},
		{long, "characters too long"},
	} {
		d := Daemon{Dir: c.dir}
		err := d.Up(context.Background())
		if !fault.Is(err, fault.Invalid) {
			t.Fatalf("%s: %v", c.dir, err)
		}
		if c.dir != long && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the error does not say %q: %v", c.dir, c.says, err)
		}
		over := len(long) + len("/run/libvirt-admin-sock") - 107
		if c.dir == long && !strings.Contains(err.Error(), strconv.Itoa(over)+" characters too long") {
			t.Errorf("the error does not say by how much: %v", err)
		}
	}
}

// A directory with somebody's files is neither filled nor emptied.
func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := Daemon{Dir: dir}
	if err := d.claim(); !fault.Is(err, fault.Conflict) {
		t.Errorf("claimed a directory with files in it: %v", err)
	}
	for name, remove := range map[string]func(context.Context) error{"Down": d.Down, "Destroy": d.Destroy} {
		if err := remove(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory now holds %v: %v", entries, err)
	}
}

func TestClaimIsRepeatable(t *testing.T) {
	d := Daemon{Dir: filepath.Join(t.TempDir(), "new")}
	for range 2 {
		if err := d.claim(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.Dir, "later"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The number in a stale pid file may belong to anyone by now; nobody else may be stopped for it.
func TestStalePidFileNamesNoGuest(t *testing.T) {
	d := Daemon{Dir: t.TempDir()}
	if err := os.MkdirAll(d.path("run", "qemu"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, pid := range map[string]string{"self": strconv.Itoa(os.Getpid()), "gone": "4194303", "junk": "no number"} {
		if err := os.WriteFile(d.path("run", "qemu", name+".pid"), []byte(pid+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if guests := d.guests(); len(guests) != 0 {
		t.Errorf("taken for guests: %v", guests)
	}
}

func TestStoppedDaemonHasAStatus(t *testing.T) {
	d := Daemon{Dir: t.TempDir()}
	if s := d.Status(); s.Running || s.PID != 0 || s.Socket != filepath.Join(d.Dir, "run/libvirt-sock") {
		t.Errorf("%+v", s)
	}
}

func TestSettingsKeepHostUUID(t *testing.T) {
	d := Daemon{Dir: t.TempDir()}
	read := func() string {
		if err := d.prepare(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(d.path("etc", "libvirtd.conf"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := read()
	if !strings.Contains(first, `unix_sock_dir = "`+d.Dir+`/run"`) || !strings.Contains(first, `host_uuid = "`) {
		t.Errorf("the settings lack the socket's directory or the host's UUID:\n%s", first)
	}
	if second := read(); second != first {
		t.Errorf("settings changed from one start to the next:\n%s\n%s", first, second)
	}
	if info, err := os.Stat(d.path("etc", "libvirtd.conf")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// Run by a person, in the namespace of the shell, the child must not mount anything.
func TestChildRefusesThePlainNamespace(t *testing.T) {
	d := Daemon{Dir: filepath.Join(t.TempDir(), "d")}
	if err := d.claim(); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := Child([]string{d.Dir}); err == nil {
		t.Fatal("it went on")
	}
	if err := Child(nil); !fault.Is(err, fault.Malformed) {
		t.Errorf("without a directory: %v", err)
	}
	if now, err := os.ReadFile("/proc/self/mountinfo"); err != nil || string(now) != string(mounts) {
		t.Errorf("mounts have changed: %v", err)
	}
}
