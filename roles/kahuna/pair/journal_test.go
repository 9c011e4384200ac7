package pair

import (
	"path/filepath"
	"testing"

	"kowabunga/core/model"
	"kowabunga/store"
)

// Before a snapshot takes its place a journal keeps every record that the snapshot may lack: those that were not
// published, and published ones too where the two journals part before.
func TestSnapshotLosesNoRecord(t *testing.T) {
	position := func(s *store.Store, index uint64) store.Position {
		hash, _, _ := s.Mark(index)
		return store.Position{Index: index, Hash: hash}
	}
	for what, c := range map[string]struct {
		shown, parted, snapshot uint64 // of the seven records here; parted 0 where it is not known
		after                   uint64
	}{
		"a newer one":                            {shown: 4, snapshot: 9, after: 4},
		"an older one":                           {shown: 4, snapshot: 6, after: 0},
		"one that parts before what was shown":   {shown: 4, parted: 2, snapshot: 9, after: 2},
		"one that parted later, the last time":   {shown: 4, parted: 6, snapshot: 9, after: 4},
		"an older one that parts in what is new": {shown: 4, parted: 5, snapshot: 6, after: 4},
	} {
		o := store.Options{Dir: t.TempDir(), Tables: []model.Table{}, Held: true}
		if err := store.Create(o); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(7) {
			if _, err := s.Begin(t.Context(), store.Epoch{Counter: i + 1, Node: "a"}); err != nil {
				t.Fatal(err)
			}
		}
		s.Publish(c.shown)
		var now Store
		now.now.Store(s)
		l := NewLedger(&now, o)
		if c.parted > 0 {
			at := position(s, c.parted)
			l.parted = &at
		}
		if err := l.keep(t.Context(), position(s, c.snapshot)); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		files, err := filepath.Glob(filepath.Join(o.Dir, "*", "*.fork"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %v %v", what, files, err)
		}
		fork, err := store.ReadFork(files[0])
		if err != nil || fork.After.Index != c.after || fork.Position.Index != 7 {
			t.Errorf("%s: kept is %+v, %v, want what follows %d", what, fork.ForkHeader, err, c.after)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
