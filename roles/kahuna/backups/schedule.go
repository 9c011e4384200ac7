package backups

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/fault"
)

const (
	firstRetry = time.Minute      // after a failure, doubled with each further one
	lastRetry  = 30 * time.Minute // at most, and never more than Every
	longest    = 12 * time.Hour   // of one backup; a target that hangs longer has failed
)

// Status is how backups stand.
type Status struct {
	Target  string        `json:"target"`
	Every   time.Duration `json:"-"`
	Last    time.Time     `json:"last,omitzero"` // when a backup succeeded last; before this process began, when the last verified one was made
	Chain   string        `json:"chain,omitempty"`
	Index   uint64        `json:"index,omitempty"`  // of the state it leads to
	Pieces  int           `json:"pieces,omitempty"` // in the chain
	Bytes   int64         `json:"bytes,omitempty"`  // of the chain
	Next    time.Time     `json:"next,omitzero"`    // when the next one begins
	Failed  string        `json:"failed,omitempty"` // why the last attempt failed, empty when it did not
	Since   time.Time     `json:"since,omitzero"`   // when the first attempt after the last success failed
	Retries int           `json:"retries,omitempty"`
}

type state struct {
	sync.Mutex
	Status
	failures uint64 // since the process began
}

// Status is how backups stand.
func (b *Backups) Status() Status {
	b.state.Lock()
	defer b.state.Unlock()
	out := b.state.Status
	out.Target, out.Every = b.Place.shown(), b.Every
	return out
}

// note keeps the outcome of an attempt and tells of it.
func (b *Backups) note(r *Result, err error) {
	b.state.Lock()
	defer b.state.Unlock()
	s := &b.state.Status
	if err != nil {
		if s.Failed, s.Retries = public(err), s.Retries+1; s.Since.IsZero() {
			s.Since = b.Now().UTC().Round(0)
		}
		b.state.failures++
		b.Log.Error("backup failed", "target", b.Place.shown(), "error", err, "last", s.Last)
		return
	}
	s.Failed, s.Retries, s.Since = "", 0, time.Time{}
	s.Last, s.Chain, s.Index, s.Pieces, s.Bytes = b.Now().UTC().Round(0), r.Chain, r.Index, r.Pieces, r.Total
	b.Log.Info("backup made and verified", "target", r.Target, "chain", r.Chain, "object", r.Object, "index", r.Index, "bytes", r.Bytes)
}

// Run makes a backup whenever one is due until ctx ends. Only who commands the cloud runs it.
func (b *Backups) Run(ctx context.Context) error {
	b.recall(ctx)
	for {
		wait := b.due()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		one, cancel := context.WithTimeout(ctx, longest)
		_, _ = b.Take(one, false) // noted
		cancel()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// due is how long to wait for the next attempt.
func (b *Backups) due() time.Duration {
	b.state.Lock()
	defer b.state.Unlock()
	now, s := b.Now(), &b.state.Status
	wait := max(0, b.Every-now.Sub(s.Last)) // also when the last one lies in the future
	if s.Retries > 0 {
		wait = min(firstRetry<<min(s.Retries-1, 10), lastRetry, b.Every)
	}
	wait = min(wait, b.Every)
	s.Next = now.Add(wait).UTC().Round(time.Second)
	return wait
}

// recall looks up when the last backup was made, so that one that restarts often does not fill the target
// with chains.
func (b *Backups) recall(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstRetry) // a storage that stalls must not hold up the first backup
	defer cancel()
	t, err := b.Place.Open()
	if err == nil {
		var chains []*Chain
		if chains, err = Survey(ctx, t, Family(b.Key), &b.Key); err == nil {
			b.state.Lock()
			defer b.state.Unlock()
			for _, c := range chains {
				if !c.Counts() {
					continue
				}
				if end := c.Manifest.End(); end.Made.After(b.state.Last) {
					s := &b.state.Status
					s.Last, s.Chain, s.Index, s.Pieces, s.Bytes = end.Made, c.Name, end.To.Index, len(c.Manifest.Pieces), c.Manifest.Bytes()
				}
			}
			return
		}
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		b.Log.Warn("it is not known when the last backup was made; one is made now", "target", b.Place.shown(), "error", fault.From(err).Public())
	}
}

// Register adds the figures: when a backup succeeded last, how long ago that is, how large its chain is and
// how many attempts failed.
func (b *Backups) Register(metrics prometheus.Registerer) {
	gauge := func(name, help string, f func(Status) float64) {
		metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kowabunga_backup_" + name, Help: help}, func() float64 { return f(b.Status()) }))
	}
	gauge("last_success_seconds", "When a backup was made and verified last, seconds since 1970; 0 for never.", func(s Status) float64 {
		if s.Last.IsZero() {
			return 0
		}
		return float64(s.Last.Unix())
	})
	gauge("age_seconds", "How long ago that was; since 1970 for never.", func(s Status) float64 {
		if s.Last.IsZero() {
			return float64(b.Now().Unix())
		}
		return b.Now().Sub(s.Last).Seconds()
	})
	gauge("size_bytes", "Size of the chain of the last backup.", func(s Status) float64 { return float64(s.Bytes) })
	metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "kowabunga_backup_failures_total", Help: "Attempts that failed."}, func() float64 {
		b.state.Lock()
		defer b.state.Unlock()
		return float64(b.state.failures)
	}))
}
