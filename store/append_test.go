package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

// receiver is a store that has records 1 to 3 of another one, and record 4 that it lacks.
func receiver(t testing.TB) (b *Store, fourth []byte) {
	t.Helper()
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	opts := pairing(t.TempDir())
	opts.Now = func() time.Time { return clock }
	a := create(t, opts)
	begin(t, a, 5)
	clock = clock.Add(time.Hour)
	later(t, a, "", put(region(1), region(2), pool(3, region(1), "hunter2")))
	later(t, a, "", put(region(6)))
	b = create(t, pairing(t.TempDir()))
	ship(t, a, b)
	later(t, a, "", func(d model.Draft) error {
		p, _ := model.Find[*model.Pool](d, pool(3, region(1), "").ID)
		p = model.Edit(p)
		p.Description = "changed"
		if err := d.Put(p); err != nil {
			return err
		}
		return put(region(4))(d)
	})
	return b, tail(t, a, 4)[0]
}

// edited is a record with something changed and a hash that is right again.
func edited(t testing.TB, raw []byte, edit func(r *Record)) []byte {
	t.Helper()
	r, err := journal.Decode(bytes.Clone(raw))
	if err != nil {
		t.Fatal(err)
	}
	edit(r)
	return r.Encode()
}

// Whatever is wrong with what another node sends, it is refused, and nothing was changed by it.
func TestAppendRefusesDamage(t *testing.T) {
	b, good := receiver(t)
	sealed := func(key Key, o model.Object) seal.Value {
		o.Base().Version = 4
		for _, table := range tables() {
			if table.Kind == o.Kind() {
				v, err := seal.New(key).Encode(&table, o)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
		panic(o.Kind())
	}
	own := b.opts.SealKey
	// change is the good record with another change as its only one.
	change := func(c Change) []byte {
		return edited(t, good, func(r *Record) { r.Changes = []Change{c} })
	}
	made := func(o model.Object) []byte {
		return change(Change{Kind: o.Kind(), ID: o.Base().ID, Op: journal.Create, Version: 4, After: sealed(own, o)})
	}
	was := func(kind model.Kind, id model.ID) seal.Value {
		r, err := journal.Decode(tail(t, b, 2)[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Changes {
			if c.Kind == kind && c.ID == id {
				return c.After
			}
		}
		panic(id)
	}
	renamed := pool(9, region(1), "")
	renamed.Name = pool(3, region(1), "").Name
	p, r := pool(3, region(1), "").ID, region(1).ID
	for name, c := range map[string]struct {
		code    fault.Code
		records [][]byte
	}{
		"nothing in it":                     {fault.Malformed, [][]byte{{}}},
		"torn":                              {fault.Malformed, [][]byte{good[:len(good)-1]}},
		"more than a record":                {fault.Malformed, [][]byte{append(bytes.Clone(good), 0)}},
		"another record's":                  {fault.Conflict, [][]byte{tail(t, b, 3)[0]}},
		"the same twice":                    {fault.Conflict, [][]byte{good, good}},
		"after a gap":                       {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Index++ })}},
		"after another record":              {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Prev[7] ^= 1 })}},
		"of an epoch before":                {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Epoch.Counter-- })}},
		"of a lower node's epoch":           {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Epoch.Node = "a" })}},
		"of a time before":                  {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Time = r.Time.Add(-time.Nanosecond) })}},
		"changing from something else":      {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].Before = sealed(own, pool(3, region(2), "hunter2")) })}},
		"changing from another secret":      {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].Before = sealed(own, pool(3, region(1), "hunter3")) })}},
		"changing from nonsense":            {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].Before = seal.Value("nonsense") })}},
		"changing to nonsense":              {fault.Malformed, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].After = seal.Value("nonsense") })}},
		"changing to another object":        {fault.Malformed, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].After = sealed(own, pool(8, region(1), "x")) })}},
		"changing to another version":       {fault.Malformed, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].Version = 3 })}},
		"sealed with another key":           {fault.Denied, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].After = sealed(Key{9}, pool(3, region(1), "x")) })}},
		"of an unknown kind":                {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Changes[0].Kind = "unknown" })}},
		"of the same object twice":          {fault.Conflict, [][]byte{edited(t, good, func(r *Record) { r.Changes = append(r.Changes, r.Changes[0]) })}},
		"making what is there":              {fault.Conflict, [][]byte{made(region(1))}},
		"changing what is not there":        {fault.Conflict, [][]byte{change(Change{Kind: "region", ID: region(7).ID, Op: journal.Update, Version: 4, Before: was("region", r), After: sealed(own, region(7))})}},
		"deleting what is not there":        {fault.Conflict, [][]byte{change(Change{Kind: "region", ID: region(7).ID, Op: journal.Delete, Version: 2, Before: was("region", r)})}},
		"deleting another version":          {fault.Conflict, [][]byte{change(Change{Kind: "pool", ID: p, Op: journal.Delete, Version: 1, Before: was("pool", p)})}},
		"deleting what is referred to":      {fault.Conflict, [][]byte{change(Change{Kind: "region", ID: r, Op: journal.Delete, Version: 2, Before: was("region", r)})}},
		"referring to nothing":              {fault.Conflict, [][]byte{made(pool(9, region(7), ""))}},
		"taking a name":                     {fault.Conflict, [][]byte{made(renamed)}},
		"good, and then one that is not":    {fault.Conflict, [][]byte{good, edited(t, good, func(r *Record) { r.Index++ })}},
		"good, and then one that is broken": {fault.Malformed, [][]byte{good, good[:40]}},
	} {
		path := filepath.Join(b.opts.Dir, fileName)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at, err := b.Append(t.Context(), c.records); !fault.Is(err, c.code) {
			t.Errorf("a record %s is answered %v, want %s (%+v)", name, err, c.code, at)
		}
		if b.End().Index != 3 || b.Err() != nil {
			t.Fatalf("a record %s leaves it at %+v, %v", name, b.End(), b.Err())
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
			t.Errorf("a record %s changes the file: %v", name, err)
		}
	}
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 4
		if _, err := b.Append(t.Context(), [][]byte{bad}); !fault.Is(err, fault.Malformed) {
			t.Fatalf("a record with byte %d changed: %v", at, err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := b.Append(stopped, [][]byte{good}); !fault.Is(err, fault.Cancelled) {
		t.Errorf("called off: %v", err)
	}
	sound(t, b)
	at, err := b.Append(t.Context(), [][]byte{good})
	if err != nil || at.Index != 4 || b.End() != at {
		t.Errorf("the good one: %+v, %v", at, err)
	}
	if at, err = b.Append(t.Context(), nil); err != nil || at.Index != 4 {
		t.Errorf("none: %+v, %v", at, err)
	}
	b.Publish(4)
	if got, _ := model.Find[*model.Pool](b.View(), p); got == nil || got.Description != "changed" || got.CephSecretUUID.Reveal() != "hunter2" {
		t.Errorf("%+v", got)
	}
	sound(t, b)
}

// A node in an epoch of its own takes nothing from another one.
func TestAppendIsForThoseWhoFollow(t *testing.T) {
	b, good := receiver(t)
	begin(t, b, 6)
	if _, err := b.Append(t.Context(), [][]byte{good}); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v", err)
	}
	b.Halt(nil)
	if _, err := b.Append(t.Context(), [][]byte{good}); !fault.Is(err, fault.Conflict) { // for another reason
		t.Errorf("%v", err)
	}
}

// A batch may hold what only makes sense together: names that pass from one object to another, over epochs.
func TestAppendTakesManyAtOnce(t *testing.T) {
	a, b := create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	later(t, a, "", put(region(1), region(2), pool(3, region(1), "x")))
	later(t, a, "", func(d model.Draft) error { // the names go round, in one record
		one, two := region(1), region(2)
		one.Name = "aside"
		if err := d.Put(one); err != nil {
			return err
		}
		two.Name = region(1).Name
		if err := d.Put(two); err != nil {
			return err
		}
		one = region(1)
		one.Name = region(2).Name
		return d.Put(one)
	})
	a.Halt(nil)
	begin(t, a, 2)
	later(t, a, "", func(d model.Draft) error {
		if err := d.Delete(model.KindPool, pool(3, region(1), "").ID); err != nil {
			return err
		}
		return d.Delete(model.KindRegion, region(1).ID)
	})
	later(t, a, "", put(region(5)))
	if at := ship(t, a, b); at != a.End() || at.Index != 6 {
		t.Fatalf("%+v", at)
	}
	a.Publish(6)
	b.Publish(6)
	if content(a.View()) != content(b.View()) {
		t.Errorf("it shows\n%s\nthe other\n%s", content(b.View()), content(a.View()))
	}
	sound(t, b)
}

func TestTail(t *testing.T) {
	opts := pairing(t.TempDir())
	opts.Retention = Retention{Bytes: 1}
	s := create(t, opts)
	begin(t, s, 1)
	for n := range 6 {
		later(t, s, "", put(region(n)))
	}
	if got := tail(t, s, 1); len(got) != 7 {
		t.Errorf("%d records: what is not published was cut", len(got))
	}
	if got, err := s.Tail(3, s.End().Index, 1); err != nil || len(got) != 1 {
		t.Errorf("%d records of a byte at most, %v", len(got), err)
	}
	first := tail(t, s, 2)
	if got, err := s.Tail(2, s.End().Index, len(first[0])+len(first[1])+1); err != nil || len(got) != 2 {
		t.Errorf("%d records in the room of two, %v", len(got), err)
	}
	if got := tail(t, s, 8); len(got) != 0 {
		t.Errorf("%d records after the end", len(got))
	}
	if _, err := s.Tail(9, s.End().Index, 1); !fault.Is(err, fault.Conflict) {
		t.Errorf("beyond the end: %v", err)
	}
	s.Publish(5)
	if err := s.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cut := s.CutAt(); cut.Index != 4 || len(tail(t, s, 5)) != 3 {
		t.Errorf("cut at %+v", cut)
	}
	if _, err := s.Tail(4, s.End().Index, 1); !fault.Is(err, fault.NotFound) {
		t.Errorf("what was cut: %v", err)
	}
	for index, there := range map[uint64]bool{3: false, 4: true, 5: true, 7: true, 8: false} {
		if h, e, ok := s.Mark(index); ok != there || ok && (e.Counter != 1 || h == Hash{}) {
			t.Errorf("record %d: %s of %s, %t", index, h, e, ok)
		}
	}
	shut(t, s)
	s = reopen(t, opts)
	for index := uint64(4); index <= 7; index++ { // read from the file now
		if h, e, ok := s.Mark(index); !ok || e.Counter != 1 || (h == Hash{}) {
			t.Errorf("record %d: %s of %s, %t", index, h, e, ok)
		}
	}
}

// FuzzAppend holds that records of another node, their hash being right, are refused without a trace, or
// leave everything sound.
func FuzzAppend(f *testing.F) {
	b, good := receiver(f)
	f.Add(good[sha256.Size:])
	for n := range 3 {
		f.Add(tail(f, b, 1)[n][sha256.Size:])
	}
	end, dir, n := b.End(), f.TempDir(), 0
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		at, err := b.Append(t.Context(), [][]byte{append(sum[:], body...)})
		if err != nil {
			if !fault.Is(err, fault.Malformed) && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Denied) {
				t.Error(err)
			}
			if b.End() != end || b.Err() != nil {
				t.Fatalf("a refused record leaves it at %+v, %v", b.End(), b.Err())
			}
			return
		}
		if at.Index != end.Index+1 {
			t.Errorf("it ends at %+v", at)
		}
		sound(t, b)
		n++
		if err := b.Cut(t.Context(), end, filepath.Join(dir, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
		sound(t, b)
	})
}
