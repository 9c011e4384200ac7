package store

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// A store that is opened again shows what it knows as published, and keeps the rest.
func TestReopenedShowsWhatWasPublished(t *testing.T) {
	opts := pairing(t.TempDir())
	s := create(t, opts)
	begin(t, s, 1)
	later(t, s, "", put(region(1), region(2), pool(3, region(1), "old")))
	s.Publish(2)
	want, shown := content(s.View()), s.Tip()
	// Names go from one to the other, and a region goes that something referred to.
	swapped := func(d model.Draft) error {
		a, _ := model.Find[*model.Region](d, region(1).ID)
		b, _ := model.Find[*model.Region](d, region(2).ID)
		a, b = model.Edit(a), model.Edit(b)
		a.Name, b.Name = "aside", a.Name
		if err := d.Put(a); err != nil {
			return err
		}
		if err := d.Put(b); err != nil {
			return err
		}
		a = model.Edit(a)
		a.Name = region(2).Name
		return d.Put(a)
	}
	later(t, s, "", swapped)
	later(t, s, "", func(d model.Draft) error {
		p, _ := model.Find[*model.Pool](d, pool(3, region(1), "").ID)
		p = model.Edit(p)
		p.Region, p.CephSecretUUID = region(2).ID, "new"
		if err := d.Put(p); err != nil {
			return err
		}
		return d.Delete(model.KindRegion, region(1).ID)
	})
	end := s.End()
	shut(t, s)
	file, err := os.ReadFile(filepath.Join(opts.Dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	s = reopen(t, opts)
	if got := content(s.View()); got != want || s.Tip() != shown || s.End() != end || s.Status().Position != shown {
		t.Errorf("shown at %+v of %+v\n%swant\n%s", s.Tip(), s.End(), got, want)
	}
	if records, err := s.Tail(shown.Index+1, s.End().Index, 1<<20); err != nil || len(records) != 2 {
		t.Errorf("%d records are left to publish, %v", len(records), err)
	}
	sound(t, s)
	shut(t, s)
	if again, err := os.ReadFile(filepath.Join(opts.Dir, fileName)); err != nil || !bytes.Equal(again, file) {
		t.Errorf("opening and closing wrote to the file: %v", err)
	}
	s = reopen(t, opts)
	s.Publish(3)
	if r, _ := model.Find[*model.Region](s.View(), region(2).ID); r == nil || r.Name != "region 1" {
		t.Errorf("the first of what was left shows %+v", r)
	}
	s.Publish(4)
	p, _ := model.Find[*model.Pool](s.View(), pool(3, region(1), "").ID)
	if s.View().Len(model.KindRegion) != 1 || p == nil || p.CephSecretUUID.Reveal() != "new" {
		t.Errorf("all shows %+v", p)
	}
	shut(t, s)
	s = reopen(t, opts)
	if s.Tip() != end {
		t.Errorf("what was published before it was closed is not noted: %+v", s.Tip())
	}
}

// The file of one of two can be opened as that of the only one: all that is in it stands.
func TestOnlyNodePublishesEverything(t *testing.T) {
	opts := pairing(t.TempDir())
	s := create(t, opts)
	begin(t, s, 4)
	later(t, s, "", put(region(1)))
	shut(t, s)
	opts.Held = false
	s = reopen(t, opts)
	if s.View().Len(model.KindRegion) != 1 || s.Tip() != s.End() || s.Tip().Index != 3 || s.Epoch().Counter != 5 {
		t.Errorf("%+v", s.Status())
	}
	if at := update(t, s, put(region(2))); at != 4 {
		t.Errorf("a change is record %d", at)
	}
	for what, err := range map[string]error{
		"begin":  func() error { _, err := s.Begin(t.Context(), Epoch{Counter: 9, Node: "here"}); return err }(),
		"append": func() error { _, err := s.Append(t.Context(), nil); return err }(),
		"cut":    s.Cut(t.Context(), s.Tip(), filepath.Join(t.TempDir(), "fork")),
	} {
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	shut(t, s)
	opts.Held = true
	if s = reopen(t, opts); s.Tip().Index != 4 || s.Tip() != s.End() {
		t.Errorf("held again, it shows %+v of %+v", s.Tip(), s.End())
	}
	sound(t, s)
}

// Probe writes without moving the end, and what is published by then is known after a crash.
func TestProbeWrites(t *testing.T) {
	opts := pairing(t.TempDir())
	s := create(t, opts)
	begin(t, s, 1)
	s.Publish(1)
	crashed := func() *Store {
		dir := t.TempDir()
		file, err := os.ReadFile(filepath.Join(opts.Dir, fileName))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fileName), file, 0o600); err != nil {
			t.Fatal(err)
		}
		return reopen(t, pairing(dir))
	}
	if got := crashed().Tip().Index; got != 0 {
		t.Errorf("record %d is known as published before anything was written", got)
	}
	moved(s)
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := crashed().Tip(); got != s.Tip() || got.Index != 1 || s.End() != got {
		t.Errorf("%+v is known as published after a probe", got)
	}
	if moved(s) {
		t.Error("a probe made the journal grow")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Probe(ctx); !fault.Is(err, fault.Cancelled) {
		t.Errorf("a probe that was called off: %v", err)
	}
	shut(t, s)
	if err := s.Probe(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a probe of a closed store: %v", err)
	}
}

// Closing answers who waits; what waits is in the file.
func TestCloseAnswersThoseWhoWait(t *testing.T) {
	opts := pairing(t.TempDir())
	s := create(t, opts)
	begin(t, s, 1)
	told := later(t, s, "r", put(region(1)))
	shut(t, s)
	if got := <-told; !fault.Is(got.err, fault.Unavailable) || !strings.Contains(got.err.Error(), "request r is unknown") {
		t.Errorf("%v", got.err)
	}
	if s = reopen(t, opts); s.End().Index != 2 || s.Tip().Index != 0 {
		t.Errorf("%+v of %+v", s.Tip(), s.End())
	}
}
