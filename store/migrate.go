package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/failpoint"
	"kowabunga/store/octets"
	"kowabunga/store/seal"
)

// schema is the number of the form in which this release keeps its file. Whoever changes that form, or
// the meaning of what is stored, adds one, a migration, and a data directory of the old form to
// testdata/upgrade.
const schema = 3

// migration leads from the schema before to the schema it names, in one transaction.
type migration struct {
	to   uint64
	name string
	do   func(tx *bbolt.Tx, sealer *seal.Sealer) error
}

var migrations = []migration{
	{2, "a bucket for each kind, and the size of the journal", bucketPerKind},
	{3, "sums over what the file says about itself", sumTexts},
}

var migrateStep = failpoint.Register("store.migrate.before-step")

func newer(n uint64) error {
	return fault.New(fault.Conflict, "a newer release wrote the data: it is of schema %d, this release knows up to %d; run the newer release, or restore a backup made before the upgrade", n, schema)
}

// applied is what the migrations bucket keeps of each migration.
type applied struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"`
}

// migrate brings an older file to the present schema. Before the first step it leaves a copy of the
// file beside it, named after the schema it has. Every step is one transaction: a crash leaves the
// schema before or after it.
func migrate(db *bbolt.DB, path string, opts Options, sealer *seal.Sealer) error {
	var have uint64
	if err := guarded(func() error { return db.View(func(tx *bbolt.Tx) (err error) { have, err = schemaOf(tx); return err }) }); err != nil {
		return err
	}
	switch {
	case have > schema:
		return newer(have)
	case have == schema:
		return nil
	}
	backup := fmt.Sprintf("%s.schema-%d", path, have)
	if err := copyFile(db, backup); err != nil {
		return fault.Wrap(err, fault.Unavailable, "copy the data before migrating it")
	}
	opts.Log.Info("data copied before migration", "schema", have, "copy", backup)
	return steps(db, have, opts, sealer)
}

// steps applies the migrations that a file of this schema lacks.
func steps(db *bbolt.DB, have uint64, opts Options, sealer *seal.Sealer) error {
	for _, m := range migrations {
		if m.to <= have {
			continue
		}
		if err := migrateStep.Hit(); err != nil {
			return err
		}
		err := guarded(func() error {
			return db.Update(func(tx *bbolt.Tx) error {
				if err := m.do(tx, sealer); err != nil {
					return err
				}
				done, err := tx.CreateBucketIfNotExists(migrationsBucket)
				if err != nil {
					return err
				}
				text, err := json.Marshal(applied{m.name, stamp(opts.Now(), time.Time{})})
				if err != nil {
					return err
				}
				if m.to >= summed {
					text = octets.Sum(number(m.to), text)
				}
				st, err := readState(tx)
				if err != nil {
					return err
				}
				st.Schema = m.to
				return errors.Join(done.Put(number(m.to), text), tx.Bucket(metaBucket).Put(schemaKey, number(m.to)), writeState(tx, &st))
			})
		})
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, fmt.Sprintf("migrate the data to schema %d", m.to))
		}
		opts.Log.Info("data migrated", "schema", m.to, "what", m.name)
	}
	return nil
}

// copyFile writes the file as it is to another path, durably and all of it or nothing.
func copyFile(db *bbolt.DB, to string) error {
	if err := os.Remove(to + asideExt); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(to+asideExt, 0o600) }); err != nil {
		return err
	}
	return install(to+asideExt, to)
}

// bucketPerKind leads from schema 1, which filed all objects in one bucket under "kind/id" and had to
// read the whole journal to know its size, to schema 2.
func bucketPerKind(tx *bbolt.Tx, _ *seal.Sealer) error {
	objects := tx.Bucket(objectsBucket)
	var flat [][2][]byte
	for k, v := range pairs(objects) {
		flat = append(flat, [2][]byte{append([]byte(nil), k...), append([]byte(nil), v...)})
	}
	for _, kv := range flat {
		kind, id, ok := bytes.Cut(kv[0], []byte("/"))
		if !ok {
			return fault.New(fault.Malformed, "object key %q is not kind/id", kv[0])
		}
		if err := objects.Delete(kv[0]); err != nil {
			return err
		}
		b, err := objects.CreateBucketIfNotExists(kind)
		if err != nil {
			return err
		}
		if err := b.Put(id, kv[1]); err != nil {
			return err
		}
	}
	st, err := readState(tx)
	if err != nil {
		return err
	}
	st.Bytes = 0
	for k, v := range pairs(tx.Bucket(journalBucket)) {
		st.Bytes += int64(len(k) + len(v))
	}
	return writeState(tx, &st)
}

// sumTexts leads from schema 2, whose texts in the buckets meta and migrations could change without
// anybody noticing, to schema 3. The state gets its sum with the new number of the schema.
func sumTexts(tx *bbolt.Tx, _ *seal.Sealer) error {
	done, err := tx.CreateBucketIfNotExists(migrationsBucket)
	if err != nil {
		return err
	}
	plain := map[string][]byte{}
	for k, v := range pairs(done) {
		plain[string(k)] = bytes.Clone(v)
	}
	for k, v := range plain {
		if err := done.Put([]byte(k), octets.Sum([]byte(k), v)); err != nil {
			return err
		}
	}
	return nil
}
