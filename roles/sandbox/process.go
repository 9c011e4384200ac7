package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// daemon is one of this program's roles, run detached with a log of its own. It is known by its
// arguments, which name its directory: no file has to say that it runs, so none can be wrong.
type daemon struct {
	name string   // for people and for the log's name
	args []string // without the program
	log  string
}

const (
	stopWithin = 20 * time.Second // a Kahuna drains for 10 s at most
	logKept    = 8 << 20          // bytes of an old log that the next start keeps
)

// pids are the daemon's processes, normally one or none. Only those of our own user count.
func (d daemon) pids() []int {
	return processes(func(args []string) bool { return len(args) == len(d.args)+1 && slices.Equal(args[1:], d.args) })
}

// processes finds living processes of our own user by their command line.
func processes(match func(args []string) bool) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", entry.Name())
		text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(text) == 0 { // a zombie has an empty one
			continue
		}
		if !match(strings.Split(string(bytes.TrimSuffix(text, []byte{0})), "\x00")) {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && int(st.Uid) == os.Geteuid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// start starts the daemon in a session of its own, so that no signal meant for us reaches it. The
// channel closes when it ended. It answers nil when the daemon runs already.
func (d daemon) start() (<-chan struct{}, error) {
	if len(d.pids()) > 0 {
		return nil, nil
	}
	op := "start " + d.name
	if err := os.MkdirAll(filepath.Dir(d.log), 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	if info, err := os.Stat(d.log); err == nil && info.Size() > logKept {
		if err := os.Rename(d.log, d.log+".1"); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, op)
		}
	}
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	defer out.Close()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{"kowabunga"}, d.args...), Dir: "/",
		Stdout: out, Stderr: out, Env: environment(), SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := cmd.Start(); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended stands in its log
	}()
	return ended, nil
}

// environment is what daemons get to see of ours: nothing they do not need, and no secrets.
func environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	for _, key := range []string{"HOME", "GOCOVERDIR", "TMPDIR"} {
		if value, set := os.LookupEnv(key); set {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// await starts the daemon if need be and waits until ready says so. A daemon that ends meanwhile, or
// does not get ready in time, is quoted.
func (d daemon) await(ctx context.Context, within time.Duration, ready func(context.Context) error) (started bool, err error) {
	ended, err := d.start()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return ended != nil, nil
		}
		select {
		case <-ended:
			return false, fault.New(fault.Unavailable, "%s ended: %s", d.name, d.lastWords())
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return false, fault.From(cause)
			}
			return false, &fault.Error{Code: fault.Unavailable, Message: d.name + " is not ready after " + within.String() + "; its log is " + d.log, Err: err}
		case <-tick.C:
		}
	}
}

// lastWords are the last lines of the daemon's log.
func (d daemon) lastWords() string {
	text, err := os.ReadFile(d.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || lines[0] == "" {
		return "it wrote nothing to " + d.log
	}
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

// stop ends the daemon and returns when it is gone: SIGTERM, and SIGKILL if it does not obey in time.
func (d daemon) stop(ctx context.Context) (stopped bool, err error) {
	pids := d.pids()
	for _, pid := range pids {
		if err := end(ctx, pid, stopWithin); err != nil {
			return false, fault.Wrap(err, fault.Unavailable, "stop "+d.name)
		}
	}
	return len(pids) > 0, nil
}

// end ends one process. A pidfd makes sure that the number means the same process throughout.
func end(ctx context.Context, pid int, within time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	deadline, signal := time.Now().Add(within), unix.SIGTERM
	for {
		if signal != 0 {
			if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			signal = 0
		}
		// The fd becomes readable when the process ended (pidfd_open(2)).
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 50)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case n > 0:
			return nil
		case ctx.Err() != nil:
			return fault.From(context.Cause(ctx))
		case !deadline.IsZero() && time.Now().After(deadline):
			signal, deadline = unix.SIGKILL, time.Time{}
		}
	}
}
