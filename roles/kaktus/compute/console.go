package compute

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

const (
	consoleLimit = 1 << 20  // bytes of one answer
	consoleKeep  = 4 << 20  // bytes of a console that stay on disk
	consoleTrim  = 16 << 20 // beyond which the older ones are given back
	trimEvery    = 10 * time.Second
)

// Console reads a machine's serial console log. Offsets count all output since the machine was
// defined; what is no longer kept is skipped.
func (h *Host) Console(want agentproto.MachineConsole) (agentproto.MachineOutput, error) {
	op := "read the console of machine " + want.Machine
	if _, err := agentproto.MachineUUID(want.Machine); err != nil {
		return agentproto.MachineOutput{}, fault.Bad("machine", "%.64q is not 24 lower-case hex digits", want.Machine)
	}
	out, err := readConsole(h.console(want.Machine), want.Offset, want.Limit)
	if errors.Is(err, fs.ErrNotExist) {
		if _, known := h.book.get(want.Machine); !known {
			return out, &fault.Error{Code: fault.NotFound, Op: op, Message: "this host has no such machine"}
		}
		return agentproto.MachineOutput{}, nil // it never ran
	}
	return out, fault.Wrap(err, fault.Internal, op)
}

func readConsole(path string, offset, limit int64) (agentproto.MachineOutput, error) {
	var out agentproto.MachineOutput
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return out, err
	}
	size := info.Size()
	switch {
	case offset < 0:
		offset = max(0, size+offset)
	case offset > size: // the log was begun anew
		offset = 0
	}
	// What was given back reads as zeros that no guest wrote.
	if at, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA); err == nil {
		offset = at
	}
	if limit <= 0 || limit > consoleLimit {
		limit = consoleLimit
	}
	out.Data = make([]byte, min(limit, size-offset))
	n, err := f.ReadAt(out.Data, offset)
	if err == io.EOF {
		err = nil
	}
	out.Data, out.Next = out.Data[:n], offset+int64(n)
	return out, err
}

// trimConsoles keeps guests that talk much from filling the host's disk, while ctx lasts.
func (h *Host) trimConsoles(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		entries, err := os.ReadDir(h.cfg.ConsoleDir)
		if err != nil {
			h.log.Warn("consoles cannot be looked at", "error", err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "kb-") {
				continue
			}
			if err := trim(filepath.Join(h.cfg.ConsoleDir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				h.log.Warn("console log cannot be shortened", "file", e.Name(), "error", err)
			}
		}
	}
}

// trim gives the disk space of a log's older part back. Its length stays, so that offsets keep their
// meaning and QEMU, which appends, is not disturbed.
func trim(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Blocks*512 <= consoleTrim {
		return err
	}
	gone := (info.Size() - consoleKeep) &^ 4095
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, gone)
}
