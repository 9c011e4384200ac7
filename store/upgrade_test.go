package store

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

var updateData = flag.Bool("update", false, "write the data directories below testdata/upgrade that are missing")

const upgradeDir = "../testdata/upgrade"

// upgradeTime is when all of it happened in the stored directories.
var upgradeTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func upgradeOptions(dir string) Options {
	opts := options(dir)
	opts.Now = func() time.Time { return upgradeTime }
	return opts
}

// generate writes the data directory of one schema. What is in it does not change from run to run, but
// for the random nonces of the sealed secret and, from schema 2 on, the node id.
func generate(n int, dir string) error {
	if n == 1 {
		return generateSchema1(dir)
	}
	tmp, err := os.MkdirTemp("", "upgrade")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := Create(upgradeOptions(tmp)); err != nil {
		return err
	}
	s, err := Open(upgradeOptions(tmp))
	if err != nil {
		return err
	}
	_, err = s.Update(context.Background(), Cause{Actor: "user", What: "create pool"}, put(region(1), region(2), pool(3, region(1), "hunter2")))
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	// Compacted: a store in use keeps megabytes of room to grow.
	from, err := openFile(filepath.Join(tmp, fileName), true)
	if err != nil {
		return err
	}
	to, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(bbolt.Compact(to, from, 0), to.Close(), from.Close())
}

// generateSchema1 writes what the first layout was: all objects in one bucket under kind/id, and no
// size of the journal.
func generateSchema1(dir string) error {
	sealer := seal.New(options("").SealKey)
	return createFile(filepath.Join(dir, fileName), func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, objectsBucket, journalBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		epoch := Epoch{Counter: 1, Node: strings.Repeat("0a", 16)}
		begin := &Record{Index: 1, Epoch: epoch, Time: upgradeTime, Cause: Cause{Actor: "system", What: "epoch begins"}}
		made := &Record{Index: 2, Epoch: epoch, Time: upgradeTime, Cause: Cause{Actor: "user", What: "create pool"}}
		for _, o := range []model.Object{region(1), region(2), pool(3, region(1), "hunter2")} {
			m := o.Base()
			m.Version, m.Created, m.Updated = 2, upgradeTime, upgradeTime
			v, err := sealer.Encode(byKind(tables())[o.Kind()], o)
			if err != nil {
				return err
			}
			made.Changes = append(made.Changes, Change{Kind: o.Kind(), ID: m.ID, Op: journal.Create, Version: 2, After: v})
			if err := tx.Bucket(objectsBucket).Put([]byte(string(o.Kind())+"/"+string(m.ID)), v); err != nil {
				return err
			}
		}
		log := tx.Bucket(journalBucket)
		if err := log.Put(number(1), begin.Encode()); err != nil {
			return err
		}
		made.Prev = begin.Hash
		if err := log.Put(number(2), made.Encode()); err != nil {
			return err
		}
		text := fmt.Sprintf(`{"index":2,"hash":%q,"time":%q,"epoch":1,"node":%q,"cut":{"index":0,"hash":%q},"check":"%s","created":%q}`,
			made.Hash, upgradeTime.Format(time.RFC3339), epoch.Node, Hash{}, base64.StdEncoding.EncodeToString(sealer.Check()), upgradeTime.Format(time.RFC3339))
		return errors.Join(tx.Bucket(metaBucket).Put(schemaKey, number(1)), tx.Bucket(metaBucket).Put(stateKey, []byte(text)))
	})
}

// Every data directory that a release ever wrote opens in this one, with everything in it.
func TestOldDataOpens(t *testing.T) {
	for n := 1; n <= schema; n++ {
		t.Run(fmt.Sprintf("schema-%d", n), func(t *testing.T) {
			old := filepath.Join(upgradeDir, fmt.Sprintf("schema-%d", n))
			raw, err := os.ReadFile(filepath.Join(old, fileName))
			if errors.Is(err, os.ErrNotExist) && *updateData {
				if err := errors.Join(os.MkdirAll(old, 0o755), generate(n, old)); err != nil {
					t.Fatal(err)
				}
				raw, err = os.ReadFile(filepath.Join(old, fileName))
			}
			if err != nil {
				t.Fatal(err)
			}
			opts := options(t.TempDir())
			path := filepath.Join(opts.Dir, fileName)
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if n < schema {
				if _, err := Check(t.Context(), opts); !fault.Is(err, fault.Conflict) {
					t.Errorf("checking data that is not migrated: %v", err)
				}
			}
			s := reopen(t, opts)
			p, ok := model.Find[*model.Pool](s.View(), pool(3, region(1), "").ID)
			if !ok || p.CephSecretUUID.Reveal() != "hunter2" || p.Version != 2 || !p.Created.Equal(upgradeTime) || s.View().Len(model.KindRegion) != 2 {
				t.Errorf("the pool is %+v", p)
			}
			records, err := s.Journal(1, 10)
			if err != nil || len(records) != 3 || records[1].Cause.What != "create pool" || s.Epoch().Counter != 2 {
				t.Errorf("journal %+v, %v in epoch %s", records, err, s.Epoch())
			}
			update(t, s, put(region(9)))
			sound(t, s)
			copied, err := os.ReadFile(fmt.Sprintf("%s.schema-%d", path, n))
			switch {
			case n == schema && err == nil:
				t.Error("data that needs no migration was copied")
			case n < schema && (err != nil || schemaIn(t, copied) != uint64(n)):
				t.Errorf("the copy from before the migration: %v", err)
			}
		})
	}
}

func schemaIn(t *testing.T, raw []byte) (n uint64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := openFile(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error { n, err = schemaOf(tx); return err }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewerDataIsRefused(t *testing.T) {
	opts := spoiled(t, func(tx *bbolt.Tx, _ *seal.Sealer) error {
		return errors.Join(tx.Bucket(metaBucket).Put(schemaKey, number(schema+1)), editState(tx, func(s *state) { s.Schema++ }))
	})
	path := filepath.Join(opts.Dir, fileName)
	before, _ := os.ReadFile(path)
	for what, try := range map[string]func() error{
		"open":  func() error { _, err := Open(opts); return err },
		"check": func() error { _, err := Check(t.Context(), opts); return err },
	} {
		if err := try(); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "newer release") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("refused data was changed")
	}
}
