package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// snapshotOf is a snapshot of a store.
func snapshotOf(t testing.TB, s *Store) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := s.Snapshot(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A node that is too far behind takes over the state of the other one, and follows from there.
func TestSnapshotReplacesWhatIsThere(t *testing.T) {
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, retain := range map[string]Retention{"all of the journal": {}, "the end of the journal": {Bytes: 1}} {
		opts := pairing(t.TempDir())
		opts.Retention, opts.Now = retain, func() time.Time { clock = clock.Add(time.Second); return clock }
		a := create(t, opts)
		begin(t, a, 6)
		later(t, a, "", put(region(1), pool(2, region(1), "hunter2")))
		a.Publish(2)
		later(t, a, "", put(region(3)))
		a.Publish(3)
		if err := a.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		later(t, a, "unseen", put(region(4)))
		text := snapshotOf(t, a)
		h, err := ReadSnapshot(t.Context(), bytes.NewReader(text), a.opts.SealKey)
		if err != nil || h.Position != a.Tip() || h.Highest != 6 {
			t.Fatalf("%s: a snapshot of %+v, %v", name, h, err)
		}

		there := pairing(t.TempDir())
		b := create(t, there)
		node := b.end.Load().Node
		begin(t, b, 9) // never published, never shared
		if err := Install(t.Context(), bytes.NewReader(text), there); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "in use") {
			t.Fatalf("%s: replaced while it is open: %v", name, err)
		}
		shut(t, b)
		if err := Install(t.Context(), bytes.NewReader(text), there); err != nil {
			t.Fatal(name, err)
		}
		b = reopen(t, there)
		sound(t, b)
		if b.End() != a.Tip() || b.Tip() != a.Tip() || content(b.View()) != content(a.View()) || b.CutAt() != a.CutAt() {
			t.Errorf("%s: it is at %+v of %+v, cut at %+v:\n%s", name, b.Tip(), b.End(), b.CutAt(), content(b.View()))
		}
		if st := b.end.Load(); st.Node != node || b.HighestEpoch() != 9 || st.Reign != a.Epoch() || !st.Created.Equal(a.Status().Created) {
			t.Errorf("%s: %+v", name, st)
		}
		if hash, e, ok := b.Mark(3); hash != a.Tip().Hash || e != a.Epoch() || !ok {
			t.Errorf("%s: the end is %s of %s", name, hash, e)
		}
		// What it has is sealed anew, in other bytes: the records about it apply all the same.
		later(t, a, "", func(d model.Draft) error {
			p, _ := model.Find[*model.Pool](d, pool(2, region(1), "").ID)
			p = model.Edit(p)
			p.CephSecretUUID = "new"
			return d.Put(p)
		})
		later(t, a, "", func(d model.Draft) error { return d.Delete(model.KindPool, pool(2, region(1), "").ID) })
		common := ship(t, a, b)
		a.Publish(common.Index)
		b.Publish(common.Index)
		if content(b.View()) != content(a.View()) || b.Tip() != a.Tip() {
			t.Errorf("%s: following, it shows\n%s", name, content(b.View()))
		}
		sound(t, b)
		shut(t, b)
		b = reopen(t, there)
		if content(b.View()) != content(a.View()) {
			t.Errorf("%s: opened again, it shows\n%s", name, content(b.View()))
		}
	}
}

// What was appended after a snapshot can be cut back to its end.
func TestCutToTheEndOfASnapshot(t *testing.T) {
	a := create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	later(t, a, "", put(region(1)))
	a.Publish(2)
	there := pairing(t.TempDir())
	if err := Install(t.Context(), bytes.NewReader(snapshotOf(t, a)), there); err != nil {
		t.Fatal(err)
	}
	b := reopen(t, there)
	want := content(b.View())
	later(t, a, "", func(d model.Draft) error { return d.Delete(model.KindRegion, region(1).ID) })
	ship(t, a, b)
	if err := b.Cut(t.Context(), b.Tip(), filepath.Join(t.TempDir(), "x")); err != nil {
		t.Fatal(err)
	}
	b.Publish(9)
	if content(b.View()) != want || b.End() != a.Tip() {
		t.Errorf("cut back to %+v, it shows\n%s", b.End(), content(b.View()))
	}
	sound(t, b)
}

// A damaged file, and none at all, are replaced as well as a good one.
func TestInstallReplacesADamagedFile(t *testing.T) {
	a := create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	a.Publish(1)
	text := snapshotOf(t, a)
	for name, spoil := range map[string]func(path string) error{
		"none":     os.Remove,
		"empty":    func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"cut off":  func(path string) error { return os.Truncate(path, 9000) },
		"nonsense": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("nonsense"), 9999), 0o600) },
	} {
		opts := pairing(t.TempDir())
		shut(t, create(t, opts))
		if err := spoil(filepath.Join(opts.Dir, fileName)); err != nil {
			t.Fatal(err)
		}
		if err := Install(t.Context(), bytes.NewReader(text), opts); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b := reopen(t, opts); b.Tip() != a.Tip() || b.end.Load().Node == "" {
			t.Errorf("%s: it is at %+v", name, b.Tip())
		}
	}
}

// A snapshot that is not whole, of another key or of a newer release leaves what was there.
func TestInstallRefuses(t *testing.T) {
	a := create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	later(t, a, "", put(region(1), pool(2, region(1), "hunter2")))
	a.Publish(2)
	good := snapshotOf(t, a)
	opts := pairing(t.TempDir())
	b := create(t, opts)
	begin(t, b, 2)
	end := b.End()
	shut(t, b)
	before, err := os.ReadFile(filepath.Join(opts.Dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	try := func(name string, text []byte, opts Options, codes ...fault.Code) {
		t.Helper()
		for what, err := range map[string]error{
			"read":    func() error { _, err := ReadSnapshot(t.Context(), bytes.NewReader(text), opts.SealKey); return err }(),
			"install": Install(t.Context(), bytes.NewReader(text), opts),
		} {
			ok := false
			for _, code := range codes {
				ok = ok || fault.Is(err, code)
			}
			if !ok {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
	}
	for at := 0; at < len(good); at += 19 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x11
		try(fmt.Sprintf("with byte %d changed", at), bad, opts, fault.Malformed, fault.Conflict, fault.Denied)
	}
	for at := 0; at < len(good); at += 67 {
		try(fmt.Sprintf("cut off at %d", at), good[:at], opts, fault.Malformed)
	}
	try("of a newer release", bytes.Replace(good, fmt.Appendf(nil, `"schema":%d`, schema), []byte(`"schema":9`), 1), opts, fault.Conflict)
	try("that is a backup", backup(t, a, BackupOptions{}), opts, fault.Malformed)
	other := opts
	other.SealKey = Key{9}
	try("of another key", good, other, fault.Denied)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := Install(stopped, bytes.NewReader(good), opts); !fault.Is(err, fault.Cancelled) {
		t.Errorf("called off: %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(opts.Dir, fileName)); err != nil || !bytes.Equal(before, after) {
		t.Fatalf("what was there is not as it was: %v", err)
	}
	if names, _ := filepath.Glob(filepath.Join(opts.Dir, "*"+asideExt)); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	if b = reopen(t, opts); b.End() != end {
		t.Errorf("it ends at %+v", b.End())
	}
}

// FuzzSnapshot holds that no bytes make the reader of snapshots panic or take much memory.
func FuzzSnapshot(f *testing.F) {
	opts := pairing(f.TempDir())
	opts.Now = func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) } // the same in every process that fuzzes
	s := create(f, opts)
	begin(f, s, 1)
	later(f, s, "", put(region(1)))
	s.Publish(2)
	good := snapshotOf(f, s)
	f.Add(string(good))
	f.Add(string(good[:len(good)-9]))
	f.Add(snapshotMagic + `h` + "\x02{}" + "c\x02{}")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ReadSnapshot(t.Context(), strings.NewReader(text), s.opts.SealKey)
		if err == nil && h.Position != s.Tip() {
			t.Errorf("taken: %+v", h)
		}
		if err != nil && !fault.Is(err, fault.Malformed) && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Denied) {
			t.Error(err)
		}
	})
}
