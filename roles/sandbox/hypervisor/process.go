package hypervisor

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// arguments is the command line of a living process, nil for any other.
func arguments(pid int) []string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || len(text) == 0 { // a zombie has an empty one
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(text, []byte{0})), "\x00")
}

// processes are all living ones with their command lines. The daemon and what it asks are found by these rather than by
// pid files: whoever was killed leaves a file, and who has just been started has none yet.
func processes() iter.Seq2[int, []string] {
	return func(yield func(int, []string) bool) {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return
		}
		for _, entry := range entries {
			if pid, err := strconv.Atoi(entry.Name()); err == nil && !yield(pid, arguments(pid)) {
				return
			}
		}
	}
}

// daemons are the processes that are, or are about to become, the daemon of this directory, those first that
// would start it again.
func (d Daemon) daemons() []int {
	var supervisors, daemons []int
	for pid, args := range processes() {
		switch {
		case len(args) == 4 && args[2] == ChildCommand && args[3] == d.Dir:
			supervisors = append(supervisors, pid)
		case slices.Contains(args, d.path("etc", "libvirtd.conf")):
			daemons = append(daemons, pid)
		}
	}
	return append(supervisors, daemons...)
}

// guests are the QEMU processes this libvirtd started, with their names.
func (d Daemon) guests() map[int]string {
	files, err := filepath.Glob(d.path("run", "qemu", "*.pid"))
	if err != nil {
		return nil
	}
	guests := map[int]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			continue
		}
		// The number may belong to someone else by now: only a QEMU of that name counts.
		name := strings.TrimSuffix(filepath.Base(file), ".pid")
		if slices.ContainsFunc(arguments(pid), func(arg string) bool {
			return arg == "guest="+name || strings.HasPrefix(arg, "guest="+name+",")
		}) {
			guests[pid] = name
		}
	}
	return guests
}

// probes are the QEMU processes which libvirtd asked what they can do, and did not live to end, with the directory
// that each has to itself.
func (d Daemon) probes() map[int]string {
	probes := map[int]string{}
	for pid, args := range processes() {
		for _, arg := range args {
			at, name := filepath.Split(arg)
			if name != "qmp.pid" {
				continue
			}
			dir := d.path("lib", "qemu", filepath.Base(at)) // it has another name in libvirtd's namespace
			if _, err := os.Stat(dir); err == nil {
				probes[pid] = dir
			}
		}
	}
	return probes
}

// endProbes ends what a libvirtd that is gone was asking.
func (d Daemon) endProbes(ctx context.Context) error {
	for pid, dir := range d.probes() {
		if err := stop(ctx, pid); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return fault.Wrap(err, fault.Unavailable, "clear "+dir)
		}
	}
	return nil
}

// stop ends processes: SIGTERM, and SIGKILL for those that do not obey in time. It returns when all
// are gone.
func stop(ctx context.Context, pids ...int) error {
	deadline := time.Now().Add(stopWithin)
	signal := unix.SIGTERM
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return fault.Wrap(err, fault.Internal, "watch process "+strconv.Itoa(pid))
		}
		err = end(ctx, fd, signal, deadline)
		unix.Close(fd)
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "end process "+strconv.Itoa(pid))
		}
	}
	return nil
}

func end(ctx context.Context, fd int, signal unix.Signal, deadline time.Time) error {
	killed := false
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for {
		gone, err := finished(fd, 50*time.Millisecond)
		if err != nil || gone {
			return err
		}
		if ctx.Err() != nil {
			return fault.From(ctx.Err())
		}
		if time.Now().After(deadline) && !killed {
			killed = true
			if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
}

// finished waits at most that long for the process behind a pidfd to end (pidfd_open(2): it becomes
// readable then).
func finished(fd int, wait time.Duration) (bool, error) {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
