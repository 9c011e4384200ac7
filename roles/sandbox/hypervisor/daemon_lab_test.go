//go:build lab

package hypervisor_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"golang.org/x/sys/unix"

	"kowabunga/roles/sandbox/hypervisor"
	"kowabunga/testdata/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// guestXML is a machine that does nothing: its firmware finds no disk.
const guestXML = `<domain type='qemu'><name>NAME</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<features><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>
<devices><serial type='null'/></devices></domain>`

func connect(t *testing.T, socket string) *libvirt.Libvirt {
	t.Helper()
	conn, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	l := libvirt.NewWithDialer(dialers.NewAlreadyConnected(conn))
	if err := l.ConnectToURI(libvirt.QEMUSystem); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Disconnect(); conn.Close() })
	return l
}

func startGuest(t *testing.T, socket, name string) {
	t.Helper()
	l := connect(t, socket)
	domain, err := l.DomainDefineXML(strings.Replace(guestXML, "NAME", name, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.DomainCreate(domain); err != nil {
		t.Fatal(err)
	}
}

func daemon(t *testing.T, name string) (hypervisor.Daemon, context.Context) {
	t.Helper()
	lab.NeedsMain(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	d := hypervisor.Daemon{Dir: lab.Dir(name)}
	t.Cleanup(func() {
		if err := d.Destroy(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d, ctx
}

func up(t *testing.T, ctx context.Context, d hypervisor.Daemon) hypervisor.Status {
	t.Helper()
	if err := d.Up(ctx); err != nil {
		t.Fatal(err)
	}
	s := d.Status()
	if !s.Running || s.Version == "" || s.Socket != d.Socket() {
		t.Fatalf("after Up the status is %+v", s)
	}
	return s
}

// mentions are the processes whose arguments name a text.
func mentions(t *testing.T, text string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), text) {
			found = append(found, file+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// supervisors are the processes that start the daemon of a directory again.
func supervisors(t *testing.T, dir string) (pids []int) {
	t.Helper()
	for _, found := range mentions(t, hypervisor.ChildCommand+"\x00"+dir) {
		pid, err := strconv.Atoi(strings.Split(found, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		t.Fatal("nothing would start the daemon again")
	}
	return pids
}

func TestLifeOfADaemon(t *testing.T) {
	d, ctx := daemon(t, "life")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	first := up(t, ctx, d)
	if again := up(t, ctx, d); again.PID != first.PID {
		t.Errorf("a second Up replaced daemon %d by %d", first.PID, again.PID)
	}
	if now, err := os.ReadFile("/proc/self/mountinfo"); err != nil || string(now) != string(mounts) {
		t.Errorf("mounts of the daemon show outside its namespace: %v\n%s", err, now)
	}
	if info, err := os.Stat(d.Socket()); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the socket is open to others than root: %v %v", info, err)
	}

	name := "life" + strconv.Itoa(os.Getpid())
	startGuest(t, d.Socket(), name)
	if s := d.Status(); len(s.Guests) != 1 || s.Guests[0] != name {
		t.Errorf("the running guest is missing: %+v", s)
	}
	if err := d.Down(ctx); err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.Running || len(s.Guests) != 0 {
		t.Errorf("after Down: %+v", s)
	}
	if left := append(mentions(t, "guest="+name), mentions(t, d.Dir)...); len(left) > 0 {
		t.Errorf("after Down there still run: %s", left)
	}

	// Definitions outlive the daemon.
	up(t, ctx, d)
	if _, err := connect(t, d.Socket()).DomainLookupByName(name); err != nil {
		t.Errorf("the definition is gone after Down and Up: %v", err)
	}
	if err := d.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(d.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", d.Dir, err)
	}
	if err := d.Destroy(ctx); err != nil {
		t.Errorf("a second Destroy: %v", err)
	}
}

func TestKilledDaemonIsReplacedAndGuestsAreTakenOver(t *testing.T) {
	d, ctx := daemon(t, "kill")
	before := up(t, ctx, d)
	name := "kill" + strconv.Itoa(os.Getpid())
	startGuest(t, d.Socket(), name)
	if err := unix.Kill(before.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Nobody has to ask for it: libvirtd crashes when a client dies at the wrong moment.
	after := d.Status()
	for ; after.PID == before.PID || after.Version == ""; after = d.Status() {
		if ctx.Err() != nil {
			t.Fatalf("libvirtd was killed and is not started again: %+v", after)
		}
		time.Sleep(10 * time.Millisecond) // between looks
	}
	if again := up(t, ctx, d); again.PID != after.PID {
		t.Errorf("Up replaced daemon %d by %d", after.PID, again.PID)
	}
	l := connect(t, d.Socket())
	domain, err := l.DomainLookupByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if state, _, err := l.DomainGetState(domain, 0); err != nil || libvirt.DomainState(state) != libvirt.DomainRunning {
		t.Errorf("the new daemon sees the guest in state %d: %v", state, err)
	}

	// And a daemon that died with guests running, and what would start it again, leave none behind at Down.
	for _, pid := range append(supervisors(t, d.Dir), after.PID) {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Down(ctx); err != nil {
		t.Fatal(err)
	}
	if left := mentions(t, "guest="+name); len(left) > 0 {
		t.Errorf("the guest outlived Down: %s", left)
	}
}

// A libvirtd that is killed while it asks a QEMU what that can do leaves it running; Down does not.
func TestNoQuestionedQEMUStays(t *testing.T) {
	d, ctx := daemon(t, "asking")
	before := up(t, ctx, d)
	l := connect(t, d.Socket())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = l.ConnectGetCapabilities() // it is killed over it
	}()
	var pid int
	for pid == 0 {
		if ctx.Err() != nil {
			t.Fatal("libvirtd asks no QEMU what it can do")
		}
		files, err := filepath.Glob(filepath.Join(d.Dir, "lib", "qemu", "qmp-*", "qmp.pid"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			}
		}
	}
	for _, pid := range append(supervisors(t, d.Dir), before.PID) {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	if err := d.Down(ctx); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if strings.Contains(string(text), "qmp.pid") {
		t.Errorf("there still runs %s", strings.ReplaceAll(string(text), "\x00", " "))
	}
}

func TestDaemonsDoNotSeeEachOther(t *testing.T) {
	one, ctx := daemon(t, "one")
	two, _ := daemon(t, "two")
	up(t, ctx, one)
	up(t, ctx, two)
	name := "apart" + strconv.Itoa(os.Getpid())
	startGuest(t, one.Socket(), name)
	if _, err := connect(t, two.Socket()).DomainLookupByName(name); err == nil {
		t.Error("a guest of one daemon is known to the other")
	}
	if err := two.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	// The mount points of the first must survive the second.
	if s := one.Status(); !s.Running || s.Version == "" || len(s.Guests) != 1 {
		t.Errorf("destroying one daemon hurt the other: %+v", s)
	}
	startGuest(t, one.Socket(), name+"b")
}

func TestSharedLibvirt(t *testing.T) {
	socket := lab.Libvirt(t)
	if again := lab.Libvirt(t); again != socket {
		t.Errorf("two sockets: %s and %s", socket, again)
	}
	if _, err := connect(t, socket).ConnectGetLibVersion(); err != nil {
		t.Error(err)
	}
	if _, there := hypervisor.SystemSocket(); there {
		t.Log("this machine runs a libvirt of its own")
	}
}
