package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// attack makes GET requests at a fixed rate for a while, whether or not earlier ones were answered, and
// returns the 99th percentile of the time from when a request was due until its answer was read, in
// milliseconds. Every request must succeed.
func attack(ctx context.Context, rate int, d time.Duration, key string, urls ...string) (p99 float64, err error) {
	return attackUntil(ctx, rate, time.After(d), key, urls...)
}

// attackUntil goes on until something comes out of a channel.
func attackUntil[T any](ctx context.Context, rate int, until <-chan T, key string, urls ...string) (p99 float64, err error) {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var all sync.WaitGroup
	began := time.Now()
asking:
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-until:
			break asking
		case <-time.After(time.Until(due)):
		}
		all.Go(func() {
			err := get(ctx, urls[i%len(urls)], key)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
			if err != nil {
				failed = err
			}
		})
	}
	all.Wait()
	switch {
	case len(took) == 0:
		return 0, errors.New("no request was made")
	case failed != nil:
		return 0, fmt.Errorf("of %d requests at least one failed: %w", len(took), failed)
	}
	slices.Sort(took)
	return float64(took[len(took)*99/100].Microseconds()) / 1000, nil
}

// meanwhile begins to measure while something else goes on, and returns how to wait for what that comes to.
func meanwhile(measure func() (float64, error)) (wait func() (float64, error)) {
	var value float64
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, err = measure()
	}()
	return func() (float64, error) {
		<-done
		return value, err
	}
}

func get(ctx context.Context, url, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", key)
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answered %s", url, resp.Status)
	}
	return nil
}

// writers lets n clients write one after the other for a while, and returns the 99th percentile of the
// time until a write is answered, in milliseconds, and how many there were in a second.
func writers(n int, d time.Duration, write func(writer, serial int) error) (p99, rate float64, err error) {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var all sync.WaitGroup
	end := time.Now().Add(d)
	for writer := range n {
		all.Go(func() {
			for serial := 0; time.Now().Before(end); serial++ {
				began := time.Now()
				err := write(writer, serial)
				mu.Lock()
				took = append(took, time.Since(began))
				if err != nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	switch {
	case len(took) == 0:
		return 0, 0, errors.New("nothing was written")
	case failed != nil:
		return 0, 0, fmt.Errorf("writing: %w", failed)
	}
	slices.Sort(took)
	return float64(took[len(took)*99/100].Microseconds()) / 1000, float64(len(took)) / d.Seconds(), nil
}
