package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/seal"
	"kowabunga/testdata/chance"
)

// The state at any earlier index is the one that was there, but for secrets, which are masked; at any
// moment the one of the last record until then.
func TestLookingBackFindsWhatWas(t *testing.T) {
	outer := t
	chance.Check(t, func(t *rapid.T) {
		opts := options(outer.TempDir())
		clock := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
		opts.Now = func() time.Time { return clock }
		if err := Create(opts); err != nil {
			t.Fatal(err)
		}
		s, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		views := map[uint64]model.View{s.View().Index(): s.View()}
		times := map[uint64]time.Time{s.View().Index(): clock}
		first := s.View().Index()
		for range rapid.IntRange(1, 12).Draw(t, "commits") {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "minutes")) * time.Minute)
			_, err := s.Update(context.Background(), Cause{Actor: "test"}, func(d model.Draft) error {
				for range rapid.IntRange(1, 3).Draw(t, "changes") {
					r := region(rapid.IntRange(0, 3).Draw(t, "region"))
					r.Name = rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "name")
					if rapid.Bool().Draw(t, "delete") {
						_ = d.Delete(model.KindRegion, r.ID)
					} else {
						_ = d.Put(r) // refused when the name is taken
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if index := s.View().Index(); views[index] == nil {
				views[index], times[index] = s.View(), clock
			}
		}
		for index, want := range views {
			got, err := s.At(context.Background(), index, 100)
			if err != nil {
				t.Fatal(err)
			}
			if got.Index() != index || got.Len(model.KindRegion) != want.Len(model.KindRegion) {
				t.Fatalf("at %d: index %d, %d regions, want %d", index, got.Index(), got.Len(model.KindRegion), want.Len(model.KindRegion))
			}
			for o := range model.All[*model.Region](want) {
				was, ok := model.Find[*model.Region](got, o.ID)
				if !ok || !seal.Equal(s.tables[model.KindRegion], was, o) {
					t.Fatalf("at %d: %+v, want %+v", index, was, o)
				}
				if named, ok := model.One[*model.Region](got, "name", o.Name); !ok || named.ID != o.ID {
					t.Fatalf("at %d: %q is %+v", index, o.Name, named)
				}
			}
			latest := index
			for other, at := range times {
				if other > latest && !at.After(times[index]) {
					latest = other
				}
			}
			if at, err := s.IndexAt(times[index]); err != nil || at != latest {
				t.Fatalf("at %s: record %d, %v, want %d", times[index], at, err, latest)
			}
		}
		if _, err := s.IndexAt(times[first].Add(-time.Hour)); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "2026-05-01") {
			t.Fatalf("before everything: %v", err)
		}
	})
}

func TestLookingBackMasksSecrets(t *testing.T) {
	s := create(t, options(t.TempDir()))
	update(t, s, put(region(1), pool(2, region(1), "hunter2")))
	index := s.View().Index()
	update(t, s, put(pool(2, region(1), "hunter3")))
	then, err := s.At(t.Context(), index, 10)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := model.Find[*model.Pool](then, pool(2, region(1), "").ID); !ok || p.CephSecretUUID != model.SecretMask {
		t.Errorf("%v %q", ok, p.CephSecretUUID.Reveal())
	}
}

// What the journal no longer has, and what would be too much work, is refused, saying how far one can look.
func TestLookingBackHasAnEnd(t *testing.T) {
	opts := options(t.TempDir())
	opts.Retention = Retention{Bytes: 4000}
	s := create(t, opts)
	for n := range 100 {
		update(t, s, put(region(n)))
	}
	now := s.View().Index()
	cut := s.Status().Cut.Index
	if cut == 0 {
		t.Fatal("nothing was cut")
	}
	if v, err := s.At(t.Context(), cut, 1000); err != nil || v.Len(model.KindRegion) != int(cut-1) {
		t.Errorf("the first state that can be looked at: %v", err)
	}
	for index, text := range map[uint64]string{cut - 1: fmt.Sprintf("back to record %d", cut), 1: fmt.Sprintf("back to record %d", cut)} {
		if _, err := s.At(t.Context(), index, 1000); !fault.Is(err, fault.NotFound) || !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), text) {
			t.Errorf("at %d: %v", index, err)
		}
	}
	if _, err := s.At(t.Context(), now-6, 5); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), fmt.Sprintf("back to record %d (5 records)", now-5)) {
		t.Errorf("further than is allowed: %v", err)
	}
	if _, err := s.At(t.Context(), now+1, 5); !fault.Is(err, fault.Malformed) {
		t.Errorf("the future: %v", err)
	}
	records, err := s.JournalBack(now, 3)
	if err != nil || len(records) != 3 || records[0].Index != now || records[2].Index != now-2 {
		t.Errorf("%v, %v", records, err)
	}
	if records, err = s.JournalBack(cut, 3); err != nil || len(records) != 0 {
		t.Errorf("%v, %v", records, err)
	}
}

// BenchmarkAt looks back 10,000 records.
func BenchmarkAt(b *testing.B) {
	s := filled(b, options(b.TempDir()), 10_000)
	index := s.View().Index()
	for n := range 10_000 {
		update(b, s, put(pool(n, region(n%100), "other")))
	}
	for b.Loop() {
		if _, err := s.At(b.Context(), index, 10_000); err != nil {
			b.Fatal(err)
		}
	}
}
