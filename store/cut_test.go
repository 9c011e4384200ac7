package store

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// parted are two stores that share records 1 to 4, of which 1 to 3 are published, and differ after that: a
// has 5 and 6 of its first epoch, b has 5 of the second.
func parted(t *testing.T) (a, b *Store, common Position) {
	t.Helper()
	a, b = create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	later(t, a, "", put(region(1), region(2), pool(3, region(1), "old")))
	later(t, a, "", put(region(4)))
	later(t, a, "", put(region(5)))
	common = ship(t, a, b)
	a.Publish(3)
	b.Publish(3)
	later(t, a, "lost-1", func(d model.Draft) error {
		p, _ := model.Find[*model.Pool](d, pool(3, region(1), "").ID)
		p = model.Edit(p)
		p.CephSecretUUID, p.Region = "new", region(2).ID
		if err := d.Put(p); err != nil {
			return err
		}
		return d.Delete(model.KindRegion, region(1).ID)
	})
	later(t, a, "lost-2", func(d model.Draft) error {
		r := region(6)
		r.Name = region(1).Name // which is free now
		if err := d.Put(r); err != nil {
			return err
		}
		return d.Delete(model.KindPool, pool(3, region(1), "").ID)
	})
	a.Halt(nil)
	begin(t, b, 2)
	return a, b, common
}

// A node that comes back gives up what the other one does not have, into a fork file, and follows again.
func TestCutTakesBackIntoAFork(t *testing.T) {
	for _, restart := range []bool{false, true} {
		a, b, common := parted(t)
		opts := a.opts
		if restart {
			shut(t, a)
			a = reopen(t, opts)
		}
		if _, err := a.Append(t.Context(), tail(t, b, 5)); !fault.Is(err, fault.Conflict) {
			t.Fatalf("the other's record is taken after one's own: %v", err)
		}
		lost := a.End()
		fork := filepath.Join(opts.Dir, "forks", "1.fork")
		moved(a)
		if err := a.Cut(t.Context(), common, fork); err != nil {
			t.Fatal(err)
		}
		sound(t, a)
		if a.End() != common || a.Tip().Index != 3 {
			t.Errorf("it ends at %+v and shows %+v", a.End(), a.Tip())
		}
		if _, _, there := a.Mark(5); there {
			t.Error("a record that was cut is still there")
		}
		if h, e, _ := a.Mark(4); h != common.Hash || e.Counter != 1 {
			t.Errorf("the end is of epoch %s", e)
		}
		if moved(a) {
			t.Error("told of growth")
		}
		got, err := ReadFork(fork)
		if err != nil || len(got.Records) != 2 || got.After != common || got.Position != lost || got.Published != 3 {
			t.Fatalf("the fork holds %+v, %v", got, err)
		}
		if r := got.Records[0]; r.Cause.Request != "lost-1" || len(r.Changes) != 2 || !slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Kind == model.KindRegion && c.ID == region(1).ID }) {
			t.Errorf("the fork begins with %+v", r)
		}
		if info, err := os.Stat(fork); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("others may read the fork: %v, %v", info.Mode(), err)
		}
		ship(t, b, a)
		b.Publish(5)
		a.Publish(5)
		if content(a.View()) != content(b.View()) || a.Tip() != b.Tip() || a.View().Len(model.KindPool) != 1 {
			t.Errorf("it shows\n%s\nthe other\n%s", content(a.View()), content(b.View()))
		}
		shut(t, a)
		a = reopen(t, opts)
		if content(a.View()) != content(b.View()) {
			t.Error("opened again, it differs")
		}
		sound(t, a)
	}
}

// tail are the records of a store from an index on.
func tail(t testing.TB, s *Store, from uint64) [][]byte {
	t.Helper()
	records, err := s.Tail(from, s.End().Index, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestCutRefuses(t *testing.T) {
	a, b, common := parted(t)
	fork := filepath.Join(t.TempDir(), "x.fork")
	end, shown := a.End(), a.Tip()
	h, _, _ := a.Mark(2)
	for name, to := range map[string]Position{
		"what is published":          {2, h},
		"a record of another":        {5, b.End().Hash},
		"a record that is to come":   {7, common.Hash},
		"a record of another number": {5, common.Hash},
	} {
		if err := a.Cut(t.Context(), to, fork); !fault.Is(err, fault.Conflict) {
			t.Errorf("cut to %s: %v", name, err)
		}
	}
	if err := b.Cut(t.Context(), common, fork); !fault.Is(err, fault.Conflict) {
		t.Errorf("cut while in an epoch: %v", err)
	}
	if err := a.Cut(t.Context(), end, fork); err != nil {
		t.Errorf("cut to the end: %v", err)
	}
	if _, err := os.Stat(fork); err == nil {
		t.Error("a fork was made of nothing")
	}
	if err := os.WriteFile(fork, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Cut(t.Context(), common, fork); !fault.Is(err, fault.Conflict) {
		t.Errorf("cut into a file that is there: %v", err)
	}
	if text, _ := os.ReadFile(fork); string(text) != "something else" {
		t.Errorf("what was there is %q", text)
	}
	if err := a.Cut(t.Context(), common, "/proc/nowhere/x.fork"); err == nil {
		t.Error("cut though the fork cannot be written")
	}
	if a.End() != end || a.Tip() != shown {
		t.Errorf("a refused cut leaves it at %+v", a.End())
	}
	a.Publish(end.Index) // nothing is held up by a cut that failed
	if a.Tip() != end {
		t.Errorf("published up to %+v", a.Tip())
	}
	sound(t, a)
}

// A fork that was written before a crash is taken for what it is, and the cut goes on.
func TestCutGoesOnWithTheForkThatIsThere(t *testing.T) {
	a, _, common := parted(t)
	fork := filepath.Join(t.TempDir(), "x.fork")
	if err := a.Fork(t.Context(), common, fork); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(fork)
	if err := a.Cut(t.Context(), common, fork); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(fork); string(before) != string(after) {
		t.Error("the fork was written again")
	}
	if err := a.Fork(t.Context(), common, fork+"2"); !fault.Is(err, fault.Conflict) {
		t.Errorf("a fork of nothing: %v", err)
	}
}

// What was published can be kept as a fork, too, before a snapshot replaces it.
func TestForkOfWhatIsPublished(t *testing.T) {
	a, _, _ := parted(t)
	h, _, _ := a.Mark(2)
	fork := filepath.Join(t.TempDir(), "forks", "x.fork")
	if err := a.Fork(t.Context(), Position{2, h}, fork); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFork(fork)
	if err != nil || len(got.Records) != 4 || got.Published != 3 || a.End().Index != 6 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReadForkRefusesDamage(t *testing.T) {
	a, _, common := parted(t)
	fork := filepath.Join(t.TempDir(), "x.fork")
	if _, err := ReadFork(fork); !fault.Is(err, fault.NotFound) {
		t.Errorf("no fork: %v", err)
	}
	if err := a.Fork(t.Context(), common, fork); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(fork)
	if err != nil {
		t.Fatal(err)
	}
	for at := range good {
		bad := slices.Clone(good)
		bad[at] ^= 0x21
		if _, err := decodeFork(strings.NewReader(string(bad))); !fault.Is(err, fault.Malformed) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
		if _, err := decodeFork(strings.NewReader(string(good[:at]))); !fault.Is(err, fault.Malformed) {
			t.Fatalf("cut off at %d: %v", at, err)
		}
	}
}

// What takes back, too, tells the follower.
func TestFollowerHearsOfACut(t *testing.T) {
	m := &mirror{names: map[model.ID]string{}}
	opts := pairing(t.TempDir())
	opts.Follower = m
	s := create(t, opts)
	common := begin(t, s, 1)
	later(t, s, "", put(region(1), region(2)))
	later(t, s, "", func(d model.Draft) error { return d.Delete(model.KindRegion, region(1).ID) })
	s.Halt(nil)
	if err := s.Cut(t.Context(), common, filepath.Join(t.TempDir(), "x")); err != nil {
		t.Fatal(err)
	}
	begin(t, s, 2)
	later(t, s, "", put(region(3)))
	s.Publish(s.End().Index)
	if err := m.as(s.View()); err != nil || m.gaps > 0 {
		t.Errorf("%v, %d gaps", err, m.gaps)
	}
}

// FuzzFork holds that no bytes make the reader of forks panic or take much memory.
func FuzzFork(f *testing.F) {
	s := create(f, pairing(f.TempDir()))
	at := begin(f, s, 1)
	later(f, s, "", put(region(1)))
	path := filepath.Join(f.TempDir(), "x")
	if err := s.Fork(f.Context(), at, path); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	f.Add(string(good[:len(good)/2]))
	f.Add(forkMagic + "h\x02{}e\x02{}")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeFork(strings.NewReader(text))
		if err != nil {
			if !fault.Is(err, fault.Malformed) {
				t.Error(err)
			}
			return
		}
		if n := uint64(len(got.Records)); n == 0 || n != got.Index-got.After.Index {
			t.Errorf("%d records from %d to %d", n, got.After.Index, got.Index)
		}
	})
}
