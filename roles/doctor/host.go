package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// Limits below which a check warns or fails, in bytes; they are what one small guest beside a Kahuna needs.
const (
	memoryWarn = 2 << 30
	memoryFail = 512 << 20
	diskWarn   = 10 << 30
	diskFail   = 1 << 30
	filesWarn  = 4096 // an agent or client holds one descriptor, a machine's console another
)

func architecture(context.Context) Result {
	switch runtime.GOARCH {
	case "amd64", "arm64":
		return ok("linux/" + runtime.GOARCH)
	}
	return fail(runtime.GOOS+"/"+runtime.GOARCH, "Kaktus runs on amd64 and arm64; the command line works here")
}

// Numbers of linux/kvm.h: KVM_GET_API_VERSION = _IO(0xAE, 0x00), KVM_CREATE_VM = _IO(0xAE, 0x01). The API
// version has been 12 since Linux 2.6.22.
const (
	kvmGetAPIVersion = 0xAE00
	kvmCreateVM      = 0xAE01
	kvmAPIVersion    = 12
)

const emulated = "machines run under emulation, about ten times slower"

// kvm opens the device and creates an empty virtual machine, which ends with its descriptor. That proves
// less than a running guest; Kaktus starts one before it trusts KVM.
func kvm(context.Context) Result {
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return warn("/dev/kvm does not exist", emulated+"; enable VT-x or AMD-V in the firmware, or nested virtualisation, and load kvm_intel or kvm_amd")
	case errors.Is(err, unix.EACCES):
		return warn("/dev/kvm may not be opened by this user", "add the user to the group kvm, or run as root")
	case err != nil:
		return warn("/dev/kvm: "+err.Error(), emulated)
	}
	defer unix.Close(fd)
	if v, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), kvmGetAPIVersion, 0); errno != 0 || v != kvmAPIVersion {
		return warn(fmt.Sprintf("/dev/kvm speaks version %d, not %d", v, kvmAPIVersion), emulated)
	}
	vm, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), kvmCreateVM, 0)
	if errno != 0 {
		return warn("creating a virtual machine failed: "+errno.Error(), emulated+"; another hypervisor may hold the processor's extensions")
	}
	_ = unix.Close(int(vm))
	return ok("a virtual machine can be created")
}

func qemu(ctx context.Context) Result {
	name, pkg := "qemu-system-x86_64", "qemu-system-x86"
	if runtime.GOARCH == "arm64" {
		name, pkg = "qemu-system-aarch64", "qemu-system-arm"
	}
	advice := "apt-get install " + pkg + " qemu-utils"
	path, err := exec.LookPath(name)
	if err != nil {
		return fail(name+" is not installed", advice)
	}
	if _, err := exec.LookPath("qemu-img"); err != nil {
		return fail("qemu-img is not installed", advice)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return fail(path+" does not start: "+err.Error(), advice)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return ok(first)
}

// The sockets of a system libvirt: the monolithic daemon's and the modular QEMU driver's.
var libvirtSockets = []string{"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"}

func libvirt(ctx context.Context) Result {
	var refused error
	for _, path := range libvirtSockets {
		c, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			c.Close()
			return ok(path + " answers")
		}
		if !errors.Is(err, fs.ErrNotExist) && refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return fail("libvirt does not answer: "+refused.Error(), "start libvirtd, or run as root or in the group libvirt")
	}
	for _, name := range []string{"libvirtd", "virtqemud"} {
		if _, err := exec.LookPath(name); err == nil {
			return warn(name+" is installed and not running", "kaktus serve needs it running; the sandbox starts a private one")
		}
	}
	return fail("libvirt is not installed", "apt-get install libvirt-daemon libvirt-daemon-driver-qemu")
}

// bridges makes a bridge. It ends with its network namespace, that with its thread, which Go ends with its
// locked goroutine.
func bridges(context.Context) Result {
	switch err := apart(tryBridge); {
	case err == nil:
		return ok("bridges can be made")
	case errors.Is(err, unix.EPERM):
		return fail("this user may not configure the network", "run as root, or give the service CAP_NET_ADMIN")
	case errors.Is(err, unix.EOPNOTSUPP):
		return fail("the kernel has no bridges", "load the module: modprobe bridge")
	default:
		return fail(err.Error(), "load the module bridge, and run where network namespaces are allowed")
	}
}

// apart tries something in a network namespace of its own.
func apart(try func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("new network namespace: %w", err)
			return
		}
		done <- try()
	}()
	return <-done
}

// filter makes a chain of rules for what comes from the ports of bridges, as Kaktus does to keep machines
// from sending under the addresses of others.
func filter(context.Context) Result {
	switch err := apart(tryFilter); {
	case err == nil:
		return ok("what machines send can be looked at")
	case errors.Is(err, unix.EPERM):
		return warn("this user may not make rules of nftables", "run as root, or give the service CAP_NET_ADMIN")
	default:
		return warn("no nftables for bridges: "+err.Error(), "load the module: modprobe nf_tables; without it machines can send under the addresses of others")
	}
}

func tryFilter() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyBridge, Name: "kwdoctor"})
	c.AddChain(&nftables.Chain{Name: "from", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityFilter})
	return c.Flush()
}

func tryBridge() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer h.Close()
	if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "kwdoctor"}}); err != nil {
		return fmt.Errorf("make a bridge: %w", err)
	}
	return nil
}

func memory(context.Context) Result {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return warn("/proc/meminfo: "+err.Error(), "mount /proc")
	}
	var total, free int64
	for line := range strings.Lines(string(text)) {
		var n int64
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &n); err == nil {
			total = n << 10
		}
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &n); err == nil {
			free = n << 10
		}
	}
	return amount(free, memoryWarn, memoryFail, fmt.Sprintf("%s of %s free", term.Bytes(free), term.Bytes(total)),
		"Kahuna needs little, every machine its memory: free some or add some")
}

func amount(n, warnBelow, failBelow int64, found, advice string) Result {
	switch {
	case n < failBelow:
		return fail(found, advice)
	case n < warnBelow:
		return warn(found, advice)
	}
	return ok(found)
}

// disk looks at the file system that dir, or else the default data directory, lies on or would lie on.
func disk(_ context.Context, dir string) Result {
	if dir == "" {
		dir = "/var/lib/kowabunga"
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return warn(err.Error(), "")
	}
	var s unix.Statfs_t
	for err = unix.Statfs(at, &s); errors.Is(err, unix.ENOENT) && at != "/"; err = unix.Statfs(at, &s) {
		at = filepath.Dir(at)
	}
	if err != nil {
		return fail(at+": "+err.Error(), "choose another directory")
	}
	free, total := int64(s.Bavail)*s.Bsize, int64(s.Blocks)*s.Bsize
	return amount(free, diskWarn, diskFail, fmt.Sprintf("%s of %s free at %s", term.Bytes(free), term.Bytes(total), at),
		"free some space; images and disks of machines need theirs on top")
}

// clock asks the kernel whether something disciplines it (adjtimex(2)): sessions and certificates expire by
// it, and logs of several hosts are compared by it.
func clock(context.Context) Result {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return warn("the kernel does not say: "+err.Error(), "run chrony or systemd-timesyncd on the host")
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return warn("not synchronised, "+time.Now().UTC().Format(time.RFC3339), "run chrony or systemd-timesyncd on the host")
	}
	return ok(fmt.Sprintf("synchronised, error at most %d ms", t.Maxerror/1000))
}

func openFiles(context.Context) Result {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return warn(err.Error(), "")
	}
	// The Go runtime has raised the soft limit to the hard one already.
	found := fmt.Sprintf("up to %d", limit.Max)
	if limit.Max < filesWarn {
		return warn(found, fmt.Sprintf("raise it above %d: LimitNOFILE= of the unit, or ulimit -Hn", filesWarn))
	}
	return ok(found)
}

// build is the program in one line.
func build() string {
	b := config.Program()
	return strings.TrimSpace(b.Version + " " + b.Commit)
}
