package hypervisor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// Daemon is one private libvirtd, described by its directory alone: any process can start it and
// another one stop it.
type Daemon struct {
	// Dir is an absolute path; it is created when missing and must not hold anything else.
	Dir string
}

// Status is what a daemon is doing.
type Status struct {
	Running bool     `json:"running"`
	PID     int      `json:"pid,omitempty"` // of libvirtd itself, not of what starts it again
	Socket  string   `json:"socket"`
	Version string   `json:"version,omitempty"` // of libvirt, e.g. "9.0.0"; empty when it does not answer
	Guests  []string `json:"guests,omitempty"`  // names of the guests whose QEMU runs, daemon or not
}

const (
	mark        = ".kowabunga-libvirt" // says that the directory is ours to clear
	startWithin = 60 * time.Second     // a first start asks QEMU for all it can do: 8 s on two slow cores
	stopWithin  = 15 * time.Second
	socketPath  = 107 // octets of sun_path without its NUL (unix(7))
)

// Packages are the packages a private libvirtd needs, by the names that Debian 12, Debian 13 and
// Ubuntu 24.04 share. libvirt-daemon-system is not among them: it would start a system daemon.
func Packages() []string {
	return []string{"libvirt-daemon", "libvirt-daemon-driver-qemu", "qemu-system-x86", "qemu-utils"}
}

// Socket is the path of the daemon's socket.
func (d Daemon) Socket() string { return filepath.Join(d.Dir, "run", "libvirt-sock") }

func (d Daemon) path(parts ...string) string {
	return filepath.Join(append([]string{d.Dir}, parts...)...)
}

// Up starts the daemon and returns once it answers. It does nothing when the daemon already does. What
// a killed daemon left behind is cleared first; guests that still run are taken over.
func (d Daemon) Up(ctx context.Context) error {
	return fault.Wrap(d.up(ctx), fault.Unavailable, "start libvirtd")
}

func (d Daemon) up(ctx context.Context) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := d.claim(); err != nil {
		return err
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if pids := d.daemons(); len(pids) > 0 {
		// Perhaps it was started a moment ago by someone who was killed since.
		alive := func() bool { return arguments(pids[0]) != nil }
		if err := d.answers(ctx, alive); err == nil || ctx.Err() != nil {
			return err
		}
		if err := stop(ctx, pids...); err != nil {
			return err
		}
	}
	if err := d.prepare(); err != nil {
		return err
	}
	alive, err := d.start()
	if err != nil {
		return err
	}
	return d.answers(ctx, alive)
}

// check refuses what cannot work before anything is touched.
func (d Daemon) check() error {
	switch longest := d.path("run", "libvirt-admin-sock"); {
	case !filepath.IsAbs(d.Dir) || filepath.Clean(d.Dir) != d.Dir || strings.ContainsAny(d.Dir, "\"\\\n"):
		return fault.Bad("dir", "%q has to be a clean absolute path without quotes", d.Dir)
	case len(longest) > socketPath:
		return fault.Bad("dir", "%s is %d characters too long: the path of a socket in it may have %d; use a shorter one",
			d.Dir, len(longest)-socketPath, socketPath)
	case os.Geteuid() != 0:
		return fault.New(fault.Denied, "a private libvirtd needs root, for a mount namespace and for bridges")
	}
	var missing []string
	for _, tool := range []string{"libvirtd", "qemu-system-x86_64", "qemu-img"} {
		if _, err := find(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if missing != nil {
		return fault.New(fault.Unavailable, "missing on this machine: %s; install with: apt-get install --no-install-recommends %s",
			strings.Join(missing, ", "), strings.Join(Packages(), " "))
	}
	return nil
}

// claim makes the directory ours. A directory that holds something else is left alone.
func (d Daemon) claim() error {
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return err
	}
	if d.ours() {
		return nil
	}
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fault.New(fault.Conflict, "%s holds files that are not libvirt's; give an empty directory", d.Dir)
	}
	return os.WriteFile(d.path(mark), nil, 0o600)
}

func (d Daemon) ours() bool {
	_, err := os.Stat(d.path(mark))
	return err == nil
}

// lock excludes other Ups and Downs of the same directory; it ends with the process at the latest.
func (d Daemon) lock(ctx context.Context) (func(), error) {
	f, err := os.OpenFile(d.path(mark), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			f.Close()
			return nil, err
		}
	}
}

// start starts the daemon and answers whether its process is still there.
func (d Daemon) start() (alive func() bool, err error) {
	out, err := os.OpenFile(d.path("log", "libvirtd.out"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command("/proc/self/exe", "sandbox", ChildCommand, d.Dir)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fault.Wrap(err, fault.Denied, "make a mount namespace")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	return func() bool {
		select {
		case <-ended:
			return false
		default:
			return true
		}
	}, nil
}

// environment is what the daemon and its guests get to see of ours: nothing they do not need, and no
// secrets.
func environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	for _, key := range []string{"GOCOVERDIR", "TMPDIR"} {
		if value, set := os.LookupEnv(key); set {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// answers waits until the daemon serves its socket, or says why it does not.
func (d Daemon) answers(ctx context.Context, alive func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		there := alive()
		if _, err := version(d.Socket()); err == nil {
			return nil
		}
		if !there {
			return fault.New(fault.Unavailable, "libvirtd ended: %s", d.lastWords())
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fault.New(fault.CodeOf(err), "libvirtd does not answer: %s", d.lastWords())
		}
	}
}

// lastWords are the last lines of the daemon's logs, for a person to read.
func (d Daemon) lastWords() string {
	var words []string
	for _, name := range []string{"libvirtd.out", "libvirtd.log"} {
		text, err := os.ReadFile(d.path("log", name))
		if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); err == nil && lines[0] != "" {
			words = append(words, lines[max(0, len(lines)-3):]...)
		}
	}
	if words == nil {
		return "it wrote nothing to " + d.path("log")
	}
	return strings.Join(words, "; ")
}

// Status looks; it changes nothing and never fails.
func (d Daemon) Status() Status {
	s := Status{Socket: d.Socket()}
	if pids := d.daemons(); len(pids) > 0 {
		s.Running, s.PID = true, pids[len(pids)-1]
		s.Version, _ = version(d.Socket())
	}
	for _, name := range d.guests() {
		s.Guests = append(s.Guests, name)
	}
	return s
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fault.From(ctx.Err())
	case <-timer.C:
		return nil
	}
}
