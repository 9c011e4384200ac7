package backups

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/fault"
)

// When the next attempt begins: at once when there was none, after Every when there was, sooner and sooner
// no more while it fails, and a clock that jumps delays none by more than Every.
func TestWhenABackupIsDue(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		last    time.Time
		retries int
		want    time.Duration
	}{
		"never":              {time.Time{}, 0, 0},
		"just now":           {now, 0, time.Hour},
		"a while ago":        {now.Add(-40 * time.Minute), 0, 20 * time.Minute},
		"long ago":           {now.Add(-40 * time.Hour), 0, 0},
		"in the future":      {now.Add(40 * time.Hour), 0, time.Hour},
		"failed once":        {now.Add(-2 * time.Hour), 1, time.Minute},
		"failed three times": {now.Add(-2 * time.Hour), 3, 4 * time.Minute},
		"failed a hundred":   {now.Add(-2 * time.Hour), 100, 30 * time.Minute},
		"failed by command":  {now, 1, time.Minute},
	} {
		b := w.backups(w.store)
		b.Now = func() time.Time { return now }
		b.state.Last, b.state.Retries = c.last, c.retries
		if got := b.due(); got != c.want || !b.Status().Next.Equal(now.Add(c.want)) {
			t.Errorf("%s: in %s, next %s; want in %s", name, got, b.Status().Next, c.want)
		}
	}
}

// A process that begins finds out when the last backup was made, so that it makes none too early.
func TestRestartRecalls(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.take(false)
	w.change()
	r := w.take(false)
	made := w.survey()[0].Manifest.End().Made
	w.restart()
	w.b.recall(t.Context())
	st := w.b.Status()
	if !st.Last.Equal(made) || st.Chain != r.Chain || st.Index != r.Index || st.Pieces != 2 || st.Bytes != r.Total {
		t.Errorf("recalled %+v, want %+v", st, r)
	}
	if wait := w.b.due(); wait < 50*time.Minute {
		t.Errorf("the next one is due in %s", wait)
	}
}

func TestFigures(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	registry := prometheus.NewRegistry()
	w.b.Register(registry)
	r := w.take(false)
	w.b.note(nil, fault.Wrap(errors.New("x"), fault.Unavailable, "y"))
	*w.clock = w.clock.Add(time.Hour)
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range all {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	if age := got["kowabunga_backup_age_seconds"]; age < 3600 || age > 3660 {
		t.Errorf("age %v", age)
	}
	if got["kowabunga_backup_size_bytes"] != float64(r.Total) || got["kowabunga_backup_failures_total"] != 1 || got["kowabunga_backup_last_success_seconds"] != float64(w.b.Status().Last.Unix()) {
		t.Errorf("figures %v", got)
	}
}
