package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
	"kowabunga/store/tree"
)

// Report is what a check found. Nothing is ever repaired.
type Report struct {
	Position
	Schema   uint64    `json:"schema"`
	Cut      Position  `json:"cut"`
	Records  int       `json:"records"` // journal records read
	Objects  int       `json:"objects"` // objects read
	Findings []Finding `json:"findings,omitempty"`
	first    time.Time // of the first record, zero when there is none
}

// OK tells whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Finding is one thing that is wrong: where, e.g. "journal 17" or "zone 65f0...", and what.
type Finding struct {
	Where string `json:"where"`
	What  string `json:"what"`
}

func (r *Report) find(where, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{where, fmt.Sprintf(format, args...)})
}

// Check reads everything in the store of opts.Dir, which nobody may have open for writing: the pages of
// the file; the chain of the journal from the cut to the end, the log included; that every object decodes and its secrets
// open; that keys are unique and references lead somewhere; that each object is what the journal last
// said. Faults: NotFound, Unavailable when another process has the file, Conflict when a newer release wrote it,
// Denied when it is sealed with another key. What is wrong inside is in the report.
func Check(ctx context.Context, opts Options) (*Report, error) {
	db, err := openFile(filepath.Join(opts.Dir, fileName), true)
	if errors.Is(err, errDamaged) {
		report := &Report{}
		report.find("file", "%s", fault.From(errors.Unwrap(err)).Public())
		return report, nil // nothing else in it can be relied on
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "check the store")
	}
	defer db.Close()
	report, err := check(ctx, db, opts.Tables, seal.New(opts.SealKey))
	if err == nil {
		report.log(db, filepath.Join(opts.Dir, walName))
	}
	return report, err
}

// log reads what a process left in the log that did not end in order: the next start takes it over.
func (r *Report) log(db *bbolt.DB, path string) {
	err := guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			had, err := readState(tx)
			if err != nil || had.Lap == nil {
				return nil // what is wrong with it was found already
			}
			records, _, err := logOf(path, had)
			if n := len(records); n > 0 {
				r.Records += n
				r.Position = Position{records[n-1].Index, records[n-1].Hash}
			}
			return err
		})
	})
	if err != nil {
		r.find("log", "%s", fault.From(err).Public())
	}
}

// Check does the same to the open store, as of its last commit.
func (s *Store) Check(ctx context.Context) (*Report, error) {
	if err := s.view(func(*bbolt.Tx) error { return nil }); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "check the store")
	}
	if err := soundTree(s.db); err != nil {
		report := &Report{}
		report.find("file", "%s", fault.From(err).Public())
		return report, nil
	}
	return check(ctx, s.db, s.opts.Tables, s.sealer)
}

func check(ctx context.Context, db *bbolt.DB, tables []model.Table, sealer *seal.Sealer) (*Report, error) {
	report := &Report{}
	var refused error
	err := guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			refused = report.read(ctx, tx, tables, sealer)
			return nil
		})
	})
	if err != nil {
		report.find("file", "%s", fault.From(err).Public())
	}
	if refused != nil {
		return nil, fault.Wrap(refused, fault.Unavailable, "check the store")
	}
	return report, nil
}

// last is what the journal said last about an object.
type last struct {
	op      journal.Op
	version uint64
	after   seal.Value
}

type target struct {
	kind model.Kind
	id   model.ID
}

func (r *Report) read(ctx context.Context, tx *bbolt.Tx, tables []model.Table, sealer *seal.Sealer) error {
	n, err := schemaOf(tx)
	if err != nil {
		return err
	}
	if r.Schema = n; n > schema {
		return newer(n)
	}
	if n < schema {
		return fault.New(fault.Conflict, "the data is of schema %d; open it once with this release, which has schema %d, then check", n, schema)
	}
	st, err := readState(tx)
	if err != nil {
		r.find("file", "%s", fault.From(err).Public())
		return nil
	}
	if !sealer.Same(st.Check) {
		return fault.New(fault.Denied, "the data is sealed with another key than the one given")
	}
	r.Position, r.Cut = st.Position, st.Cut
	if _, err := laidOut(tx, st); err != nil {
		r.find("file", "%s", fault.From(err).Public())
	}
	said, err := r.chain(ctx, tx.Bucket(journalBucket), st)
	if err != nil {
		return err
	}
	return r.objects(ctx, tx.Bucket(objectsBucket), tables, sealer, said)
}

// chain reads the journal. The values it returns are good for the transaction only.
func (r *Report) chain(ctx context.Context, log *bbolt.Bucket, st state) (map[target]last, error) {
	said := map[target]last{}
	at, size := st.Cut, int64(0)
	shown := st.Published == nil || st.Published.Position == at
	var epoch Epoch
	var when time.Time
	for k, v := range pairs(log) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.Records++
		size += int64(len(k) + len(v))
		where := fmt.Sprintf("journal %x", k)
		if len(k) == 8 {
			where = fmt.Sprintf("journal %d", binary.BigEndian.Uint64(k))
		}
		rec, err := journal.Decode(v)
		if err != nil {
			r.find(where, "%s", err)
			at.Index++ // one damaged record is one finding, and one more for the gap in the chain
			continue
		}
		if err := rec.Follows(at.Index, at.Hash); err != nil {
			r.find(where, "%s", err)
		}
		if !bytes.Equal(k, number(rec.Index)) {
			r.find(where, "holds record %d", rec.Index)
		}
		if rec.Time.Before(when) {
			r.find(where, "is earlier than the record before it")
		}
		if rec.Epoch.Counter < epoch.Counter {
			r.find(where, "is of epoch %s, after one of epoch %s", rec.Epoch, epoch)
		}
		if r.first.IsZero() {
			r.first = rec.Time
		}
		at, when, epoch = Position{rec.Index, rec.Hash}, rec.Time, rec.Epoch
		shown = shown || st.Published.Position == at
		for _, c := range rec.Changes {
			for _, v := range []seal.Value{c.Before, c.After} {
				if _, err := v.JSON(); len(v) > 0 && err != nil {
					r.find(where, "%s %s: %s", c.Kind, c.ID, err)
				}
			}
			said[target{c.Kind, c.ID}] = last{c.Op, c.Version, c.After}
		}
	}
	if at != st.Position {
		r.find("journal", "ends at record %d (%s), the file says at %d (%s)", at.Index, at.Hash, st.Index, st.Hash)
	}
	if !shown {
		r.find("journal", "does not have record %d (%s), which the file says was published last", st.Published.Index, st.Published.Hash)
	}
	if size != st.Bytes {
		r.find("journal", "has %d bytes, the file says %d", size, st.Bytes)
	}
	if epoch.Counter > st.Epoch {
		r.find("journal", "reaches epoch %d, the file says %d", epoch.Counter, st.Epoch)
	}
	return said, nil
}

func (r *Report) objects(ctx context.Context, objects *bbolt.Bucket, tables []model.Table, sealer *seal.Sealer, said map[target]last) error {
	known := byKind(tables)
	var all []model.Object
	err := objects.ForEachBucket(func(kind []byte) error {
		if known[model.Kind(kind)] == nil {
			r.find("bucket "+string(kind), "is of a kind this release does not know")
		}
		for id, v := range pairs(objects.Bucket(kind)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.Objects++
			where := fmt.Sprintf("%s %s", kind, id)
			key := target{model.Kind(kind), model.ID(id)}
			l, recorded := said[key]
			delete(said, key)
			t := known[key.kind]
			if t == nil {
				r.find(where, "is of a kind this release does not know")
				continue
			}
			o, err := sealer.Decode(t, v)
			if err != nil {
				r.find(where, "%s", err)
				continue
			}
			all = append(all, o)
			meta := o.Base()
			if meta.ID != key.id {
				r.find(where, "calls itself %s", meta.ID)
			}
			switch {
			case !recorded && meta.Version > r.Cut.Index:
				r.find(where, "has version %d, of which the journal does not know", meta.Version)
			case recorded && l.op == journal.Delete:
				r.find(where, "is there though the journal says it was deleted")
			case recorded && l.version != meta.Version:
				r.find(where, "has version %d, the journal says %d", meta.Version, l.version)
			case recorded && !same(sealer, t, l.after, o):
				r.find(where, "is not what the journal says it is")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for key, l := range said {
		if l.op != journal.Delete {
			r.find(fmt.Sprintf("%s %s", key.kind, key.id), "is missing; the journal says it has version %d", l.version)
		}
	}
	_, problems := tree.Build(tables, r.Index, slices.Values(all))
	for _, p := range problems {
		r.find(fmt.Sprintf("%s %s", p.Kind, p.ID), "%s", p.Message)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return bytes.Compare([]byte(a.Where), []byte(b.Where)) })
	return nil
}

// same tells whether a value of the journal decodes to the object that is stored.
func same(sealer *seal.Sealer, t *model.Table, v seal.Value, o model.Object) bool {
	was, err := sealer.Decode(t, v)
	return err == nil && seal.Equal(t, was, o)
}

// pairs yields keys and values of a bucket, without nested buckets.
func pairs(b *bbolt.Bucket) func(yield func(k, v []byte) bool) {
	return func(yield func(k, v []byte) bool) {
		if b == nil {
			return
		}
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if v != nil && !yield(k, v) {
				return
			}
		}
	}
}
