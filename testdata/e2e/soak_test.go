//go:build lab && failpoint && soak

package e2e

import (
	"os"
	"testing"
	"time"
)

// The whole matrix with guests that boot, at every point of the store besides, again and again for
// KOWABUNGA_SOAK (a duration; once when it is not set).
func TestSoak(t *testing.T) {
	long := time.Duration(0)
	if text := os.Getenv("KOWABUNGA_SOAK"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	thorough = true
	for begin, round := time.Now(), 1; ; round++ {
		c := newCloud(t)
		victims[0].restart(c)
		for _, s := range scenes() {
			for _, v := range victims {
				c.crashAll(t, s, v, func(point) {})
			}
		}
		t.Logf("round %d done after %v", round, time.Since(begin).Round(time.Second))
		if time.Since(begin) >= long {
			return
		}
		c.kaktus.stop(t)
		c.proc.stop(t)
	}
}
