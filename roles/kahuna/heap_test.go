package kahuna

import "testing"

// A small Kahuna may be generous, a large one must not double what it holds.
func TestGarbageFollowsWhatIsAlive(t *testing.T) {
	for _, c := range []struct {
		alive uint64
		want  int
	}{{0, 800}, {4 << 20, 800}, {20 << 20, 300}, {40 << 20, 100}, {64 << 20, 40}, {1 << 30, 40}} {
		if got := garbagePercent(c.alive); got != c.want {
			t.Errorf("%d bytes alive: %d per cent, want %d", c.alive, got, c.want)
		}
	}
}
