package store

import (
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// A caller alone waits for nobody, and is alone again soon after the others have gone; as many as there are
// together are waited for as long as they come.
func TestCompanyIsForgotten(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		var c company
		most := 0
		for _, n := range rapid.SliceOf(rapid.IntRange(1, batchAtMost)).Draw(t, "callers") {
			c.seen(n)
			if most = max(most, n); int(c) < n || int(c) > most {
				t.Fatalf("%d callers after %d, of at most %d", c, n, most)
			}
		}
		for range 60 {
			c.seen(1)
		}
		if c != 1 {
			t.Fatalf("%d callers are still waited for", c)
		}
	})
}
