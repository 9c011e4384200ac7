package mail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a sender whose answers a test decides.
type target struct {
	sync.Mutex
	answer func(m Message) error
	got    []Message
	tried  int
	heard  chan Message
}

func (s *target) Send(_ context.Context, m Message) error {
	s.Lock()
	defer s.Unlock()
	s.tried++
	if s.answer != nil {
		if err := s.answer(m); err != nil {
			return err
		}
	}
	s.got = append(s.got, m)
	if s.heard != nil {
		s.heard <- m
	}
	return nil
}

// box is an outbox on a real store, with a clock of its own.
type box struct {
	*Outbox
	t      *testing.T
	store  *store.Store
	target *target
	at     time.Time
	log    bytes.Buffer
}

func newBox(t *testing.T) *box {
	t.Helper()
	opts := store.Options{Dir: t.TempDir(), Tables: append(catalogue.Tables(), operation.Table)}
	if err := store.Create(opts); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := &box{t: t, store: s, target: &target{}, at: noon}
	b.Outbox = New(Config{Store: s, Sender: b.target, Now: func() time.Time { return b.at }, Log: slog.New(slog.NewTextHandler(&b.log, nil)), Metrics: prometheus.NewRegistry()})
	return b
}

// post writes a letter with a key in it.
func (b *box) post(to, key string, change ...func(*model.Letter)) model.ID {
	b.t.Helper()
	var l *model.Letter
	_, err := b.store.Update(b.t.Context(), store.Cause{What: "test"}, func(d model.Draft) (err error) {
		var seed [32]byte
		copy(seed[:], to+key)
		cause := account.Cause{Now: b.at, Draw: model.NewDraw(seed, b.at), Terms: account.Terms{URL: "https://cloud.example.org"}}
		l, err = account.Post(d, cause, account.UserKey, account.To{Address: to}, map[string]any{"Key": key, "Until": ""}, time.Time{})
		if err != nil {
			return err
		}
		for _, f := range change {
			l = model.Edit(l)
			f(l)
		}
		return d.Put(l)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return l.ID
}

func (b *box) letter(id model.ID) *model.Letter {
	l, _ := model.Find[*model.Letter](b.store.View(), id)
	return l
}

func (b *box) addresses() []string {
	var out []string
	for _, m := range b.target.got {
		out = append(out, m.To.Address)
	}
	return out
}

var errDown = &fault.Error{Code: fault.Unavailable, Message: "connection refused"}

func TestLettersGoOutOnce(t *testing.T) {
	b := newBox(t)
	id := b.post("eve@example.org", "kw_one")
	for range 3 {
		b.pass(t.Context())
	}
	if len(b.target.got) != 1 || !strings.Contains(b.target.got[0].Text, "kw_one") || b.target.got[0].ID != string(id) || b.letter(id) != nil {
		t.Errorf("%+v, %v", b.target.got, b.letter(id))
	}
	if n := testutil.ToFloat64(b.sent); n != 1 || b.waiting() != 0 {
		t.Errorf("counted %v, %d wait", n, b.waiting())
	}
	if strings.Contains(b.log.String(), "kw_one") {
		t.Error("the key is in the log")
	}
}

// While the target is away one attempt is made at growing intervals, not one for each letter; when it is
// back everything goes out, each letter once and the same as it would have been.
func TestAnOutageDelaysAndLosesNothing(t *testing.T) {
	b := newBox(t)
	b.target.answer = func(Message) error { return errDown }
	for _, to := range []string{"a@x.org", "b@x.org", "c@x.org"} {
		b.post(to, "kw_"+to)
		b.at = b.at.Add(time.Second) // letters go in the order they were written
	}
	first := b.at
	var pauses []time.Duration
	for b.at.Sub(first) < 12*time.Hour {
		tried := b.target.tried
		pause := b.pass(t.Context())
		if b.target.tried > tried+1 {
			t.Fatalf("%d attempts in one pass", b.target.tried-tried)
		}
		if b.target.tried > tried {
			pauses = append(pauses, b.down.Sub(b.at))
		}
		b.at = b.at.Add(pause)
	}
	if len(pauses) < 100 || len(pauses) > 400 || slices.Max(pauses) > downPause || pauses[0] > firstPause || slices.Max(pauses[100:]) == slices.Min(pauses[100:]) {
		t.Errorf("%d attempts in 12 hours, pauses %v", len(pauses), pauses[:10])
	}
	b.target.answer = nil
	for range 200 {
		b.at = b.at.Add(b.pass(t.Context()))
	}
	got := b.addresses()
	slices.Sort(got)
	if !slices.Equal(got, []string{"a@x.org", "b@x.org", "c@x.org"}) || b.store.View().Len(model.KindLetter) != 0 {
		t.Errorf("%v arrived, %d wait", got, b.store.View().Len(model.KindLetter))
	}
}

// One letter that is not taken does not hold up the others.
func TestOneRefusedLetterHoldsUpNobody(t *testing.T) {
	for what, err := range map[string]error{"for now": fault.New(fault.Conflict, "451 greylisted"), "for good": fault.New(fault.Invalid, "550 no such user")} {
		b := newBox(t)
		b.target.answer = func(m Message) error {
			if m.To.Address == "bad@x.org" {
				return err
			}
			return nil
		}
		id := b.post("bad@x.org", "kw_bad")
		b.post("good@x.org", "kw_good")
		b.pass(t.Context())
		if got := b.addresses(); !slices.Equal(got, []string{"good@x.org"}) {
			t.Errorf("%s: %v arrived", what, got)
		}
		if l := b.letter(id); l == nil || l.Attempts != 1 || !l.Next.After(b.at) || l.Reason == "" || l.Data == "" {
			t.Errorf("%s: %+v", what, l)
		}
	}
}

// A letter that cannot be delivered for days is given up, which is logged and counted; what it said is
// gone, and after a while so is it.
func TestLettersAreGivenUp(t *testing.T) {
	b := newBox(t)
	b.target.answer = func(Message) error { return fault.New(fault.Invalid, "550 no such user") }
	id := b.post("bad@x.org", "kw_bad")
	for b.at.Sub(noon) < account.DefaultLetterLife {
		b.at = b.at.Add(b.pass(t.Context()))
	}
	tried := b.target.tried
	b.pass(t.Context())
	l := b.letter(id)
	if l == nil || l.Failed.IsZero() || l.Data != "" || !strings.Contains(l.Reason, "550") || b.target.tried != tried || tried < 10 || tried > 60 {
		t.Fatalf("after %d attempts: %+v", tried, l)
	}
	if testutil.ToFloat64(b.given) != 1 || b.waiting() != 0 || !strings.Contains(b.log.String(), "a letter is given up") || strings.Contains(b.log.String(), "kw_bad") {
		t.Errorf("%s", b.log.String())
	}
	b.at = b.at.Add(keepFailed)
	b.pass(t.Context())
	if b.letter(id) != nil {
		t.Error("it stays for ever")
	}
}

// A letter whose link is over is worth nothing any more and is not sent.
func TestALetterThatIsTooLateIsNotSent(t *testing.T) {
	b := newBox(t)
	id := b.post("eve@x.org", "kw_late", func(l *model.Letter) { l.Until = b.at.Add(time.Hour) })
	b.at = b.at.Add(time.Hour)
	b.pass(t.Context())
	if l := b.letter(id); len(b.target.got) != 0 || l == nil || l.Failed.IsZero() {
		t.Errorf("%v, %+v", b.target.got, l)
	}
}

// What tells of work that still runs waits for its end.
func TestLettersWaitForTheWorkTheyTellOf(t *testing.T) {
	b := newBox(t)
	id := b.post("eve@x.org", "kw_wait", func(l *model.Letter) { l.Phase, l.Operation = model.Creating, "6b004e3b21c7205b99a74b3f" })
	b.pass(t.Context())
	if len(b.target.got) != 0 || b.letter(id) == nil {
		t.Fatal("it went out early, or is gone")
	}
	op := &operation.Operation{}
	if _, err := b.store.Update(t.Context(), store.Cause{}, func(d model.Draft) error {
		return op.Apply(d, []operation.Effect{{Do: operation.Ready, Kind: model.KindLetter, ID: id}})
	}); err != nil {
		t.Fatal(err)
	}
	b.pass(t.Context())
	if len(b.target.got) != 1 || !strings.Contains(b.target.got[0].Text, "kw_wait") {
		t.Errorf("%v", b.target.got)
	}
}

// failing is a store that commits nothing.
type failing struct{ *store.Store }

func (failing) Update(context.Context, store.Cause, func(model.Draft) error) (uint64, error) {
	return 0, errors.New("disk full")
}

// A Kahuna that dies between handing a letter over and recording it sends it again, the same to the
// byte, so that it is recognisable.
func TestACrashRepeatsTheSameLetter(t *testing.T) {
	b := newBox(t)
	b.post("eve@x.org", "kw_twice")
	b.Store = failing{b.store}
	b.pass(t.Context())
	b.Outbox = New(Config{Store: b.store, Sender: b.target, Now: func() time.Time { return b.at.Add(time.Hour) }})
	b.Outbox.pass(t.Context())
	if len(b.target.got) != 2 {
		t.Fatalf("%d arrived", len(b.target.got))
	}
	from := mail.Address{Address: "cloud@example.org"}
	first, err := encode(from, b.target.got[0])
	second, err2 := encode(from, b.target.got[1])
	if err != nil || err2 != nil || string(first) != string(second) {
		t.Errorf("%v %v\n%s\n%s", err, err2, first, second)
	}
}

// Without mail, or without an address, what a letter said is dropped; the log says what to do instead and
// not what it said.
func TestWithoutMailTheLogSaysWhatToDo(t *testing.T) {
	for what, setup := range map[string]func(b *box) string{
		"no mail":    func(b *box) string { b.Sender = nil; return "eve@x.org" },
		"no address": func(*box) string { return "" },
	} {
		b := newBox(t)
		id := b.post(setup(b), "kw_nowhere")
		b.pass(t.Context())
		if log := b.log.String(); b.letter(id) != nil || !strings.Contains(log, "PATCH /api/v2/users/{ref}/token") || strings.Contains(log, "kw_nowhere") {
			t.Errorf("%s: %s", what, log)
		}
	}
}

// A letter is sent when it is written, not when a clock strikes.
func TestAWrittenLetterWakesTheOutbox(t *testing.T) {
	b := newBox(t)
	b.target.heard = make(chan Message)
	b.Outbox = New(Config{Store: b.store, Sender: b.target})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	for _, to := range []string{"a@x.org", "b@x.org"} {
		b.at = time.Now()
		b.post(to, "kw_"+to)
		if m := <-b.target.heard; m.To.Address != to {
			t.Errorf("%s arrived", m.To.Address)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
