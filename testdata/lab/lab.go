// Package lab gives tests the real daemons and machines they talk about.
//
// A test that uses it carries the build tag "lab" and its package a TestMain:
//
//	func TestMain(m *testing.M) { lab.Main(m) }
//
// What a lab needs has to be there: a test fails, naming the packages to install, and never skips.
package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/roles/sandbox/guest"
	"kowabunga/roles/sandbox/hypervisor"
)

// prefix begins the directory of every lab; the pid of its test binary follows.
const prefix = "kowabunga-lab-"

var (
	inMain bool // Main runs the tests

	virt struct {
		sync.Mutex
		daemon hypervisor.Daemon
		up     bool
	}
	image struct {
		sync.Mutex
		guest.Image
	}
)

// Main runs the tests of a package and takes down what they started. It does not return.
func Main(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "sandbox" && os.Args[2] == hypervisor.ChildCommand {
		if err := hypervisor.Child(os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	inMain = true
	code := m.Run()
	if err := teardown(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func teardown() error {
	virt.Lock()
	defer virt.Unlock()
	if !virt.up {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return virt.daemon.Destroy(ctx)
}

// NeedsMain fails a test whose package has no TestMain that calls [Main]: its binary, started again to
// become a daemon, would run the tests once more instead, and so on.
func NeedsMain(t testing.TB) {
	t.Helper()
	if !inMain {
		t.Fatal("this package needs: func TestMain(m *testing.M) { lab.Main(m) }")
	}
}

// Libvirt is the socket of a private libvirtd with the QEMU driver. All tests of a binary share one; it
// goes when the last of them has ended. Name guests after the test that made them.
func Libvirt(t testing.TB) (socket string) {
	t.Helper()
	NeedsMain(t)
	virt.Lock()
	defer virt.Unlock()
	if virt.up {
		return virt.daemon.Socket()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	sweep(ctx, t)
	d := hypervisor.Daemon{Dir: Dir("v")}
	if err := d.Up(ctx); err != nil {
		if cleared := d.Destroy(ctx); cleared != nil {
			t.Log(cleared)
		}
		t.Fatalf("%v\n(everything a private libvirtd needs: apt-get install --no-install-recommends %s)",
			err, strings.Join(hypervisor.Packages(), " "))
	}
	virt.daemon, virt.up = d, true
	return d.Socket()
}

// Dir is a name for a directory of a daemon of this test binary, short enough for the sockets in it. It
// is not created.
func Dir(name string) string {
	return filepath.Join(os.TempDir(), prefix+strconv.Itoa(os.Getpid())+"-"+name)
}

// sweep takes down the labs of test binaries that were killed.
func sweep(ctx context.Context, t testing.TB) {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range found {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || unix.Kill(pid, 0) == nil {
			continue
		}
		if err := (hypervisor.Daemon{Dir: dir}).Destroy(ctx); err != nil {
			t.Logf("%s, left by a killed test: %v", dir, err)
		}
	}
}

// GuestImage is the sandbox's guest image, built once and kept in KOWABUNGA_LAB_CACHE or the user's
// cache directory. Copy it before writing to it.
func GuestImage(t testing.TB) guest.Image {
	t.Helper()
	image.Lock()
	defer image.Unlock()
	if image.Path != "" {
		return image.Image
	}
	dir := os.Getenv("KOWABUNGA_LAB_CACHE")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("no cache directory (set KOWABUNGA_LAB_CACHE): %v", err)
		}
		dir = filepath.Join(cache, "kowabunga", "lab")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	built, err := guest.Recipe{Dir: dir}.Build(ctx)
	if err != nil {
		t.Fatalf("%v\n(everything the image needs: apt-get install --no-install-recommends %s)",
			err, strings.Join(guest.Packages(), " "))
	}
	image.Image = built
	return built
}
