package store

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

// spoiled makes a store, changes its file behind its back and returns its options.
func spoiled(t *testing.T, spoil func(tx *bbolt.Tx, sealer *seal.Sealer) error) Options {
	t.Helper()
	opts := options(t.TempDir())
	s := create(t, opts)
	update(t, s, put(region(1), region(2)))                     // record 2
	update(t, s, put(pool(3, region(1), "hunter2")))            // record 3
	update(t, s, put(pool(3, region(2), "hunter2"), region(4))) // record 4
	update(t, s, func(d model.Draft) error { return d.Delete(model.KindRegion, region(4).ID) })
	shut(t, s)
	db, err := openFile(filepath.Join(opts.Dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return spoil(tx, seal.New(opts.SealKey)) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return opts
}

// forged replaces an object with a value that is right in itself.
func forged(tx *bbolt.Tx, sealer *seal.Sealer, o model.Object) error {
	v, err := sealer.Encode(byKind(tables())[o.Kind()], o)
	if err != nil {
		return err
	}
	return tx.Bucket(objectsBucket).Bucket([]byte(o.Kind())).Put([]byte(o.Base().ID), v)
}

func editState(tx *bbolt.Tx, edit func(*state)) error {
	st, err := readState(tx)
	if err != nil {
		return err
	}
	edit(&st)
	return writeState(tx, &st)
}

func TestCheckFindsDamage(t *testing.T) {
	flipped := func(b []byte) []byte {
		b = append([]byte(nil), b...)
		b[len(b)/2] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		spoil func(tx *bbolt.Tx, sealer *seal.Sealer) error
		want  string // part of a finding; none for a sound store
	}{
		"nothing": {func(*bbolt.Tx, *seal.Sealer) error { return nil }, ""},
		"a bit of a record": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			b := tx.Bucket(journalBucket)
			return b.Put(number(3), flipped(b.Get(number(3))))
		}, "journal 3: the record is damaged"},
		"a record missing": {func(tx *bbolt.Tx, _ *seal.Sealer) error { return tx.Bucket(journalBucket).Delete(number(3)) },
			"journal 4: record 4 stands where record 3 should"},
		"the last record missing": {func(tx *bbolt.Tx, _ *seal.Sealer) error { return tx.Bucket(journalBucket).Delete(number(5)) },
			"journal: ends at record 4"},
		"a record rewritten": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			b := tx.Bucket(journalBucket)
			r, err := journal.Decode(b.Get(number(2)))
			if err != nil {
				return err
			}
			r.Cause.Actor = "somebody else"
			return b.Put(number(2), r.Encode())
		}, "journal 3: record 3 does not continue the one before it"},
		"a bit of an object": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			b := tx.Bucket(objectsBucket).Bucket([]byte("pool"))
			return b.Put([]byte(region(3).ID), flipped(b.Get([]byte(region(3).ID))))
		}, "the value is damaged"},
		"an object changed": {func(tx *bbolt.Tx, sealer *seal.Sealer) error {
			r := region(1)
			r.Version, r.Domain = 2, "evil.example"
			return forged(tx, sealer, r)
		}, "region " + string(region(1).ID) + ": is not what the journal says it is"},
		"a secret changed": {func(tx *bbolt.Tx, sealer *seal.Sealer) error {
			b := tx.Bucket(objectsBucket).Bucket([]byte("pool"))
			o, err := sealer.Decode(byKind(tables())["pool"], b.Get([]byte(region(3).ID)))
			if err != nil {
				return err
			}
			o.(*model.Pool).CephSecretUUID = "hunter3"
			return forged(tx, sealer, o)
		}, "is not what the journal says it is"},
		"an object missing": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			return tx.Bucket(objectsBucket).Bucket([]byte("pool")).Delete([]byte(region(3).ID))
		}, "is missing; the journal says it has version 4"},
		"an object from nowhere": {func(tx *bbolt.Tx, sealer *seal.Sealer) error {
			r := region(9)
			r.Version = 3
			return forged(tx, sealer, r)
		}, "has version 3, of which the journal does not know"},
		"an object back from the dead": {func(tx *bbolt.Tx, sealer *seal.Sealer) error { return forged(tx, sealer, region(4)) },
			"is there though the journal says it was deleted"},
		"a name twice": {func(tx *bbolt.Tx, sealer *seal.Sealer) error {
			r := region(9)
			r.Name = region(1).Name
			return forged(tx, sealer, r)
		}, `has the same key in index "name"`},
		"a reference to nothing": {func(tx *bbolt.Tx, sealer *seal.Sealer) error {
			return forged(tx, sealer, pool(3, region(7), ""))
		}, "which does not exist"},
		"filed wrongly": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			b := tx.Bucket(objectsBucket).Bucket([]byte("region"))
			return b.Put([]byte(region(8).ID), b.Get([]byte(region(1).ID)))
		}, "calls itself " + string(region(1).ID)},
		"an unknown kind": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			b, err := tx.Bucket(objectsBucket).CreateBucket([]byte("gnu"))
			if err != nil {
				return err
			}
			return b.Put([]byte("x"), []byte("y"))
		}, "gnu x: is of a kind this release does not know"},
		"the size":  {func(tx *bbolt.Tx, _ *seal.Sealer) error { return editState(tx, func(s *state) { s.Bytes++ }) }, "journal: has"},
		"the epoch": {func(tx *bbolt.Tx, _ *seal.Sealer) error { return editState(tx, func(s *state) { s.Epoch = 0 }) }, "reaches epoch 1"},
		"the cut":   {func(tx *bbolt.Tx, _ *seal.Sealer) error { return editState(tx, func(s *state) { s.Cut.Index = 1 }) }, "stands where record 2 should"},
		"what was published": {func(tx *bbolt.Tx, _ *seal.Sealer) error {
			return editState(tx, func(s *state) { s.Published = &shown{Position: Position{Index: 4, Hash: Hash{1}}} })
		}, "does not have record 4"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := spoiled(t, c.spoil)
			path := filepath.Join(opts.Dir, fileName)
			before, _ := os.ReadFile(path)
			report, err := Check(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, f := range report.Findings {
				all = append(all, f.Where+": "+f.What)
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) || report.OK() != (c.want == "") {
				t.Errorf("found\n%s\nwant %q", text, c.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the check changed the file")
			}
		})
	}
}

// Whatever page rots, checking and opening say something; neither ends the process.
func TestRottenPages(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	for n := range 300 {
		update(t, s, put(region(n), pool(n, region(n), "x")))
	}
	shut(t, s)
	path := filepath.Join(opts.Dir, fileName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for n, b := range good {
		if b != 0 {
			used = n/os.Getpagesize() + 1
		}
	}
	good = good[:used*os.Getpagesize()] // the rest is room to grow
	dice := rand.New(rand.NewPCG(1, 2))
	noticed := 0
	for range 60 {
		bad := append([]byte(nil), good...)
		page := dice.IntN(used)
		for n := range os.Getpagesize() {
			bad[page*os.Getpagesize()+n] = byte(dice.Uint32())
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := Check(t.Context(), opts)
		found := err != nil || !report.OK()
		if found {
			noticed++
		}
		s, err := Open(opts)
		if err != nil {
			if !found {
				t.Errorf("page %d: does not open (%v), but checks", page, err)
			}
			continue
		}
		shut(t, s)
	}
	if noticed < 10 {
		t.Errorf("only %d of 60 rotten pages were noticed: the test rots the wrong ones", noticed)
	}
}
