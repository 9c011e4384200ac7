package hypervisor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// ChildCommand is the hidden subcommand of "kowabunga sandbox" that has to call [Child].
const ChildCommand = "libvirtd-child"

// place is one of libvirt's compiled-in directories and where the daemon finds it.
type place struct{ name, path string }

var places = []place{
	{"etc", "/etc/libvirt"},
	{"lib", "/var/lib/libvirt"},
	{"cache", "/var/cache/libvirt"},
	{"log", "/var/log/libvirt"},
	{"run", "/run/libvirt"},
}

// placeMark lies in a compiled-in directory that did not exist before we had to mount over it.
const placeMark = ".kowabunga-mount-point"

// Child runs in the process that Up cloned into a mount namespace of its own: args is the one
// directory. It arranges the namespace and keeps libvirtd running there, until SIGTERM or until that is of
// no use. It refuses to run in the namespace of the process that started it, where its mounts would show.
func Child(args []string) error {
	return fault.Wrap(child(args), fault.Unavailable, "run libvirtd")
}

func child(args []string) error {
	if len(args) != 1 {
		return fault.New(fault.Malformed, "one argument, the directory, is needed; this command is not for people")
	}
	d := Daemon{Dir: args[0]}
	if err := d.check(); err != nil {
		return err
	}
	if !d.ours() {
		return fault.New(fault.Conflict, "%s was not prepared; this command is not for people", d.Dir)
	}
	shared, err := sharesNamespace()
	if err != nil {
		return err
	}
	if shared {
		return fault.New(fault.Denied, "a mount namespace of its own is needed; this command is not for people")
	}
	// What others mount still shows up inside, nothing of ours outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fault.Wrap(err, fault.Denied, "take the namespace off the system's")
	}
	if err := d.bind(); err != nil {
		return err
	}
	binary, err := find("libvirtd")
	if err != nil {
		return err
	}
	return d.supervise(binary, atOnce)
}

// sharesNamespace compares our mount namespace with that of our parent, the process that cloned us or,
// should that be gone, the one that adopted us.
func sharesNamespace() (bool, error) {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return false, err
	}
	parent, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(os.Getppid()), "ns/mnt"))
	if err != nil {
		return false, err
	}
	return own == parent, nil
}

// bind puts the daemon's directories over the compiled-in ones, and accounts with libvirt's user over
// the system's where that user is missing.
func (d Daemon) bind() error {
	unlock, err := lockPlaces()
	if err != nil {
		return err
	}
	defer unlock()
	for _, p := range places {
		if err := makePlace(p.path); err != nil {
			return err
		}
		if err := unix.Mount(d.path(p.name), p.path, "", unix.MS_BIND, ""); err != nil {
			return fault.Wrap(err, fault.Denied, "bind "+p.path)
		}
	}
	// libvirt does not start when its default user for QEMU is unknown, even though qemu.conf names
	// another. libvirt-daemon-system would create it; the number is the one Debian reserves.
	for file, line := range map[string]string{
		"passwd": "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
		"group":  "libvirt-qemu:x:64055:\n",
	} {
		text, err := os.ReadFile("/etc/" + file)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(text, []byte("libvirt-qemu:")) || bytes.Contains(text, []byte("\nlibvirt-qemu:")) {
			continue
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		if err := os.WriteFile(d.path("etc", file), append(text, line...), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(d.path("etc", file), "/etc/"+file, "", unix.MS_BIND, ""); err != nil {
			return fault.Wrap(err, fault.Denied, "bind /etc/"+file)
		}
	}
	return nil
}

// lockPlaces keeps one sandbox from removing a mount point another one is about to use.
func lockPlaces() (func(), error) {
	f, err := os.Open("/run")
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return func() { f.Close() }, nil
	}
}

func makePlace(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(path, placeMark), nil, 0o644)
}

// removePlaces removes the mount points that were made by this package, hold nothing, and are not in
// use by any process: removing one under a mount would take the mount from that process.
func removePlaces() error {
	unlock, err := lockPlaces()
	if err != nil {
		return err
	}
	defer unlock()
	used := mountPoints()
	for _, p := range places {
		entries, err := os.ReadDir(p.path)
		if err != nil || used[p.path] || len(entries) != 1 || entries[0].Name() != placeMark {
			continue
		}
		if err := os.RemoveAll(p.path); err != nil {
			return err
		}
	}
	return nil
}

// mountPoints are the paths anything is mounted on in any process's namespace (proc_pid_mountinfo(5),
// field 5).
func mountPoints() map[string]bool {
	used := map[string]bool{}
	files, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		return used
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if fields := strings.Fields(line); len(fields) > 4 {
				used[fields[4]] = true
			}
		}
	}
	return used
}

func find(tool string) (string, error) {
	if path, err := exec.LookPath(tool); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", tool))
}
