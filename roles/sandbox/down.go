package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"kowabunga/core/fault"
	"kowabunga/roles/sandbox/hypervisor"
	"kowabunga/roles/term"
)

// Down stops the sandbox's machines and daemons. Its data stays, and Up starts it all again, machines
// that ran included. A sandbox that is down, or not there, is fine.
func Down(ctx context.Context, dir string, t *term.Terminal) error {
	return take(ctx, dir, t, false, func(ctx context.Context, s *sandbox) error { return s.halt(ctx, false) })
}

// Destroy stops the sandbox and removes everything of it: machines, bridges, and the directory.
func Destroy(ctx context.Context, dir string, t *term.Terminal) error {
	return take(ctx, dir, t, true, func(ctx context.Context, s *sandbox) error {
		if err := s.halt(ctx, true); err != nil {
			return err
		}
		step := s.show.Step("files")
		if err := s.remove(); err != nil {
			return step.Fail(fault.Wrap(err, fault.Unavailable, "remove the sandbox's files"))
		}
		step.Done("removed %s", s.dir)
		return nil
	})
}

// take does something to the sandbox in a directory while nobody else does. One whose decisions cannot
// be read can still be destroyed: whatever it started goes by its directory.
func take(ctx context.Context, dir string, t *term.Terminal, unread bool, do func(context.Context, *sandbox) error) error {
	s := &sandbox{place: place{dir}, term: t}
	d, exists, err := s.recall()
	if !exists {
		return noSandbox(dir)
	}
	if err != nil && !unread {
		return err
	}
	s.decided = d
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.show = term.NewProgress(t.Err)
	defer s.show.Close()
	return do(ctx, s)
}

// halt stops the daemons first, so that nobody starts a machine again, then the machines, then libvirt.
func (s *sandbox) halt(ctx context.Context, destroy bool) error {
	if s.decided.Simulate {
		step := s.show.Step("sim")
		stopped := false
		for _, pid := range s.simPids() {
			if err := end(ctx, pid, stopWithin); err != nil {
				return step.Fail(fault.Wrap(err, fault.Unavailable, "stop the simulated host"))
			}
			stopped = true
		}
		ended(step, stopped)
		return s.haltDaemon(ctx, s.kahunaDaemon())
	}
	for _, d := range []daemon{s.kaktusDaemon(), s.kahunaDaemon()} {
		if err := s.haltDaemon(ctx, d); err != nil {
			return err
		}
	}
	step := s.show.Step("machines")
	machines, err := s.machines()
	if err != nil {
		return step.Fail(err)
	}
	private := hypervisor.Daemon{Dir: s.libvirt()}
	if s.decided.Libvirt != "" || private.Status().Running {
		if err := haltMachines(ctx, s.socket(), machines, destroy && s.decided.Libvirt != ""); err != nil && s.decided.Libvirt != "" {
			return step.Fail(err)
		}
	}
	step.Done("%d stopped", len(machines))
	if s.decided.Libvirt == "" {
		step = s.show.Step("libvirt")
		end := private.Down
		if destroy {
			end = private.Destroy
		}
		if err := end(ctx); err != nil { // also ends machines whose libvirt died before them
			return step.Fail(err)
		}
		step.Done("stopped")
	}
	if destroy {
		step = s.show.Step("network")
		if err := removeBridges(s.place, s.decided.Bridge); err != nil {
			return step.Fail(err)
		}
		if err := removeRules(s.place); err != nil {
			step.Done("bridges removed; the rules about what machines may send are left: %v", err)
			return nil
		}
		step.Done("bridges and rules removed")
	}
	return nil
}

func (s *sandbox) haltDaemon(ctx context.Context, d daemon) error {
	step := s.show.Step(d.name)
	stopped, err := d.stop(ctx)
	if err != nil {
		return step.Fail(err)
	}
	ended(step, stopped)
	return nil
}

func ended(step *term.Step, stopped bool) {
	if stopped {
		step.Done("stopped")
	} else {
		step.Skip("did not run")
	}
}

// remove removes the files. The mark goes last, so that an interrupted removal can be repeated.
func (p place) remove() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(p.mark()) {
			if err := os.RemoveAll(p.path(entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(p.mark()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(p.dir)
}
