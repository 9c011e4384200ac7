package store

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/model"
)

// What is told of the journal from memory is what the file has: of large records, after more records than are
// remembered, and after some were taken back and others took their place.
func TestTailIsWhatTheFileHas(t *testing.T) {
	s := create(t, pairing(t.TempDir()))
	begin(t, s, 1)
	long := region(1)
	long.Description = strings.Repeat("x", 2*keptBytes)
	later(t, s, "", put(long))
	for i := range len(s.recent) + 10 {
		put := put(region(2 + i))
		if i == 40 {
			put = func(d model.Draft) error {
				r, _ := model.Find[*model.Region](d, long.ID)
				r = model.Edit(r)
				r.Description += "!"
				return d.Put(r)
			}
		}
		later(t, s, "", put)
	}
	s.Publish(s.End().Index - 4)
	same := func(when string) {
		t.Helper()
		var file [][]byte
		kept := s.recent
		s.recent = recent{} // as after a start
		for from := uint64(1); from <= s.End().Index; from = uint64(len(file)) + 1 {
			file = append(file, tail(t, s, from)...)
		}
		s.recent = kept
		for _, from := range []uint64{1, 2, 43, 44, 45, s.End().Index - 1, s.End().Index} {
			if got, want := tail(t, s, from), file[from-1:]; !slices.EqualFunc(got, want[:len(got)], bytes.Equal) || len(got) == 0 {
				t.Errorf("%s, from %d: not what the file has", when, from)
			}
		}
		shown, err := s.Journal(s.Tip().Index, 5)
		if err != nil || len(shown) != 1 || shown[0].Hash != s.Tip().Hash {
			t.Errorf("%s: shown are %d records, %v", when, len(shown), err)
		}
	}
	same("after many records")
	s.Halt(nil)
	to := s.Tip()
	if err := s.Cut(t.Context(), to, filepath.Join(t.TempDir(), "fork")); err != nil {
		t.Fatal(err)
	}
	if left := tail(t, s, to.Index+1); len(left) != 0 {
		t.Fatalf("%d records that were taken back are still told of", len(left))
	}
	begin(t, s, 2)
	for i := range 2 {
		later(t, s, "", put(region(5000+i)))
	}
	same("after some were taken back")
	if n := len(s.remembered(to.Index+1, s.End().Index)); n != 3 {
		t.Errorf("%d records after %d are remembered, want 3", n, to.Index)
	}
}
