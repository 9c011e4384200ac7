package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
	"kowabunga/store/seal"
)

var (
	restoreInstall = failpoint.Register("store.restore.before-install")
	createInstall  = failpoint.Register("store.create.before-install")
)

// RestoreOptions say where a backup goes and how its secrets open.
type RestoreOptions struct {
	Dir    string        // missing or empty
	Tables []model.Table // every kind that is kept

	// One of these, unless the key is outside, then SealKey.
	SealKey    *Key
	Passphrase string
	Identities string // age identities, "AGE-SECRET-KEY-1..." one a line

	// Segments continue the backup, in order.
	Segments []Part
	// One of these restores an earlier state: as after the record of an index, or after the last record
	// that is not later than a time. The journal in the backup must reach back to it.
	At    uint64
	Until time.Time

	// Promote states that the store the backup was made of is off for good: the restored one may command
	// agents, in an epoch above any that one can have reached.
	Promote bool
}

// promotion is how far a promoted epoch lies above the last one known: more than a store opens in its
// life after the backup.
const promotion = 65536

// oldestBackup is the first schema that made backups of this form.
const oldestBackup = 2

// Restored says what a restore made.
type Restored struct {
	Header             // of the backup
	Reached  Position  // of the store that was made
	Moment   time.Time // of the record there
	First    time.Time // of the first record the journal keeps
	Cut      Position  // the record before that
	Records  int       // in the journal
	Segments int       // that were used
}

// Restore is RestoreChain for who wants to know what the backup says.
func Restore(ctx context.Context, r io.Reader, o RestoreOptions) (*Header, Key, error) {
	made, key, err := RestoreChain(ctx, r, o)
	if err != nil {
		return nil, Key{}, err
	}
	return &made.Header, key, nil
}

// RestoreChain makes a new store of a backup and the segments that continue it, with a node id of its
// own, and returns what it made and the sealing key, which the caller keeps beside the data. Everything
// is verified as by Check before the file gets its name; until then nothing counts. Faults: Conflict when
// the folder is not empty or a newer release made the backup; Invalid when there is no way to the sealing
// key; Denied when the key is wrong; Malformed when the backup is damaged or a segment does not continue
// it, which is named; NotFound, with ErrGone, for a moment that lies outside of it.
func RestoreChain(ctx context.Context, r io.Reader, o RestoreOptions) (*Restored, Key, error) {
	made, key, err := restore(ctx, r, o)
	if err != nil {
		return nil, Key{}, fault.Wrap(err, fault.Unavailable, "restore the backup")
	}
	return made, key, nil
}

func restore(ctx context.Context, r io.Reader, o RestoreOptions) (made *Restored, key Key, err error) {
	if err := declared(o.Tables); err != nil {
		return nil, key, err
	}
	if err := durable.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, key, err
	}
	path := filepath.Join(o.Dir, fileName)
	inside, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, key, err
	}
	for _, e := range inside {
		if e.Name() != fileName+asideExt { // what an interrupted restore left
			return nil, key, fault.New(fault.Conflict, "%s is not empty; restore into an empty folder", o.Dir)
		}
	}
	u, err := unpack(r)
	if err != nil {
		return nil, key, err
	}
	h := &u.header
	if h.Schema > schema {
		return nil, key, newer(h.Schema)
	}
	if h.Schema < oldestBackup {
		return nil, key, fault.New(fault.Malformed, "the backup claims schema %d, which made none", h.Schema)
	}
	if key, err = u.key(o); err != nil {
		return nil, key, err
	}
	sealer := seal.New(key)
	st := &state{Position: h.Position, Time: h.Time, Epoch: h.Epoch.Counter, Node: newNode(), Check: sealer.Check(), Created: h.Store, Drill: !o.Promote}
	if o.Promote {
		st.Epoch += promotion
	}
	aside := path + asideExt
	report, err := fillFile(ctx, aside, u, st, sealer, o)
	if err != nil {
		return nil, key, errors.Join(err, os.Remove(aside))
	}
	if err := restoreInstall.Hit(); err != nil {
		return nil, key, err
	}
	made = &Restored{Header: *h, Reached: st.Position, Moment: st.Time, First: report.first, Cut: st.Cut, Records: report.Records, Segments: len(o.Segments)}
	return made, key, install(aside, path)
}

// fillFile writes a backup as a file and checks it.
func fillFile(ctx context.Context, aside string, u *unpacker, st *state, sealer *seal.Sealer, o RestoreOptions) (*Report, error) {
	if err := createFile(aside, func(tx *bbolt.Tx) error { return layOut(tx, u.header.Schema, st, o.Tables) }); err != nil {
		return nil, err
	}
	// It counts for nothing before install syncs it. It is synced now and then all the same: the disk has other work.
	db, err := bbolt.Open(aside, 0o600, &bbolt.Options{Timeout: lockWait, NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	in := &filling{ctx: ctx, db: db, st: st}
	st.Cut, err = u.content(sealer,
		func(kind, id, value []byte) error {
			return in.put(len(value), func(tx *bbolt.Tx) error { return place(tx, kind, id, value) })
		}, in.record)
	for i := 0; err == nil && i < len(o.Segments); i++ {
		err = in.segment(&u.header, sealer, o.Segments[i])
	}
	if err == nil {
		err = in.rewind(o)
	}
	if err == nil {
		err = in.put(0, func(tx *bbolt.Tx) error { return writeState(tx, st) })
	}
	if err = errors.Join(err, in.end(err == nil)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := steps(db, u.header.Schema, Options{}.filled(), sealer); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	report, err := check(ctx, db, o.Tables, sealer)
	if err == nil && !report.OK() {
		f := report.Findings[0]
		err = fault.New(fault.Malformed, "the backup contradicts itself in %d places, first: %s %s", len(report.Findings), f.Where, f.What)
	}
	return report, errors.Join(err, db.Close())
}

// filling spreads many writes over transactions of a few megabytes.
type filling struct {
	ctx  context.Context
	db   *bbolt.DB
	st   *state
	tx   *bbolt.Tx
	size int
}

func (f *filling) put(size int, write func(*bbolt.Tx) error) (err error) {
	if err := f.ctx.Err(); err != nil {
		return fault.From(err)
	}
	if f.size > 4<<20 {
		if err := f.end(true); err != nil {
			return err
		}
	}
	if f.tx == nil {
		if f.tx, err = f.db.Begin(true); err != nil {
			return err
		}
	}
	f.size += size + 64
	return write(f.tx)
}

func (f *filling) end(commit bool) (err error) {
	if f.tx != nil && commit {
		if err = f.tx.Commit(); err == nil {
			err = f.db.Sync()
		}
	} else if f.tx != nil {
		err = f.tx.Rollback()
	}
	f.tx, f.size = nil, 0
	return err
}

// Promote states that every other store of the same origin is off for good, and lets a restored store
// command agents, in an epoch above any that those can have reached. Nobody may have the store open.
func Promote(opts Options) error {
	const op = "promote the store"
	db, err := openFile(filepath.Join(opts.Dir, fileName), false)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		st, err := readState(tx)
		if err != nil {
			return err
		}
		st.Epoch, st.Drill = st.Epoch+promotion, false
		return writeState(tx, &st)
	})
	return fault.Wrap(errors.Join(err, db.Close()), fault.Unavailable, op)
}
