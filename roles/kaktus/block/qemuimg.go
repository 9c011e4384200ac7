package block

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

const (
	toolMemory = 4 << 30 // address space of qemu-img, bytes; its peak on real images is below 1 GiB
	toolStderr = 4 << 10 // bytes of its complaints that are kept
	quick      = time.Minute
)

// qemuImg runs qemu-img. Every argument is an option of ours, an absolute path or a number, so none is
// taken for something else. The child dies with its context and with this process, and an image that
// makes it eat memory kills only the child.
func qemuImg(ctx context.Context, args ...string) error {
	// The parent-death signal is bound to the thread that forks, which therefore has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "qemu-img", args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &limited{w: &stderr, left: toolStderr}
	if err := cmd.Start(); err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: "run qemu-img", Message: "qemu-img cannot be started; install the package qemu-utils", Err: err}
	}
	bound := unix.Rlimit{Cur: toolMemory, Max: toolMemory}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &bound, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		cmd.Process.Kill()
		cmd.Wait()
		return fault.Wrap(err, fault.Internal, "bound qemu-img's memory")
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		return fault.From(context.Cause(ctx))
	}
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(stderr.String())
	return &toolError{op: args[0], status: cmd.ProcessState.ExitCode(), text: text, err: err}
}

// toolError is a failure of qemu-img. What it says may show paths, so it stays a cause for logs.
type toolError struct {
	op     string
	status int
	text   string
	err    error
}

func (e *toolError) Error() string {
	return "qemu-img " + e.op + ": " + e.err.Error() + ": " + e.text
}
func (e *toolError) Unwrap() error { return e.err }

type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
