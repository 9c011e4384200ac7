package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// place is the directory of a sandbox.
type place struct{ dir string }

func (p place) path(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

func (p place) mark() string        { return p.path("sandbox.json") }
func (p place) credentials() string { return p.path("credentials.json") }
func (p place) ca() string          { return p.path("ca.pem") }
func (p place) kahuna() string      { return p.path("kahuna") }
func (p place) kaktus() string      { return p.path("kaktus") }
func (p place) libvirt() string     { return p.path("libvirt") }
func (p place) images() string      { return p.path("images") }
func (p place) pool() string        { return p.path("pool") }
func (p place) simulated() string   { return p.path("sim") }
func (p place) agentKey() string    { return p.path("secrets", "agent-key") }
func (p place) sshKey() string      { return p.path("secrets", "id_ed25519") }
func (p place) rootPassword() string {
	return p.path("secrets", "root-password")
}

// decided is what the first Up decided; it never changes afterwards.
type decided struct {
	Simulate bool   `json:"simulate"`
	Listen   string `json:"listen"`  // of Kahuna
	Bridge   string `json:"bridge"`  // Linux bridge of the machines
	Network  string `json:"network"` // /24 on it
	Libvirt  string `json:"libvirt"` // socket of the system's libvirt; empty: a private one
}

// default directories, by who asks.
func defaultDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/kowabunga/sandbox"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "kowabunga-sandbox"
	}
	return filepath.Join(home, ".local", "share", "kowabunga", "sandbox")
}

// number tells sandboxes of one machine apart: 0 for those in default directories, else 1 to 199 by the
// directory's name.
func (p place) number() int {
	if p.dir == "/var/lib/kowabunga/sandbox" {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(p.dir))
	return 1 + int(h.Sum32()%199)
}

// recall reads what was decided; false when there is no sandbox.
func (p place) recall() (decided, bool, error) {
	var d decided
	text, err := os.ReadFile(p.mark())
	if errors.Is(err, fs.ErrNotExist) {
		return d, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, true, &fault.Error{Code: fault.Internal, Op: "read the sandbox", Message: p.mark() + " cannot be read; restore it, or remove the sandbox with: kowabunga sandbox destroy --dir " + p.dir, Err: err}
	}
	return d, true, nil
}

// claim makes the directory, if it holds nothing of somebody else's.
func (p place) claim() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Unavailable, "make the sandbox's directory")
	}
	if _, err := os.Stat(p.mark()); err == nil {
		return nil
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "look at the sandbox's directory")
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(p.mark())+".part" {
			return &fault.Error{Code: fault.Conflict, Op: "make the sandbox", Message: p.dir + " is not empty: it holds " + entry.Name() + "; name an empty or new directory"}
		}
	}
	return nil
}

// lock keeps other Ups, Downs and Destroys of the same directory out; it ends with the process at the
// latest.
func (p place) lock(ctx context.Context) (func(), error) {
	const op = "lock the sandbox"
	f, err := os.Open(p.dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fault.Wrap(err, fault.Unavailable, op)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fault.From(context.Cause(ctx))
		case <-tick.C:
		}
	}
	// The one who held it may have destroyed the sandbox, and the directory with it.
	if held, err := f.Stat(); err == nil {
		if now, err := os.Stat(p.dir); err == nil && os.SameFile(held, now) {
			return func() { f.Close() }, nil
		}
	}
	f.Close()
	return nil, &fault.Error{Code: fault.Conflict, Op: op, Message: "the sandbox was destroyed meanwhile; try again"}
}

// keepJSON writes a private file whole.
func keepJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return keep(path, append(text, '\n'), 0o600)
}

// keep writes a file so that it is there whole or not at all.
func keep(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// kept reads a one-line secret, or makes it: what is there already stays.
func kept(path string, make func() (string, error)) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 1 {
		return string(text[:len(text)-1]), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	value, err := make()
	if err != nil {
		return "", err
	}
	return value, keep(path, []byte(value+"\n"), 0o600)
}
