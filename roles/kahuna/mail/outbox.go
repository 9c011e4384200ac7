package mail

import (
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/account"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store"
)

// Store is what the outbox needs of the store.
type Store interface {
	View() model.View
	Update(ctx context.Context, cause store.Cause, f func(model.Draft) error) (uint64, error)
	Watch(ctx context.Context, from uint64) iter.Seq2[store.Record, error]
}

// How attempts are spaced: exponentially, with half of each pause left to chance.
const (
	firstPause = 5 * time.Second
	downPause  = 5 * time.Minute // at most, while the target does not answer
	laterPause = time.Hour       // at most, while it does not take a letter
	neverPause = 6 * time.Hour   // when it refuses a letter for good: whoever runs it may mend that
	idlePause  = time.Minute     // a full pass besides every wake-up
	keepFailed = 30 * 24 * time.Hour
)

// Config is what an outbox is made of.
type Config struct {
	Store   Store
	Sender  Sender // nil: no mail is set up; letters are dropped, which is logged
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
}

// Outbox takes letters from the store and hands them to the sender.
type Outbox struct {
	Config
	down     time.Time // nothing is tried before
	failures int       // of the target in a row
	sent     prometheus.Counter
	failed   prometheus.Counter
	given    prometheus.Counter
}

// New makes an outbox. Run must be called once, by the Kahuna that commands and by no other.
func New(c Config) *Outbox {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "kowabunga_mail_" + name, Help: help})
	}
	o := &Outbox{Config: c, sent: counter("sent_total", "Letters handed over."), failed: counter("failures_total", "Attempts to hand a letter over that failed."),
		given: counter("given_up_total", "Letters given up.")}
	if c.Metrics != nil {
		c.Metrics.MustRegister(o.sent, o.failed, o.given, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "kowabunga_mail_waiting", Help: "Letters that wait to be handed over."}, func() float64 { return float64(o.waiting()) }))
	}
	return o
}

func (o *Outbox) waiting() (n int) {
	for l := range model.All[*model.Letter](o.Store.View()) {
		if l.Failed.IsZero() {
			n++
		}
	}
	return n
}

// Run hands letters over until ctx ends.
func (o *Outbox) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	watched, from := make(chan struct{}), o.Store.View().Index()
	go func() {
		defer close(watched)
		o.watch(ctx, from, wake)
	}()
	defer func() { <-watched }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-timer.C:
		}
		timer.Reset(o.pass(ctx))
	}
}

// watch wakes the outbox whenever a letter was written or let go.
func (o *Outbox) watch(ctx context.Context, from uint64, wake chan<- struct{}) {
	for ctx.Err() == nil {
		for r, err := range o.Store.Watch(ctx, from+1) {
			if err != nil {
				break // cut from the journal, or the end of everything
			}
			from = r.Index
			for i := range r.Changes {
				if r.Changes[i].Kind == model.KindLetter && len(r.Changes[i].After) > 0 {
					select {
					case wake <- struct{}{}:
					default:
					}
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			from = o.Store.View().Index()
		}
	}
}

// pass tries every letter that is due, oldest first, and tells how long until the next one is.
func (o *Outbox) pass(ctx context.Context) time.Duration {
	next := idlePause
	now := o.Now()
	for l := range model.All[*model.Letter](o.Store.View()) {
		switch {
		case ctx.Err() != nil:
			return next
		case l.Phase != model.Ready: // what it tells of is still being done
		case !l.Failed.IsZero():
			if now.Sub(l.Failed) >= keepFailed {
				o.end(l, "forget a letter that was given up", nil)
			}
		case !now.Before(l.Until):
			o.giveUp(l, "it was not handed over in time; "+l.Reason)
		case now.Before(l.Next):
			next = min(next, l.Next.Sub(now))
		case now.Before(o.down):
			next = min(next, o.down.Sub(now))
		default:
			o.deliver(ctx, l)
			if now = o.Now(); now.Before(o.down) {
				next = min(next, o.down.Sub(now))
			}
		}
	}
	return max(next, time.Millisecond)
}

// deliver tries one letter.
func (o *Outbox) deliver(ctx context.Context, l *model.Letter) {
	if o.Sender == nil || l.To == "" {
		o.drop(l)
		return
	}
	m, err := render(l)
	if err != nil {
		o.giveUp(l, err.Error())
		return
	}
	err = o.Sender.Send(ctx, m)
	if ctx.Err() != nil && err != nil {
		return // asked to stop: the letter was not the reason
	}
	if err == nil {
		o.sent.Inc()
		o.failures, o.down = 0, time.Time{}
		o.Log.Info("letter handed over", "letter", l.ID, "template", l.Name, "user", l.User, "attempts", l.Attempts+1)
		o.end(l, "hand a letter over", nil)
		return
	}
	o.failed.Inc()
	now, pause := o.Now(), laterPause
	tried := l.Attempts + 1
	switch fault.CodeOf(err) {
	case fault.Invalid:
		pause = spaced(neverPause, neverPause)
	case fault.Conflict:
		o.failures = 0 // it answers
		pause = spaced(laterPause, double(tried))
	default:
		o.failures++
		pause = spaced(downPause, double(o.failures))
		o.down = now.Add(pause)
	}
	o.Log.Warn("a letter could not be handed over; it is tried again", "letter", l.ID, "template", l.Name, "user", l.User, "attempts", tried, "again", pause.Round(time.Second), "error", err)
	o.end(l, "try to hand a letter over", func(l *model.Letter) {
		l.Attempts, l.Next, l.Reason = tried, now.Add(pause), short(err.Error())
	})
}

// double is the pause before attempt n+1, without bound and chance.
func double(n int) time.Duration { return firstPause << min(max(n-1, 0), 16) }

func spaced(most, pause time.Duration) time.Duration {
	pause = min(most, pause)
	return pause/2 + rand.N(pause/2+1)
}

func short(reason string) string {
	if len(reason) > 500 {
		return reason[:500] + "..."
	}
	return reason
}

// giveUp keeps a letter that will not be tried again, without what it said.
func (o *Outbox) giveUp(l *model.Letter, reason string) {
	o.given.Inc()
	o.Log.Error("a letter is given up", "letter", l.ID, "template", l.Name, "user", l.User, "attempts", l.Attempts, "reason", reason)
	o.end(l, "give up a letter", func(l *model.Letter) {
		l.Failed, l.Data, l.Reason = o.Now().UTC(), "", short(reason)
	})
}

// instead is what can be done about a letter that goes nowhere.
var instead = map[string]string{
	account.Welcome:  "a superAdmin gives the user a password with PATCH /api/v2/users/{ref}/newPassword, which confirms the account",
	account.Reset:    "a superAdmin gives the user a password with PATCH /api/v2/users/{ref}/newPassword",
	account.Address:  "a superAdmin changes the address with PUT /api/v2/users/{ref}",
	account.UserKey:  "issue another key with PATCH /api/v2/users/{ref}/token, which shows it",
	account.AgentKey: "issue another key with PATCH /api/v2/agents/{ref}/token, which shows it, or set admin-email",
}

// drop takes away a letter that goes nowhere. Secrets do not pile up for a day when somebody sets up mail.
func (o *Outbox) drop(l *model.Letter) {
	args := []any{"letter", l.ID, "template", l.Name, "user", l.User}
	if do := instead[l.Name]; do != "" {
		o.Log.Warn("a letter goes nowhere: no mail is set up, or nobody to write to; "+do+"; or set mail and ask for it again", args...)
	} else {
		o.Log.Info("a letter goes nowhere: no mail is set up", args...)
	}
	o.end(l, "drop a letter that goes nowhere", nil)
}

// end commits what became of a letter: change makes it another, nil takes it away. The commit is made
// even when everything is asked to stop.
func (o *Outbox) end(l *model.Letter, what string, change func(*model.Letter)) {
	_, err := o.Store.Update(context.Background(), store.Cause{Actor: "kahuna", What: what}, func(d model.Draft) error {
		now, ok := model.Find[*model.Letter](d, l.ID)
		if !ok {
			return nil
		}
		if change == nil {
			return d.Delete(model.KindLetter, l.ID)
		}
		now = model.Edit(now)
		change(now)
		return d.Put(now)
	})
	if err != nil {
		o.Log.Error("what became of a letter could not be recorded; it may be sent twice", "letter", l.ID, "error", err)
		o.down = o.Now().Add(downPause)
	}
}
