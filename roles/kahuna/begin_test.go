package kahuna

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"kowabunga/core/lease"
)

// tried is a Kahuna whose beginning a test watches.
type tried struct {
	s    *Server
	said []string // to the service manager
	logs lockedBuffer
}

func try(t *testing.T, c Config) *tried {
	t.Helper()
	r := &tried{}
	var err error
	if r.s, err = open(c, slog.New(slog.NewTextHandler(&r.logs, nil)), new(slog.LevelVar)); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs it until ctx ends, or it says that it is ready.
func (r *tried) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return r.s.Run(ctx, func(state string) {
		if r.said = append(r.said, state); state == "READY=1" {
			stop()
		}
	})
}

func (r *tried) stopped(t *testing.T, err error) {
	t.Helper()
	if err != nil || !slices.Equal(r.said, []string{"STOPPING=1"}) {
		t.Errorf("one that is told to stop before it acts ends with %v, and said %q\n%s", err, r.said, r.logs.String())
	}
}

// A Kahuna that is told to stop before it acts stops in order, and never says that it is ready.
func TestStoppedBeforeItActs(t *testing.T) {
	r := try(t, prepared(t, t.TempDir()))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r.stopped(t, r.run(ctx))
}

// The same for one that waits for a voter, while it answers.
func TestStoppedWhileItWaitsForAVoter(t *testing.T) {
	c := prepared(t, t.TempDir())
	a := start(t, c.Dir, apart)
	a.witness("w")
	a.within("the agent is a witness", patienceOfPairs, func() bool { return len(a.named()) == 1 })
	a.stop()
	c.Listen = port(t)
	r := try(t, c)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		for t.Context().Err() == nil {
			if answer, err := http.Get("http://" + c.Listen + "/healthz"); err == nil {
				answer.Body.Close()
				return
			}
		}
	}()
	r.stopped(t, r.run(ctx))
}

// What keeps a Kahuna from beginning is what it ends with, and it never says that it is ready.
func TestCannotBegin(t *testing.T) {
	broken := errors.New("the disk is broken")
	for name, fail := range map[string]func(r *tried, failed chan<- error){
		"to act":    func(r *tried, _ chan<- error) { r.s.turn.failed <- broken },
		"the lease": func(_ *tried, failed chan<- error) { failed <- broken },
	} {
		t.Run(name, func(t *testing.T) {
			r := try(t, prepared(t, t.TempDir()))
			failed, served := make(chan error, 1), false
			r.s.turn.once.Do(func() {}) // it never acts
			fail(r, failed)
			if err := r.s.begin(t.Context(), func() { served = true }, failed); !errors.Is(err, broken) || served {
				t.Errorf("it begins with %v, serves: %v", err, served)
			}
			if err := errors.Join(r.s.close(t.Context()), r.s.store.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	r := try(t, prepared(t, t.TempDir()))
	r.s.turn.once.Do(func() {})
	r.s.turn.failed <- broken
	if err := r.run(t.Context()); !errors.Is(err, broken) || !slices.Equal(r.said, []string{"STOPPING=1"}) {
		t.Errorf("it ends with %v, and said %q", err, r.said)
	}
}

func TestHeard(t *testing.T) {
	one, two, witnesses := make([]lease.Node, 1), make([]lease.Node, 2), [][]lease.Witness{{{Agent: "w"}}}
	for _, c := range []struct {
		record *lease.Record
		want   bool
	}{
		{nil, false},
		{&lease.Record{Nodes: one}, false},
		{&lease.Record{Nodes: two}, true},
		{&lease.Record{Nodes: one, Witnesses: witnesses}, true},
	} {
		if heard(c.record) != c.want {
			t.Errorf("%v", c.record)
		}
	}
}
