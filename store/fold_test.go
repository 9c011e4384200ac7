package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/wal"
)

// behind makes a leader and a store that follows it, which has some records only in its log: after the one with which
// the epoch begins, each came by itself. There they stay, however long the test takes.
func behind(t *testing.T, records int) (leader, follower *Store) {
	t.Helper()
	leader, follower = following(t, records, time.Hour)
	if n := inLog(t, follower); n != records {
		t.Fatalf("%d of %d records are in the log", n, records)
	}
	return leader, follower
}

// following is behind with a follower that empties its log after some time without records.
func following(t *testing.T, records int, after time.Duration) (leader, follower *Store) {
	t.Helper()
	leader, follower = create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	inside(t, follower, func() { follower.late.after = after })
	begin(t, leader, 1)
	ship(t, leader, follower)
	for n := range records {
		later(t, leader, "", put(region(n), pool(100+n, region(n), fmt.Sprint("secret ", n))))
		ship(t, leader, follower)
	}
	return leader, follower
}

// inside runs f in the committer, which leaves the log as it is.
func inside(t testing.TB, s *Store, f func()) {
	t.Helper()
	act := func(context.Context) error { f(); return nil }
	if _, err := s.submit(&job{ctx: context.Background(), act: act, late: true, done: make(chan answer, 1)}); err != nil {
		t.Fatal(err)
	}
}

// inLog is how many records are in the log alone.
func inLog(t testing.TB, s *Store) (n int) {
	t.Helper()
	inside(t, s, func() { n = len(s.late.records) })
	return n
}

// killed copies the files of an open store that does nothing, as they would be after the end of its process.
func killed(t testing.TB, s *Store, names ...string) Options {
	t.Helper()
	opts := s.opts
	opts.Dir = t.TempDir()
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(s.opts.Dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(opts.Dir, name), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return opts
}

// What another node sent is on disk at once, though not in the bbolt file, and shown as far as it was published.
func TestWhatWasLoggedSurvives(t *testing.T) {
	a, b := behind(t, 4)
	b.Publish(3)
	later(t, a, "", put(region(9)))
	end := ship(t, a, b) // which tells the log what was published before it
	if s := reopen(t, killed(t, b, fileName)); s.End().Index != 1 {
		t.Errorf("without its log it ends at record %d", s.End().Index)
	}
	opts := killed(t, b, fileName, walName)
	if report, err := Check(t.Context(), opts); err != nil || !report.OK() || report.Position != end {
		t.Errorf("checked before the next start: %+v, %v", report, err)
	}
	s := reopen(t, opts)
	sound(t, s)
	shut(t, b)
	if s := reopen(t, killed(t, b, fileName)); s.End() != end {
		t.Errorf("closed in order, its file ends at %+v without the log", s.End())
	}
	if s.End() != end || s.Tip().Index != 3 || s.View().Len(model.KindRegion) != 2 {
		t.Errorf("it ends at %+v and shows %+v, want %+v and record 3", s.End(), s.Tip(), end)
	}
	s.Publish(end.Index)
	a.Publish(end.Index)
	if content(s.View()) != content(a.View()) {
		t.Error("it holds something else than the other one")
	}
	shut(t, s)
	if s = reopen(t, opts); s.End() != end || s.Tip() != end {
		t.Errorf("opened once more it ends at %+v and shows %+v", s.End(), s.Tip())
	}
}

// Whoever reads does not see whether a record is in the log or in the file.
func TestReadingAcrossTheLog(t *testing.T) {
	a, b := behind(t, 3)
	large := region(50)
	large.Description = strings.Repeat("large ", keptBytes/6)
	later(t, a, "", put(large))
	ship(t, a, b)
	if inLog(t, b) != 0 {
		t.Error("a large record went to the log")
	}
	for n := 60; n < 63; n++ {
		later(t, a, "", put(region(n)))
		ship(t, a, b)
	}
	end := b.End()
	a.Publish(end.Index)
	b.Publish(end.Index)
	if inLog(t, b) != 3 {
		t.Fatalf("%d records are in the log", inLog(t, b))
	}
	tail := func(s *Store) (out []byte) {
		for at := uint64(1); at <= end.Index; {
			some, err := s.Tail(at, end.Index, 1<<20)
			if err != nil || len(some) == 0 {
				t.Fatalf("%d records from %d on, %v", len(some), at, err)
			}
			out, at = append(out, bytes.Join(some, nil)...), at+uint64(len(some))
		}
		return out
	}
	if !bytes.Equal(tail(a), tail(b)) {
		t.Error("they are other records")
	}
	last, err := b.Journal(1, 100)
	if err != nil || uint64(len(last)) != end.Index {
		t.Fatalf("%d of %d records, %v", len(last), end.Index, err)
	}
	if index, err := b.IndexAt(last[len(last)-2].Time); err != nil || index < end.Index-1 {
		t.Errorf("the last but one was %d: %v", index, err)
	}
	later(t, a, "", put(region(70)))
	ship(t, a, b)
	b.Publish(b.End().Index)
	if back, err := b.JournalBack(b.End().Index, 3); err != nil || len(back) != 3 || back[0].Index != b.End().Index {
		t.Errorf("backwards: %d records, %v", len(back), err)
	}
	later(t, a, "", put(region(71)))
	ship(t, a, b)
	sound(t, b)
}

// A record that changes what is not here is refused before anybody is told that it is on disk, and nothing of it stays.
func TestTheLogIsVerifiedAsTheFileIs(t *testing.T) {
	a, b := behind(t, 1)
	b.Publish(b.End().Index) // the next start takes it from the file, not from the journal
	shut(t, b)
	other := region(0)
	other.Description = "it is something else here"
	other.Version = 2
	value, err := b.sealer.Encode(b.tables[model.KindRegion], other)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openFile(filepath.Join(b.opts.Dir, fileName), false)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return place(tx, []byte(model.KindRegion), []byte(other.ID), value)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	b = reopen(t, b.opts)
	later(t, a, "", put(region(40)))
	ship(t, a, b) // directly, which begins the log
	end := b.End()
	later(t, a, "", func(d model.Draft) error { return d.Put(changed(d, other.ID)) })
	records, err := a.Tail(end.Index+1, end.Index+1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), records); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "differ") || b.End() != end {
		t.Errorf("%v; it ends at %+v", err, b.End())
	}
	if s := reopen(t, killed(t, b, fileName, walName)); s.End() != end {
		t.Errorf("the next start is at %+v", s.End())
	}
}

// While only the bbolt file knows what stands, nothing is written to it, after a log that failed either: what the log has
// is taken over by the next start.
func TestNothingIsFoldedIntoAnUnknownFile(t *testing.T) {
	_, b := behind(t, 2)
	end := b.End()
	inside(t, b, func() {
		b.broken = true
		b.void()
	})
	if s := reopen(t, killed(t, b, fileName)); s.End().Index != 1 {
		t.Errorf("the file ends at record %d", s.End().Index)
	}
	if s := reopen(t, killed(t, b, fileName, walName)); s.End() != end {
		t.Errorf("with the log it ends at %+v, want %+v", s.End(), end)
	}
}

// changed is a region as it is, with another description.
func changed(d model.Draft, id model.ID) *model.Region {
	r, _ := model.Find[*model.Region](d, id)
	r = model.Edit(r)
	r.Description = "changed"
	return r
}

// What was cut off, or replaced by a snapshot, does not come back out of the log.
func TestTheLogBringsNothingBack(t *testing.T) {
	a, b := behind(t, 4)
	h, _, _ := b.Mark(3)
	kept := Position{3, h}
	if err := b.Cut(t.Context(), kept, filepath.Join(t.TempDir(), "x.fork")); err != nil {
		t.Fatal(err)
	}
	if s := reopen(t, killed(t, b, fileName, walName)); s.End() != kept {
		t.Errorf("after a cut to %+v it ends at %+v", kept, s.End())
	}

	a.Publish(3)
	var text bytes.Buffer
	at, err := a.Snapshot(t.Context(), &text)
	if err != nil {
		t.Fatal(err)
	}
	a.Publish(a.End().Index)
	ship(t, a, b) // directly
	later(t, a, "", put(region(90)))
	ship(t, a, b) // to the log
	a.Halt(nil)
	begin(t, a, 7)
	ship(t, a, b)
	if inLog(t, b) == 0 {
		t.Error("nothing is in the log")
	}
	opts := killed(t, b, fileName, walName)
	if err := Install(context.Background(), &text, opts); err != nil {
		t.Fatal(err)
	}
	if s := reopen(t, opts); s.End() != at || s.HighestEpoch() != 7 {
		t.Errorf("after a snapshot of %+v it ends at %+v, having known epoch %d", at, s.End(), s.HighestEpoch())
	}
}

// The one that followed leads: everything it has is in the file, and the log is out of use.
func TestLeadingAfterTheLog(t *testing.T) {
	_, b := behind(t, 3)
	end := b.End()
	at, err := b.Begin(t.Context(), Epoch{Counter: 2, Node: "there"})
	if err != nil || at.Index != end.Index+1 {
		t.Fatalf("its epoch begins at %+v after %+v: %v", at, end, err)
	}
	b.Publish(at.Index)
	update := later(t, b, "", put(region(40)))
	b.Publish(b.End().Index)
	if got := <-update; got.err != nil {
		t.Fatal(got.err)
	}
	s := reopen(t, killed(t, b, fileName, walName))
	sound(t, s)
	if s.End() != b.End() {
		t.Errorf("it ends at %+v, want %+v", s.End(), b.End())
	}
	if s.Publish(s.End().Index); content(s.View()) != content(b.View()) {
		t.Error("it holds something else")
	}
}

// A byte of the log that changed on the disk is noticed, whichever it is: by Check and by the next start, which tell the
// file and what to do.
func TestFlippedBytesOfTheLog(t *testing.T) {
	_, b := behind(t, 3)
	opts := killed(t, b, fileName, walName)
	path := filepath.Join(opts.Dir, walName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(raw, "\x00"))
	if used < 1000 {
		t.Fatalf("the log has %d bytes", used)
	}
	noticed := 0
	for at := range used {
		if at >= 5+wal.KeySize+8 && at < wal.Size-wal.Room {
			continue // between the mark and the frames
		}
		raw[at] ^= patterns[at%len(patterns)]
		if at%61 == 0 || at < 32 || at > used-8 {
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if report, err := Check(t.Context(), opts); err != nil || report.OK() {
				t.Errorf("byte %d: checked: %+v, %v", at, report, err)
			}
			s, err := Open(opts)
			if err == nil {
				shut(t, s)
				t.Fatalf("byte %d: it opens", at)
			}
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), walName) || !strings.Contains(err.Error(), "standby") {
				t.Errorf("byte %d: %v", at, err)
			}
			noticed++
		}
		raw[at] ^= patterns[at%len(patterns)]
	}
	if noticed < 60 {
		t.Errorf("only %d bytes were tried", noticed)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := reopen(t, opts); s.End() != b.End() {
		t.Errorf("whole, it ends at %+v", s.End())
	}
}

// A write that a power failure cut off was told nobody: what came before it counts.
func TestTheEndOfTheLogIsCutOff(t *testing.T) {
	a, b := behind(t, 2)
	end := b.End()
	log := filepath.Join(b.opts.Dir, walName)
	before, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	later(t, a, "", put(region(40)))
	ship(t, a, b)
	after, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	from, to := len(bytes.TrimRight(before, "\x00")), len(bytes.TrimRight(after, "\x00"))
	for cut := from; cut < to; cut += 57 {
		torn := append(bytes.Clone(after[:cut]), make([]byte, wal.Size-cut)...)
		copy(torn, before[:512]) // the mark comes after the sync
		opts := killed(t, b, fileName)
		if err := os.WriteFile(filepath.Join(opts.Dir, walName), torn, 0o600); err != nil {
			t.Fatal(err)
		}
		s := reopen(t, opts)
		if s.End() != end {
			t.Errorf("cut off at %d it ends at %+v, want %+v", cut, s.End(), end)
		}
		shut(t, s)
	}
}

// The log is taken over into the file before it is full, and while nothing comes, with nobody asking for it.
func TestTheLogIsEmptied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := following(t, 1, foldAfter)
		most := 0
		for n := range foldRecords {
			later(t, a, "", put(region(1000+n)))
			ship(t, a, b)
			synctest.Wait()
			most = max(most, inLog(t, b))
		}
		if most > foldRecords*3/4 || most < foldRecords/2 {
			t.Errorf("there were up to %d records in the log", most)
		}
		time.Sleep(2 * foldAfter)
		synctest.Wait()
		if n := inLog(t, b); n > 0 {
			t.Errorf("%d records stay in the log", n)
		}
		sound(t, b)
		shut(t, a)
		shut(t, b)
	})
}
