package hypervisor

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"kowabunga/core/fault"
)

// Down destroys the guests and stops the daemon. Definitions, images and logs stay. A directory without
// a daemon is fine.
func (d Daemon) Down(ctx context.Context) error {
	return fault.Wrap(d.down(ctx), fault.Unavailable, "stop libvirtd")
}

func (d Daemon) down(ctx context.Context) error {
	if !d.ours() {
		return nil
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return d.halt(ctx)
}

func (d Daemon) halt(ctx context.Context) error {
	pids := d.daemons()
	if len(pids) > 0 {
		// Asked nicely libvirt also takes down what belongs to a guest, such as its tap devices. What it
		// does not do is done below.
		_ = destroyAll(d.Socket())
		if err := stop(ctx, pids...); err != nil {
			return err
		}
	}
	guests := d.guests()
	left := make([]int, 0, len(guests))
	for pid := range guests {
		left = append(left, pid)
	}
	if err := stop(ctx, left...); err != nil {
		return err
	}
	if err := d.endProbes(ctx); err != nil {
		return err
	}
	return d.sweep()
}

// Destroy is Down, and then removes the directory and whatever Up had to create elsewhere.
func (d Daemon) Destroy(ctx context.Context) error {
	return fault.Wrap(d.destroy(ctx), fault.Unavailable, "remove libvirtd")
}

func (d Daemon) destroy(ctx context.Context) error {
	if !d.ours() {
		return nil
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.halt(ctx); err != nil {
		return err
	}
	if err := removePlaces(); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return err
	}
	// The mark goes last, so that an interrupted removal can be repeated.
	for _, entry := range entries {
		if entry.Name() != mark {
			if err := os.RemoveAll(d.path(entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(d.path(mark)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(d.Dir)
}
