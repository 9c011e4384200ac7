package store

import (
	"context"
	"testing"

	"kowabunga/core/model"
)

// held opens the store of a folder as one of a pair, making it first when there is none.
func held(t testing.TB, opts Options) *Store {
	t.Helper()
	opts.Held = true
	if err := Create(opts); err != nil {
		t.Fatal(err)
	}
	return reopen(t, opts)
}

// begin begins an epoch and returns where the file ends.
func begin(t testing.TB, s *Store, counter uint64) Position {
	t.Helper()
	at, err := s.Begin(t.Context(), Epoch{Counter: counter, Node: "here"})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// later makes a change whose answer comes once it is published.
func later(t testing.TB, s *Store, request string, f func(model.Draft) error) <-chan answer {
	t.Helper()
	grown, told := s.Grown(), make(chan answer, 1)
	go func() {
		index, err := s.Update(context.Background(), Cause{Actor: "test", What: "test", Request: request}, f)
		told <- answer{index, err}
	}()
	<-grown
	return told
}

// ship brings all that one store has and another lacks to the other.
func ship(t testing.TB, from, to *Store) Position {
	t.Helper()
	records, err := from.Tail(to.End().Index+1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	at, err := to.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// What one of two commits is seen, and answered, once it is published; and the other follows.
func TestPublicationIsApartFromCommit(t *testing.T) {
	a, b := held(t, options(t.TempDir())), held(t, options(t.TempDir()))
	if _, err := a.Update(t.Context(), Cause{}, put(region(1))); err == nil {
		t.Error("a change without an epoch")
	}
	begin(t, a, 1)
	told := later(t, a, "one", put(region(1), pool(2, region(1), "hunter2")))
	if a.End().Index != 2 || a.Tip().Index != 0 || a.View().Len(model.KindRegion) != 0 {
		t.Fatalf("end %d, tip %d: shown before it is published", a.End().Index, a.Tip().Index)
	}
	if at := ship(t, a, b); at != a.End() || b.End() != at || b.Tip().Index != 0 || b.View().Len(model.KindRegion) != 0 {
		t.Fatalf("the other is at %d and shows %d", at.Index, b.Tip().Index)
	}
	select {
	case got := <-told:
		t.Fatalf("answered %+v before it is published", got)
	default:
	}
	a.Publish(2)
	b.Publish(2)
	if got := <-told; got.err != nil || got.index != 2 {
		t.Errorf("answered %+v", got)
	}
	for _, s := range []*Store{a, b} {
		p, ok := model.Find[*model.Pool](s.View(), pool(2, region(1), "").ID)
		if !ok || p.CephSecretUUID.Reveal() != "hunter2" || s.Tip() != a.End() {
			t.Errorf("%+v at %+v", p, s.Tip())
		}
		sound(t, s)
	}
	for index := uint64(0); index <= 2; index++ {
		h, e, ok := a.Mark(index)
		if g, f, there := b.Mark(index); !ok || !there || h != g || e != f || index > 0 && (e.Counter != 1 || e.Node != "here") {
			t.Errorf("record %d: %s %s %t, there %s %s %t", index, h, e, ok, g, f, there)
		}
	}
	if _, _, ok := a.Mark(3); ok {
		t.Error("a record that is still to come")
	}
}
