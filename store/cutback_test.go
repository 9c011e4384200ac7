package store

import (
	"os"
	"path/filepath"
	"testing"
)

// cutBack copies the file of a closed store, and returns a function that puts the copy back: afterwards
// journal and state end together at the record where they ended then, as when somebody restores an old
// image of the disk. Nothing in the file tells.
func cutBack(t testing.TB, opts Options) (back func()) {
	t.Helper()
	path := filepath.Join(opts.Dir, fileName)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.WriteFile(path+asideExt, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := install(path+asideExt, path); err != nil {
			t.Fatal(err)
		}
	}
}

// A store that was cut back at a record is sound in itself, and is at an earlier position than the one it
// had told others: what tells is that position, which those have to remember.
func TestCutBackIsOnlyToldByThePosition(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	update(t, s, put(region(1)))
	shut(t, s)
	back := cutBack(t, opts)
	s = reopen(t, opts)
	update(t, s, put(region(2)))
	told := s.Tip()
	shut(t, s)
	back()
	if report, err := Check(t.Context(), opts); err != nil || !report.OK() || report.Index >= told.Index {
		t.Fatalf("check: %+v, %v", report, err)
	}
	s = reopen(t, opts)
	if _, ok := s.View().Get("region", region(2).ID); ok {
		t.Error("the file was not cut back")
	}
	update(t, s, put(region(3)))
	if records, err := s.Journal(told.Index, 1); err != nil || records[0].Hash == told.Hash {
		t.Errorf("the journal that was cut back is the one from before: %v, %v", records, err)
	}
}
