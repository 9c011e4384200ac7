package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestJournalTellsWhatHappened(t *testing.T) {
	s := create(t, options(t.TempDir()))
	cause := Cause{Actor: "user", ActorID: "u1", Request: "r1", From: "192.0.2.1", What: "create pool"}
	if _, err := s.Update(t.Context(), cause, put(region(1), pool(2, region(1), "hunter2"))); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(d model.Draft) error { return d.Delete(model.KindPool, pool(2, region(1), "").ID) })
	records, err := s.Journal(1, 10)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if c := records[0].Cause.What; c != "epoch begins" || records[0].Epoch != s.Epoch() {
		t.Errorf("the journal begins with %q of epoch %s", c, records[0].Epoch)
	}
	made, gone := records[1], records[2]
	if made.Cause != cause || len(made.Changes) != 2 || made.Prev != records[0].Hash || gone.Prev != made.Hash || s.Tip() != (Position{3, gone.Hash}) {
		t.Errorf("record 2 is %+v", made)
	}
	text, err := json.Marshal(gone)
	for _, want := range []string{`"op":"delete"`, `"kind":"pool"`, `"version":2`, `"name":"pool 2"`, `"cephSecretUuid":"[secret]"`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("as JSON without %s: %s, %v", want, text, err)
		}
	}
	before, err := s.Object(model.KindPool, gone.Changes[0].Before)
	if p, ok := before.(*model.Pool); err != nil || !ok || p.CephSecretUUID.Reveal() != "hunter2" {
		t.Errorf("what was deleted is %+v, %v", before, err)
	}
	if after, err := s.Object(model.KindPool, gone.Changes[0].After); after != nil || err != nil {
		t.Errorf("after a deletion there is %v, %v", after, err)
	}
	if some, err := s.Journal(2, 1); err != nil || len(some) != 1 || some[0].Index != 2 {
		t.Errorf("one from 2: %v, %v", some, err)
	}
	if none, err := s.Journal(4, 10); err != nil || len(none) != 0 {
		t.Errorf("from the end: %v, %v", none, err)
	}
	if _, err := s.Journal(5, 10); !fault.Is(err, fault.Conflict) {
		t.Errorf("beyond the end: %v", err)
	}
}

// Several watchers that begin in different places and resume after a break miss nothing and see nothing
// twice, while 16 writers write.
func TestWatchersMissNothing(t *testing.T) {
	s := create(t, options(t.TempDir()))
	const changes = 320
	var all sync.WaitGroup
	for from := range uint64(2) {
		all.Go(func() {
			next := from + 1
			for next <= changes+1 {
				for r, err := range s.Watch(context.Background(), next) {
					if err != nil || r.Index != next {
						t.Errorf("got %d, %v; want %d", r.Index, err, next)
						return
					}
					if s.View().Index() < r.Index {
						t.Errorf("record %d is seen before the view has it", r.Index)
					}
					if next++; next > changes+1 || r.Index%50 == 0 {
						break // and resume
					}
				}
			}
		})
	}
	for w := range 16 {
		all.Go(func() {
			for n := range changes / 16 {
				update(t, s, put(region(w*1000+n)))
			}
		})
	}
	all.Wait()
}

func TestWatchEnds(t *testing.T) {
	s := create(t, options(t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var end error
	for r, err := range s.Watch(ctx, 1) {
		if end = err; r.Index == 1 {
			cancel()
		}
	}
	if !fault.Is(end, fault.Cancelled) {
		t.Errorf("an ended context ends it with %v", end)
	}
	go func() { _ = s.Close() }()
	for _, err := range s.Watch(t.Context(), 2) {
		end = err
	}
	if !fault.Is(end, fault.Unavailable) {
		t.Errorf("a closed store ends it with %v", end)
	}
}

func TestRetention(t *testing.T) {
	opts := options(t.TempDir())
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	opts.Now = func() time.Time { return now }
	opts.Retention = Retention{Age: time.Hour}
	s := create(t, opts)
	for n := range 40 {
		now = now.Add(10 * time.Minute)
		update(t, s, put(region(n)))
	}
	st := s.Status()
	if st.Index != 41 || st.Cut.Index != 34 {
		t.Errorf("at %d, cut at %d; want the seven records of the last hour kept", st.Index, st.Cut.Index)
	}
	if _, err := s.Journal(st.Cut.Index, 1); !errors.Is(err, ErrGone) || !fault.Is(err, fault.NotFound) {
		t.Errorf("a record that was cut: %v", err)
	}
	for _, err := range s.Watch(t.Context(), 3) {
		if !errors.Is(err, ErrGone) {
			t.Errorf("watching from what was cut: %v", err)
		}
	}
	kept, err := s.Journal(st.Cut.Index+1, 100)
	if err != nil || len(kept) != 7 || kept[0].Prev != st.Cut.Hash {
		t.Errorf("%d records kept, %v; the cut has hash %s, the next one continues %s", len(kept), err, st.Cut.Hash, kept[0].Prev)
	}
	sound(t, s)
	now = now.Add(48 * time.Hour)
	if err := s.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st = s.Status(); st.Cut.Index != 40 || st.Index != 41 {
		t.Errorf("trimmed to %d of %d; want all but the last", st.Cut.Index, st.Index)
	}
	sound(t, s)
	shut(t, s)

	opts.Retention = Retention{Bytes: 5_000}
	s = reopen(t, opts)
	for n := range 100 {
		update(t, s, put(region(1000+n)))
	}
	if st = s.Status(); st.JournalBytes > 5_000 || st.JournalBytes < 4_000 {
		t.Errorf("%d bytes of journal are kept, want just under 5000", st.JournalBytes)
	}
	sound(t, s)
}
