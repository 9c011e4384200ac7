package api

import (
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// sight is the state that a read shows and the one that decides what the caller may see of it, which is
// always the present one: who lost a right has lost it for the past as well.
type sight struct {
	state, now model.View
	past       bool
	bare       bool // secrets are left out, whoever asks
}

// present is the sight of the state as it is.
func present(v model.View) sight { return sight{state: v, now: v} }

// sight is what a read with these parameters shows: with as_of, a journal index or a time (RFC 3339, or
// how long ago), the state as it was then; with secrets=false no secrets. Faults: Malformed; NotFound for what
// is no longer kept.
func (a *API) sight(c *call, q url.Values) (sight, error) {
	now := a.Views.View()
	bare, err := without(q)
	if err != nil {
		return sight{}, err
	}
	name, text := "as_of", ""
	for _, spelling := range []string{"as_of", "as-of"} {
		value, err := single(q, spelling)
		if err != nil {
			return sight{}, err
		}
		if value != "" && text != "" && value != text {
			return sight{}, bad(spelling, "stands twice with different values")
		}
		if value != "" {
			name, text = spelling, value
		}
	}
	if text == "" {
		return sight{state: now, now: now, bare: bare}, nil
	}
	index, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		at, err := readTime(name, text)
		if err != nil {
			return sight{}, err
		}
		if index, err = a.Past.IndexAt(at); err != nil {
			return sight{}, tooEarly(name, err)
		}
	}
	if index > now.Index() {
		return sight{}, bad(name, "the journal ends at record %d", now.Index())
	}
	state, err := a.looks.at(index, func() (model.View, error) { return a.Past.At(c.r.Context(), index) })
	if err != nil {
		return sight{}, tooEarly(name, err)
	}
	return sight{state: state, now: now, past: true}, nil
}

// without tells whether secrets are to be left out: a program that shows objects need not have them.
func without(q url.Values) (bool, error) {
	value, err := single(q, "secrets")
	if err != nil || value == "" {
		return false, err
	}
	shown, err := flag(q, "secrets")
	return !shown, err
}

// tooEarly names the parameter in a fault about what is no longer kept.
func tooEarly(name string, err error) error {
	f := *fault.From(err)
	f.Field = name
	return &f
}

// readTime reads a moment: RFC 3339, or how long ago, such as 90m, 24h or 7d. Fault: Malformed.
func readTime(name, text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := time.ParseDuration(text)
	if n, days := len(text)-1, text != "" && text[len(text)-1] == 'd'; err != nil && days {
		var count int
		if count, err = strconv.Atoi(text[:n]); err == nil && (count > 36_500 || count < 0) {
			err = strconv.ErrRange
		}
		ago = time.Duration(count) * 24 * time.Hour
	}
	if err != nil || ago < 0 {
		return time.Time{}, bad(name, "must be a time such as 2026-05-01T12:00:00Z, or how long ago: 90m, 24h, 7d")
	}
	return time.Now().Add(-ago), nil
}

// looks keeps the past states that were looked at last, as lists are read page by page, and lets one be
// made at a time. The zero value is ready for use.
type looks struct {
	making sync.Mutex
	mu     sync.Mutex
	kept   []look // the newest at the end
}

type look struct {
	index uint64
	view  model.View
}

const looksKept = 4

// at is the state of an index; make makes it when it is not there.
func (l *looks) at(index uint64, make func() (model.View, error)) (model.View, error) {
	if v, ok := l.find(index); ok {
		return v, nil
	}
	l.making.Lock()
	defer l.making.Unlock()
	if v, ok := l.find(index); ok {
		return v, nil // made while this one waited
	}
	v, err := make()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, look{index, v})
	if len(l.kept) > looksKept {
		l.kept = slices.Clone(l.kept[1:])
	}
	return v, nil
}

func (l *looks) find(index uint64) (model.View, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.kept {
		if k.index == index {
			return k.view, true
		}
	}
	return nil, false
}
