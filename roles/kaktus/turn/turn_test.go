package turn

import (
	"context"
	"sync"
	"testing"
)

func TestOneAtATimePerKey(t *testing.T) {
	var turns Turns
	var counts [3]int // unguarded on purpose: the race detector watches them
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			release, err := turns.Take(t.Context(), string(rune('a'+i%3)))
			if err != nil {
				t.Error(err)
				return
			}
			counts[i%3]++
			release()
			release() // twice is once
		})
	}
	wg.Wait()
	if counts != [3]int{100, 100, 100} {
		t.Errorf("counted %v", counts)
	}
	if len(turns.queues) != 0 {
		t.Errorf("%d queues are left", len(turns.queues))
	}
}

func TestGivesUpAndOthersGoOn(t *testing.T) {
	var turns Turns
	release, err := turns.Take(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.Take(gone, "a"); err == nil {
		t.Error("took a turn that somebody has")
	}
	other, err := turns.Take(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	release()
	again, err := turns.Take(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// A turn is never taken with a context that ended, although the turn is free: what was called off must not
// run after the work that undoes it.
func TestNoTurnAfterTheEnd(t *testing.T) {
	var turns Turns
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 {
		if _, err := turns.Take(ctx, "disk"); err == nil {
			t.Fatal("the turn was taken")
		}
	}
	leave, err := turns.Take(context.Background(), "disk")
	if err != nil {
		t.Fatal(err)
	}
	leave()
}
