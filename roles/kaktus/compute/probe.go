package compute

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"kowabunga/core/fault"
)

// Accel is how guests' processors run on this host.
type Accel struct {
	Kind   string `json:"kind"`   // "kvm" or "tcg"
	Reason string `json:"reason"` // why not kvm
}

// Choices of the configuration.
const (
	AccelAuto = "auto" // kvm when a probe guest ran
	AccelKVM  = "kvm"
	AccelTCG  = "tcg"
)

const (
	probeWithin = 15 * time.Second
	probeValue  = 0x2a
	// isa-debug-exit ends QEMU with twice the value written to its port, plus one
	// (hw/misc/debugexit.c).
	probeExit = probeValue<<1 | 1
)

// bootSector is the probe guest: it writes probeValue to port 0xf4 and halts.
//
//	mov al, 0x2a
//	out 0xf4, al
//	hlt
//	jmp -3
var bootSector = [512]byte{0xb0, probeValue, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd, 510: 0x55, 511: 0xaa}

// verdict is a probe's result as it is kept for the rest of this boot.
type verdict struct {
	BootID string `json:"bootId"`
	Accel
}

// Probe decides between hardware virtualisation and emulation: by running a small guest, because
// /dev/kvm may open, and libvirt advertise it, where no guest runs. The result is kept in stateDir
// until the host boots again. A choice other than auto is taken as it is.
func Probe(ctx context.Context, choice, stateDir string, log *slog.Logger) (Accel, error) {
	switch choice {
	case AccelKVM:
		return Accel{Kind: AccelKVM}, nil
	case AccelTCG:
		return Accel{Kind: AccelTCG, Reason: "chosen by the configuration"}, nil
	case AccelAuto, "":
	default:
		return Accel{}, fault.Bad("accel", "%.32q is not known; auto, kvm and tcg are", choice)
	}
	boot := bootID()
	path := filepath.Join(stateDir, "accel.json")
	var kept verdict
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &kept) == nil && boot != "" && kept.BootID == boot {
		return kept.Accel, nil
	}
	found := Accel{Kind: AccelKVM}
	if err := probe(ctx, stateDir, exec.LookPath); err != nil {
		if ctx.Err() != nil {
			return Accel{}, fault.From(context.Cause(ctx))
		}
		found = Accel{Kind: AccelTCG, Reason: fault.From(err).Public()}
		log.Warn("machines will be emulated, which is slow", "reason", found.Reason, "error", err)
	}
	text, err := json.Marshal(verdict{BootID: boot, Accel: found})
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		log.Warn("the probe's result cannot be kept", "error", err)
	}
	return found, nil
}

// probe runs the guest; nil means that it ran.
func probe(ctx context.Context, work string, look func(string) (string, error)) error {
	if runtime.GOARCH != "amd64" {
		return fault.New(fault.Unavailable, "this build has a probe guest for amd64 only; set accel to kvm if guests run here")
	}
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return fault.New(fault.Unavailable, "this host has no /dev/kvm; enable virtualisation in its firmware and load the module kvm_intel or kvm_amd")
	}
	qemu, err := emulator(look)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(work, "probe-")
	if err != nil {
		return fault.Wrap(err, fault.Internal, "probe KVM")
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "guest.img")
	if err := os.WriteFile(image, bootSector[:], 0o600); err != nil {
		return fault.Wrap(err, fault.Internal, "probe KVM")
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	runtime.LockOSThread() // the child's parent-death signal is bound to this thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, qemu, "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "32", "-nodefaults", "-no-user-config",
		"-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
		"-blockdev", "driver=file,filename="+strings.ReplaceAll(image, ",", ",,")+",node-name=guest,read-only=on", "-device", "virtio-blk-pci,drive=guest,bootindex=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == probeExit {
		return nil
	}
	if ctx.Err() != nil {
		return &fault.Error{Code: fault.Unavailable, Message: "/dev/kvm is there, but a small guest did not run on it within " + probeWithin.String(), Err: err}
	}
	return &fault.Error{Code: fault.Unavailable, Message: "/dev/kvm is there, but a small guest could not be run on it", Err: errors.Join(err, errors.New(strings.TrimSpace(string(out[:min(len(out), 2048)]))))}
}

// emulator finds QEMU where distributions put it.
func emulator(look func(string) (string, error)) (string, error) {
	for _, name := range []string{"qemu-system-" + arch(), "/usr/libexec/qemu-kvm", "qemu-kvm"} {
		if path, err := look(name); err == nil {
			return path, nil
		}
	}
	return "", fault.New(fault.Unavailable, "QEMU is not installed; install the package qemu-system-x86")
}

func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
