package hypervisor

import (
	"bytes"
	"context"
	"errors"
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

// daemons are the processes that are, or are about to become, the daemon of this directory, those first that
// would start it again. They are found by their arguments rather than by the pid file: one that was killed
// leaves a file, and one that starts has none yet.
func (d Daemon) daemons() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var supervisors, daemons []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		switch args := arguments(pid); {
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
