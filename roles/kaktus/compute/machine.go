package compute

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// offWithin is how long a machine may take to be off after it was forced. libvirt itself gives QEMU up
// to 40 s.
const offWithin = time.Minute

// Define creates or redefines a machine; it neither starts nor stops it. A running machine takes a new
// definition at its next start.
func (h *Host) Define(ctx context.Context, m agentproto.Machine) (agentproto.MachineStatus, error) {
	op := "define machine " + m.Machine
	if err := checkMachine(m); err != nil {
		return absent(m.Machine), fault.Wrap(err, fault.Invalid, op)
	}
	release, err := h.turns.Take(ctx, m.Machine)
	if err != nil {
		return absent(m.Machine), err
	}
	defer release()
	p := plan{machine: m, arch: arch(), accel: h.cfg.Accel.Kind, console: h.console(m.Machine), secret: password()}
	for i, d := range m.Disks {
		where, err := h.cfg.Disk(d.VolumeRef)
		if err != nil {
			return absent(m.Machine), fault.Wrap(err, fault.Internal, fmt.Sprintf("%s: disk %d", op, i))
		}
		p.disks = append(p.disks, where)
	}
	if m.Seed != nil {
		where, err := h.cfg.Seed(*m.Seed)
		if err != nil {
			return absent(m.Machine), fault.Wrap(err, fault.Internal, op+": configuration disk")
		}
		p.seed = &where
	}
	uefi, note, err := h.uefi(ctx, m)
	if err != nil {
		return absent(m.Machine), err
	}
	if p.uefi = uefi; note != "" {
		h.log.Warn("machine asked for UEFI", "machine", m.Machine, "note", note)
	}
	text, err := p.definition()
	if err != nil {
		return absent(m.Machine), fault.Wrap(err, fault.Internal, op)
	}
	// The record comes first: a domain without one would be nobody's after a crash.
	before, _ := h.book.get(m.Machine)
	if err := h.book.put(record{Machine: m, Accel: p.accel, Run: m.Run, Ran: before.Ran, Cut: before.Cut, UEFI: uefi, Note: note, Taps: true}); err != nil {
		return absent(m.Machine), err
	}
	h.cfg.Guard()
	err = h.conn.do(ctx, op, func(lv *libvirt.Libvirt) error {
		// Another domain with this UUID must not be taken over.
		if _, err := lookup(lv, m.Machine); err != nil && !libvirt.IsNotFound(err) {
			return err
		}
		if err := fpDefine.Hit(); err != nil {
			return err
		}
		d, err := lv.DomainDefineXML(text)
		if err == nil {
			err = fpDefined.Hit()
		}
		if err != nil {
			return err
		}
		return lv.DomainSetAutostart(d, 0)
	})
	if err != nil {
		h.unrecord(ctx, m.Machine, before)
		return absent(m.Machine), err
	}
	st, err := h.State(ctx, m.Machine)
	if err == nil {
		h.tell(st)
	}
	return st, err
}

// unrecord puts the record back after a definition was refused.
func (h *Host) unrecord(ctx context.Context, id string, before record) {
	var err error
	if before.Machine.Machine != "" {
		err = h.book.put(before)
	} else if st, look := h.State(ctx, id); look == nil && !st.Known {
		err = h.book.remove(id)
	}
	if err != nil {
		h.log.Error("machine's record cannot be put back", "machine", id, "error", err)
	}
	h.cfg.Guard()
}

// Delete removes a machine: forces it off, undefines it, and only then forgets it. Its disks stay. If
// libvirt fails at any step nothing later is done. An absent machine is done.
func (h *Host) Delete(ctx context.Context, id string) error {
	op := "delete machine " + id
	release, err := h.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	defer h.act(id)()
	if err := h.book.change(id, func(r *record) { r.Run, r.Ran = false, false }); err != nil {
		return err
	}
	if _, err := h.forceOff(ctx, op, id); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	err = h.conn.do(ctx, op, func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if err == nil {
			err = fpUndefine.Hit()
		}
		if err == nil {
			err = lv.DomainUndefineFlags(d, libvirt.DomainUndefineManagedSave|libvirt.DomainUndefineSnapshotsMetadata|libvirt.DomainUndefineNvram|libvirt.DomainUndefineCheckpointsMetadata)
		}
		if libvirt.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := fpUndefined.Hit(); err != nil {
		return err
	}
	st, err := h.State(ctx, id)
	if err != nil {
		return err
	}
	if st.Known {
		return fault.New(fault.Internal, "%s: libvirt still has it", op)
	}
	h.tell(st)
	if err := h.removeConsole(id); err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	if err := h.book.remove(id); err != nil {
		return err
	}
	h.cfg.Guard()
	return nil
}

// forceOff takes the power away and waits until the machine is off. NotFound when it is not there.
func (h *Host) forceOff(ctx context.Context, op, id string) (agentproto.MachineStatus, error) {
	err := h.conn.do(ctx, op, func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if err != nil {
			return err
		}
		if err := fpDestroy.Hit(); err != nil {
			return err
		}
		err = lv.DomainDestroyFlags(d, libvirt.DomainDestroyDefault)
		if isState(err) {
			err = nil // it is off; await makes sure of it
		}
		if err == nil {
			err = fpDestroyed.Hit()
		}
		return err
	})
	if err != nil {
		return absent(id), err
	}
	st, ok, err := h.await(ctx, id, offWithin, off)
	if err == nil && !ok {
		err = fault.New(fault.Unavailable, "%s: it is still %s after %v; its QEMU hangs", op, st.State, offWithin)
	}
	return st, err
}

// isState tells libvirt's "not in this state" from other errors.
func isState(err error) bool {
	var e libvirt.Error
	return errors.As(err, &e) && libvirt.ErrorNumber(e.Code) == libvirt.ErrOperationInvalid
}

func off(st agentproto.MachineStatus) bool {
	return !st.Known || st.State == agentproto.StateShutoff
}

// GrowDisk makes a disk of a machine larger: through QEMU while the machine runs, else by offline.
func (h *Host) GrowDisk(ctx context.Context, id, path string, size int64, offline func() error) error {
	release, err := h.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	online := false
	err = h.conn.do(ctx, "grow a disk of machine "+id, func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if libvirt.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		state, _, err := lv.DomainGetState(d, 0)
		if err != nil || libvirt.DomainState(state) == libvirt.DomainShutoff {
			return err
		}
		err = lv.DomainBlockResize(d, path, uint64(size), libvirt.DomainBlockResizeBytes)
		var e libvirt.Error
		if isState(err) || errors.As(err, &e) && libvirt.ErrorNumber(e.Code) == libvirt.ErrInvalidArg {
			return nil // it just went off, or does not have the disk; offline looks whether it is in use
		}
		online = err == nil
		if online {
			err = fpGrowOnline.Hit()
		}
		return err
	})
	if err != nil || online {
		return err
	}
	return offline()
}

// act marks a machine as being acted upon, until the returned function is called: that it stops is
// then no decision of its guest.
func (h *Host) act(id string) func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acting[id]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.acting[id]--; h.acting[id] == 0 {
			delete(h.acting, id)
		}
	}
}

func (h *Host) console(id string) string {
	return filepath.Join(h.cfg.ConsoleDir, domainName(id)+".log")
}

func (h *Host) removeConsole(id string) error {
	// libvirt's log daemon keeps older parts beside the log.
	paths, err := filepath.Glob(h.console(id) + "*")
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// arch is the host's architecture by its name in libvirt.
func arch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}
