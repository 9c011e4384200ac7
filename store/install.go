package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

// A snapshot has the frames of a backup without the sealing key; its header is a SnapshotHeader.
const snapshotMagic = "KOWABUNGA SNAPSHOT 1\n"

// The moments of a snapshot and its installation.
var (
	snapshotBegun       = failpoint.Register("store.snapshot.begun")
	installBeforeWrite  = failpoint.Register("store.install.before-write")
	installBeforeRename = failpoint.Register("store.install.before-rename")
	installAfterRename  = failpoint.Register("store.install.after-rename")
)

// SnapshotHeader says what a snapshot holds.
type SnapshotHeader struct {
	Header
	Highest uint64 `json:"highest"`         // counter of the highest epoch that the store knows of
	Drill   bool   `json:"drill,omitempty"` // as the store's
}

// Snapshot writes the published state, with the journal up to it, for another node that holds the same
// sealing key, and returns its position. Changes go on meanwhile.
func (s *Store) Snapshot(ctx context.Context, w io.Writer) (Position, error) {
	now := s.published.Load()
	h := SnapshotHeader{Header: *s.header(now), Highest: s.HighestEpoch(), Drill: now.state.Drill}
	out := &framer{ctx: ctx, w: w, sum: sha256.New()}
	out.raw([]byte(snapshotMagic))
	out.json('h', h)
	err := snapshotBegun.Hit()
	if err == nil {
		err = s.pack(out, now)
	}
	if err != nil {
		return Position{}, fault.Wrap(err, fault.Unavailable, "write a snapshot")
	}
	return h.Position, nil
}

// ReadSnapshot verifies a whole snapshot that was made with a sealing key, without installing it. Faults:
// Malformed when it is damaged, Denied when it was made with another key, Conflict when a newer release
// made it.
func ReadSnapshot(ctx context.Context, r io.Reader, key Key) (*SnapshotHeader, error) {
	goOn := func() error {
		if err := ctx.Err(); err != nil {
			return fault.From(err)
		}
		return nil
	}
	u, h, err := unpackSnapshot(r)
	if err == nil {
		_, err = u.content(seal.New(key),
			func(_, _, _ []byte) error { return goOn() },
			func(*journal.Record, []byte) error { return goOn() })
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Malformed, "read the snapshot")
	}
	return h, nil
}

// unpackSnapshot reads a snapshot up to its first object.
func unpackSnapshot(r io.Reader) (*unpacker, *SnapshotHeader, error) {
	u, h := framed(r, "snapshot"), &SnapshotHeader{}
	if err := u.begin(snapshotMagic, h); err != nil {
		return nil, nil, err
	}
	if u.header = h.Header; h.Schema > schema {
		return nil, nil, newer(h.Schema)
	}
	if h.Schema < oldestBackup {
		return nil, nil, u.malformed("claims schema %d, which made none", h.Schema)
	}
	return u, h, nil
}

// Install makes a snapshot the store in opts.Dir. What was there is lost, except for the id of its node
// and the highest epoch it knew of; it may be damaged, and nobody may have it open. The new file is written
// aside, verified as by Check and then renamed: until then, after a crash too, the old one stands. All of
// a snapshot is published. Faults: those of ReadSnapshot, and Unavailable when somebody has the store.
func Install(ctx context.Context, r io.Reader, opts Options) error {
	return fault.Wrap(installSnapshot(ctx, r, opts.filled()), fault.Unavailable, "install the snapshot")
}

func installSnapshot(ctx context.Context, r io.Reader, opts Options) (err error) {
	if err := declared(opts.Tables); err != nil {
		return err
	}
	if err := durable.MkdirAll(opts.Dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(opts.Dir, fileName)
	old, release, err := replaced(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	u, h, err := unpackSnapshot(r)
	if err != nil {
		return err
	}
	if err := installBeforeWrite.Hit(); err != nil {
		return err
	}
	sealer := seal.New(opts.SealKey)
	st := &state{Position: h.Position, Time: h.Time, Epoch: max(old.Epoch, h.Highest, h.Epoch.Counter), Reign: h.Epoch,
		Node: old.Node, Check: sealer.Check(), Created: h.Store, Drill: h.Drill}
	aside := path + asideExt
	if _, err := fillFile(ctx, aside, u, st, sealer, RestoreOptions{Tables: opts.Tables}); err != nil {
		return errors.Join(err, os.Remove(aside))
	}
	if err := installBeforeRename.Hit(); err != nil {
		return err
	}
	if err := install(aside, path); err != nil {
		return err
	}
	return installAfterRename.Hit()
}

// replaced locks the file that is about to be replaced, and tells what remains of it: a new node when
// there is no file, or none that can be read.
func replaced(path string) (old state, release func() error, err error) {
	old.Node = newNode()
	db, err := openFile(path, true)
	if fault.Is(err, fault.NotFound) {
		return old, func() error { return nil }, nil
	}
	if errors.Is(err, errDamaged) {
		f, err := os.Open(path)
		if err != nil {
			return old, nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return old, nil, errors.Join(err, f.Close())
		}
		return old, f.Close, nil
	}
	if err != nil {
		return old, nil, err
	}
	_ = guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if st, err := readState(tx); err == nil && st.Node != "" {
				old = st
				old.Epoch = reached(filepath.Join(filepath.Dir(path), walName), st)
			}
			return nil
		})
	})
	return old, db.Close, nil
}
