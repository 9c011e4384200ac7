//go:build lab

package packaging

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// suite is the Debian that the package is tried on: the oldest one supported.
const suite = "bookworm"

// chroot is a directory with a Debian of its own in it.
type chroot struct {
	t   *testing.T
	dir string
}

var building sync.Mutex

// newChroot unpacks a minimal Debian, built once and kept in KOWABUNGA_LAB_CACHE or the user's cache
// directory.
func newChroot(t *testing.T) chroot {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a chroot needs root")
	}
	cache := os.Getenv("KOWABUNGA_LAB_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("no cache directory (set KOWABUNGA_LAB_CACHE): %v", err)
		}
		cache = filepath.Join(user, "kowabunga", "lab")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	building.Lock()
	defer building.Unlock()
	tree := filepath.Join(cache, "debian-"+suite+"-essential.tar")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, err := os.Stat(tree); errors.Is(err, fs.ErrNotExist) {
		start := time.Now()
		part := tree + ".part"
		out, err := exec.CommandContext(ctx, "mmdebstrap", "--variant=essential", "--include=passwd,mount", "--mode=root", "--format=tar",
			`--aptopt=Acquire::Retries "3"`, suite, part).CombinedOutput()
		if err != nil {
			t.Fatalf("build a minimal Debian: %v\n%s", err, out)
		}
		if err := os.Rename(part, tree); err != nil {
			t.Fatal(err)
		}
		t.Logf("built a minimal Debian in %s", time.Since(start).Round(time.Second))
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(ctx, "tar", "-xf", tree, "-C", dir, "--exclude=./dev/*", "--numeric-owner").CombinedOutput(); err != nil {
		t.Fatalf("unpack %s (remove it to have it built again): %v\n%s", tree, err, out)
	}
	return chroot{t, dir}
}

// enter mounts what a program expects in a mount namespace that ends with it. Nothing is mounted outside.
const enter = `
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
root=$1; shift
exec chroot "$root" "$@"`

func (c chroot) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "sh", "-ec", enter, "sh", c.dir}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	return cmd
}

// run runs a command in the chroot; the test ends when it fails.
func (c chroot) run(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := c.command(ctx, args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// install puts a package file in and installs it.
func (c chroot) install(deb string) string {
	c.t.Helper()
	text, err := os.ReadFile(deb)
	if err != nil {
		c.t.Fatal(err)
	}
	inside := filepath.Join("/root", filepath.Base(deb))
	if err := os.WriteFile(filepath.Join(c.dir, inside), text, 0o644); err != nil {
		c.t.Fatal(err)
	}
	defer os.Remove(filepath.Join(c.dir, inside))
	return c.run("dpkg", "--force-unsafe-io", "--install", inside)
}

// inventory is every path of the system with its mode and, for the accounts, its text. dpkg's own records
// and logs are left out, which tell what happened.
func (c chroot) inventory() []string {
	c.t.Helper()
	var found []string
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, c.dir)
		switch name {
		case "/var/lib/dpkg", "/var/log", "/var/cache", "/dev", "/proc":
			return filepath.SkipDir
		case "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock":
			return nil // copies and the lock of useradd
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String() + " " + name
		switch name {
		case "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid":
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			sort.Strings(lines)
			line += " " + strings.Join(lines, " ")
		}
		found = append(found, line)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// service runs a command in the chroot as systemd would: with the user and the state directory of its
// unit, until it says READY=1. The returned function ends it by SIGTERM.
func (c chroot) service(args ...string) (stop func()) {
	c.t.Helper()
	notify := filepath.Join(c.dir, "run", "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.Chmod(notify, 0o777); err != nil {
		c.t.Fatal(err)
	}
	c.run("install", "-d", "-o", "kowabunga", "-g", "kowabunga", "-m", "0700", "/var/lib/kowabunga/kahuna")

	ctx, cancel := context.WithCancel(context.Background())
	var log strings.Builder
	cmd := c.command(ctx, append([]string{"setpriv", "--reuid=kowabunga", "--regid=kowabunga", "--clear-groups", "--no-new-privs",
		"--inh-caps=-all", "--bounding-set=-all"}, args...)...)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET=/run/notify")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		socket.Close()
		os.Remove(notify)
		ended <- err
	}()
	c.t.Cleanup(cancel)

	if err := socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	message := make([]byte, 4096)
	for {
		n, err := socket.Read(message)
		if err != nil {
			cancel()
			c.t.Fatalf("%s did not say READY=1: %v; it ended with %v\n%s", strings.Join(args, " "), err, <-ended, log.String())
		}
		if strings.Contains(string(message[:n]), "READY=1") {
			break
		}
	}
	return func() {
		c.t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			c.t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				c.t.Errorf("after SIGTERM %s ended with %v\n%s", strings.Join(args, " "), err, log.String())
			}
		case <-time.After(60 * time.Second):
			cancel()
			<-ended
			c.t.Errorf("%s still ran 60 s after SIGTERM; its unit would have it killed\n%s", strings.Join(args, " "), log.String())
		}
		cancel()
	}
}
