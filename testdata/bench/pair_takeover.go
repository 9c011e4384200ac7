package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kowabunga/core/nodes"
	cli "kowabunga/roles/cli/client"
)

// How often the other one takes over, and the load meanwhile.
const (
	kills       = 3
	handoffs    = 5
	loadPace    = 20 * time.Millisecond // of each writer
	loadBefore  = time.Second
	loadAfter   = 2 * time.Second
	takeOverMax = 2 * time.Minute
)

// unplanned kills the one that acts, several times.
func (c *couple) unplanned() ([]figure, error) {
	return c.moves("the one that acts is killed", kills, 10, func(acts *node) (func() error, error) {
		acts.proc.kill()
		return func() error { return acts.start() }, nil
	})
}

// planned has the one that acts hand over, several times.
func (c *couple) planned() ([]figure, error) {
	return c.moves("handoff", handoffs, 1, func(acts *node) (func() error, error) {
		return func() error { return nil }, c.run("kahuna", "handoff", "--dir", acts.dir)
	})
}

// moves has the other one take over n times under load and tells how long no write was acknowledged. undo repairs
// what hit did.
func (c *couple) moves(what string, n int, aim float64, hit func(acts *node) (undo func() error, err error)) ([]figure, error) {
	var gaps []float64
	for i := range n {
		if err := c.await("a pair that can take over", takeOverMax, func(st *nodes.Status) bool { return together(st) && len(st.TakeOver) == 0 }); err != nil {
			return nil, err
		}
		acts, other, _, err := c.acting()
		if err != nil {
			return nil, err
		}
		l, err := c.load()
		if err != nil {
			return nil, err
		}
		l.wait(loadBefore)
		undo, err := hit(acts)
		if err == nil {
			err = l.more(pairWriters, takeOverMax)
		}
		l.wait(loadAfter)
		gap, writes := l.end()
		if err == nil && writes == 0 {
			err = errors.New("no write was acknowledged")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if err := undo(); err != nil {
			return nil, err
		}
		if now, _, _, err := c.acting(); err != nil || now != other {
			return nil, fmt.Errorf("%s, and %s did not take over (%v)", what, other.name, err)
		}
		say("%s, %d of %d: no write acknowledged for %.2f s, %d in all", what, i+1, n, gap.Seconds(), writes)
		gaps = append(gaps, gap.Seconds())
	}
	return []figure{
		{name: fmt.Sprintf("%s: longest time without an acknowledged write, median of %d", what, n), value: median(gaps), unit: "s", bound: aim, low: slices.Min(gaps), high: slices.Max(gaps)},
		{name: "the worst of them", value: slices.Max(gaps), unit: "s", bound: aim},
	}, nil
}

// acknowledged is clients that write through the pair, and when each write was acknowledged.
type acknowledged struct {
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	times []time.Time
	next  chan struct{} // closed at the next one
}

// load starts writers that know both addresses and do not give up.
func (c *couple) load() (*acknowledged, error) {
	l := &acknowledged{next: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(c.ctx)
	for i := range pairWriters {
		one, err := c.client()
		if err != nil {
			l.end()
			return nil, err
		}
		l.running.Go(func() {
			defer one.Close()
			tick := time.NewTicker(loadPace)
			defer tick.Stop()
			for serial := 0; l.ctx.Err() == nil; serial++ {
				l.write(one, i, serial)
				select {
				case <-tick.C:
				case <-l.ctx.Done():
				}
			}
		})
	}
	return l, nil
}

func (l *acknowledged) write(c *cli.Client, writer, serial int) {
	body, _ := json.Marshal(map[string]any{"description": fmt.Sprintf("%d of %d", serial, writer), "users": []string{}}) // of plain values
	_, err := c.Do(l.ctx, cli.Request{Op: "write", Method: "PUT", Path: fmt.Sprintf("/teams/team-%d", writer), Body: body, Once: true})
	if err != nil {
		return // it is not acknowledged: that is what is measured
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, time.Now())
	close(l.next)
	l.next = make(chan struct{})
}

func (l *acknowledged) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.ctx.Done():
	}
}

// more waits for n more acknowledged writes.
func (l *acknowledged) more(n int, limit time.Duration) error {
	timeout := time.After(limit)
	for range n {
		l.mu.Lock()
		next := l.next
		l.mu.Unlock()
		select {
		case <-next:
		case <-timeout:
			return fmt.Errorf("writes were not acknowledged again within %s", limit)
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
	return nil
}

// end stops the writers; it returns the longest time between two acknowledged writes, and how many there were.
func (l *acknowledged) end() (gap time.Duration, writes int) {
	l.stop()
	l.running.Wait()
	slices.SortFunc(l.times, time.Time.Compare)
	for i := 1; i < len(l.times); i++ {
		gap = max(gap, l.times[i].Sub(l.times[i-1]))
	}
	return gap, len(l.times)
}
