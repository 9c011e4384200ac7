package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// pairing are options of one of a pair.
func pairing(dir string) Options {
	opts := options(dir)
	opts.Held, opts.Moved = true, make(chan struct{}, 1)
	return opts
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
	end, told, refused := s.End(), make(chan answer, 1), make(chan error, 1)
	go func() {
		index, err := s.Update(context.Background(), Cause{Actor: "test", What: "test", Request: request}, func(d model.Draft) error {
			err := f(d)
			if err != nil {
				refused <- err // the answer comes once it is published what that was decided on
			}
			return err
		})
		told <- answer{index, err}
	}()
	for s.End() == end {
		select {
		case <-s.opts.Moved:
		case err := <-refused:
			t.Fatal(err)
		case got := <-told:
			t.Fatalf("answered %+v before anything was written", got)
		}
	}
	return told
}

// moved tells whether the store has told of a change of its end since the last call.
func moved(s *Store) bool {
	select {
	case <-s.opts.Moved:
		return true
	default:
		return false
	}
}

// unanswered fails the test when there is an answer.
func unanswered(t testing.TB, told <-chan answer) {
	t.Helper()
	select {
	case got := <-told:
		t.Fatalf("answered %+v", got)
	default:
	}
}

// ship brings all that one store has and another lacks to the other.
func ship(t testing.TB, from, to *Store) Position {
	t.Helper()
	records, err := from.Tail(to.End().Index+1, from.End().Index, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	at, err := to.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// content is all objects of a state, their secrets included.
func content(v model.View) string {
	var out strings.Builder
	for _, table := range tables() {
		for o := range v.All(table.Kind) {
			text, _ := json.Marshal(o)
			fmt.Fprintf(&out, "%s %s", table.Kind, text)
			if p, ok := o.(*model.Pool); ok {
				out.WriteString(" " + p.CephSecretUUID.Reveal())
			}
			out.WriteString("\n")
		}
	}
	return out.String()
}

// What one of two commits is seen, and answered, once it is published; and the other follows.
func TestPublicationIsApartFromCommit(t *testing.T) {
	a, b := create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	told := later(t, a, "one", put(region(1), pool(2, region(1), "hunter2")))
	if a.End().Index != 2 || a.Tip().Index != 0 || a.View().Len(model.KindRegion) != 0 {
		t.Fatalf("end %d, tip %d: shown before it is published", a.End().Index, a.Tip().Index)
	}
	if at := ship(t, a, b); at != a.End() || b.End() != at || b.Tip().Index != 0 || b.View().Len(model.KindRegion) != 0 {
		t.Fatalf("the other is at %d and shows %d", at.Index, b.Tip().Index)
	}
	unanswered(t, told)
	a.Publish(1)
	unanswered(t, told)
	a.Publish(2)
	b.Publish(2)
	if got := <-told; got.err != nil || got.index != 2 {
		t.Errorf("answered %+v", got)
	}
	a.Publish(1)
	for _, s := range []*Store{a, b} {
		p, ok := model.Find[*model.Pool](s.View(), pool(2, region(1), "").ID)
		if !ok || p.CephSecretUUID.Reveal() != "hunter2" || s.Tip() != a.End() {
			t.Errorf("%+v at %+v", p, s.Tip())
		}
		sound(t, s)
	}
	if content(a.View()) != content(b.View()) || b.Status().Epoch != a.Status().Epoch || b.HighestEpoch() != 1 {
		t.Errorf("%+v, the other %+v", a.Status(), b.Status())
	}
}

// Nothing that is not published leaves the store in any way.
func TestUnpublishedIsSeenNowhere(t *testing.T) {
	s := create(t, pairing(t.TempDir()))
	begin(t, s, 1)
	later(t, s, "", put(region(1)))
	s.Publish(2)
	var before bytes.Buffer
	shown, err := s.Snapshot(t.Context(), &before)
	if err != nil || shown != s.Tip() {
		t.Fatal(shown, err)
	}
	watched, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan uint64, 10)
	go func() {
		defer close(seen)
		for r, err := range s.Watch(watched, 1) {
			if err != nil {
				return
			}
			seen <- r.Index
		}
	}()
	told := later(t, s, "", put(region(3), pool(4, region(1), "hunter2")))
	if n := s.View().Len(model.KindRegion); n != 1 || s.Tip() != shown || s.Status().Position != shown {
		t.Errorf("%d regions at %+v", n, s.Status())
	}
	if err := s.Try(func(d model.Draft) error {
		if d.Len(model.KindRegion) != 1 || d.Index() != 2 {
			t.Errorf("a trial sees %d regions at %d", d.Len(model.KindRegion), d.Index())
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if records, err := s.Journal(3, 10); err != nil || len(records) != 0 {
		t.Errorf("the journal gives %v, %v", records, err)
	}
	if records, err := s.JournalBack(9, 10); err != nil || len(records) != 2 {
		t.Errorf("the journal backwards gives %v, %v", records, err)
	}
	if index, err := s.IndexAt(time.Now().Add(time.Hour)); err != nil || index != 2 {
		t.Errorf("the record of tomorrow is %d, %v", index, err)
	}
	if _, err := s.At(t.Context(), 3, 10); !fault.Is(err, fault.Malformed) {
		t.Errorf("the state at 3: %v", err)
	}
	for name, write := range map[string]func(*bytes.Buffer) (Position, error){
		"backup": func(b *bytes.Buffer) (Position, error) {
			h, err := s.Backup(t.Context(), b, BackupOptions{})
			return h.Position, err
		},
		"segment": func(b *bytes.Buffer) (Position, error) {
			first, _, _ := s.Mark(1)
			h, err := s.BackupSince(t.Context(), b, Position{1, first})
			return h.Position, err
		},
		"snapshot": func(b *bytes.Buffer) (Position, error) { return s.Snapshot(t.Context(), b) },
	} {
		var out bytes.Buffer
		if at, err := write(&out); err != nil || at != shown || strings.Contains(out.String(), "region 3") {
			t.Errorf("the %s is of %+v, %v", name, at, err)
		}
	}
	if _, err := s.BackupSince(t.Context(), &before, shown); !fault.Is(err, fault.Conflict) {
		t.Errorf("a segment after what is published: %v", err)
	}
	s.Publish(9)
	<-told
	for want := uint64(1); want <= 3; want++ {
		if got := <-seen; got != want {
			t.Errorf("watched record %d, want %d", got, want)
		}
	}
	stop()
	for range seen {
		t.Error("watched more than there is")
	}
}

// A refusal that was decided on something unpublished tells about it, and so waits for it.
func TestRefusalWaitsForWhatItTellsAbout(t *testing.T) {
	s := create(t, pairing(t.TempDir()))
	begin(t, s, 1)
	s.Publish(1)
	taken := fault.New(fault.Conflict, "taken")
	refuse := func(d model.Draft) error {
		if d.Len(model.KindRegion) > 0 {
			return taken
		}
		return fault.New(fault.NotFound, "nothing")
	}
	if _, err := s.Update(t.Context(), Cause{}, refuse); !fault.Is(err, fault.NotFound) {
		t.Errorf("a refusal decided on what is published: %v", err)
	}
	told := later(t, s, "one", put(region(1)))
	ran, refused := make(chan struct{}), make(chan answer, 1)
	go func() {
		_, err := s.Update(context.Background(), Cause{}, func(d model.Draft) error { defer close(ran); return refuse(d) })
		refused <- answer{err: err}
	}()
	<-ran
	if err := s.Probe(t.Context()); err != nil { // comes after it in the committer
		t.Fatal(err)
	}
	unanswered(t, refused)
	s.Publish(2)
	if a, b := <-told, <-refused; a.err != nil || !errors.Is(b.err, taken) {
		t.Errorf("%v, %v", a, b)
	}
}

// Who waits when an epoch ends is told that the outcome is unknown, and of which request; who comes later
// is told the reason. What was committed stays, and is published by whoever is elected next.
func TestHaltAnswersThoseWhoWait(t *testing.T) {
	a, b := create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	a.Publish(1)
	told := later(t, a, "request-7", put(region(1)))
	reason := fault.New(fault.Unavailable, "the right to act is lost")
	a.Halt(reason)
	if got := <-told; !fault.Is(got.err, fault.Unavailable) || !strings.Contains(got.err.Error(), "unknown") || !strings.Contains(got.err.Error(), "request-7") || !errors.Is(got.err, reason) {
		t.Errorf("who waits is told %v", got.err)
	}
	if _, err := a.Update(t.Context(), Cause{}, put(region(2))); !errors.Is(err, reason) {
		t.Errorf("who comes later is told %v", err)
	}
	if a.End().Index != 2 || a.View().Len(model.KindRegion) != 0 {
		t.Errorf("the change does not stay, unseen: %d", a.End().Index)
	}
	ship(t, a, b)
	if at := begin(t, b, 2); at.Index != 3 {
		t.Errorf("the next epoch begins at %d", at.Index)
	}
	b.Publish(3)
	if b.View().Len(model.KindRegion) != 1 {
		t.Error("the other node lost the change")
	}
	if _, err := a.Begin(t.Context(), Epoch{Counter: 1, Node: "here"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("an epoch is begun twice: %v", err)
	}
	ship(t, b, a)
	a.Publish(3)
	if content(a.View()) != content(b.View()) || a.Tip() != b.Tip() {
		t.Error("the nodes differ")
	}
	sound(t, a)
	begin(t, a, 3)
	told = later(t, a, "", put(region(3)))
	a.Publish(5)
	if got := <-told; got.err != nil || got.index != 5 {
		t.Errorf("%+v in the epoch after", got)
	}
}

// Who repeats a request whose outcome was unknown gets the answer that the first attempt would have got,
// from whichever node, and not before that is published.
func TestRepeatedRequestGetsItsFirstAnswer(t *testing.T) {
	// once makes a region named after the request, unless there is one, and tells which one it is.
	once := func(request string, n int, made *string) func(model.Draft) error {
		return func(d model.Draft) error {
			if r, ok := model.One[*model.Region](d, "name", request); ok {
				*made = string(r.ID)
				return nil
			}
			r := region(n)
			r.Name, *made = request, string(r.ID)
			return d.Put(r)
		}
	}
	a, b := create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	begin(t, a, 1)
	a.Publish(1)
	var first, again, there string
	told := later(t, a, "r", once("r", 1, &first))
	repeated := make(chan answer, 1)
	go func() {
		_, err := a.Update(context.Background(), Cause{Request: "r"}, once("r", 2, &again))
		repeated <- answer{err: err}
	}()
	ship(t, a, b)
	a.Halt(nil)
	if got := <-told; !fault.Is(got.err, fault.Unavailable) {
		t.Errorf("%+v", got)
	}
	if got := <-repeated; !fault.Is(got.err, fault.Unavailable) {
		t.Errorf("the repeat is answered %+v", got)
	}
	begin(t, b, 2)
	second := make(chan answer, 1)
	go func() {
		_, err := b.Update(context.Background(), Cause{Request: "r"}, once("r", 3, &there))
		second <- answer{err: err}
	}()
	if err := b.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	unanswered(t, second)
	b.Publish(b.End().Index)
	end := b.End()
	if got := <-second; got.err != nil || there != first { // it may have come after Probe
		t.Errorf("the repeat made %q, the request %q: %v", there, first, got.err)
	}
	if b.End() != end {
		t.Error("the repeat made something")
	}
}

func TestBeginRefuses(t *testing.T) {
	a, b := create(t, pairing(t.TempDir())), create(t, pairing(t.TempDir()))
	if _, err := a.Update(t.Context(), Cause{}, put(region(1))); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "begun no epoch") {
		t.Errorf("a change before any epoch: %v", err)
	}
	begin(t, a, 7)
	ship(t, a, b)
	for e, code := range map[Epoch]fault.Code{
		{Counter: 7, Node: "here"}:  fault.Conflict,
		{Counter: 7, Node: "a"}:     fault.Conflict, // below it
		{Counter: 6, Node: "there"}: fault.Conflict,
		{Counter: 8}:                fault.Invalid,
	} {
		if _, err := b.Begin(t.Context(), e); !fault.Is(err, code) {
			t.Errorf("epoch %s: %v", e, err)
		}
	}
	if b.End() != a.End() {
		t.Errorf("a refused epoch moved the end to %+v", b.End())
	}
	// The same counter of a node with a higher name is a higher epoch.
	if _, err := b.Begin(t.Context(), Epoch{Counter: 7, Node: "there"}); err != nil {
		t.Error(err)
	}
	if e := b.Epoch(); e.Node != "there" || a.Epoch().Node != "here" {
		t.Errorf("%s and %s", a.Epoch(), e)
	}
}
