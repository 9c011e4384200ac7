package kahuna

import "testing"

// A small Kahuna may be generous, a large one must not double what it holds.
func TestGarbageFollowsWhatIsAlive(t *testing.T) {
	for _, c := range []struct {
		alive uint64
		want  int
	}{{0, 1600}, {4 << 20, 1600}, {20 << 20, 300}, {40 << 20, 100}, {64 << 20, 25}, {1 << 30, 25}} {
		if got := garbagePercent(c.alive); got != c.want {
			t.Errorf("%d bytes alive: %d per cent, want %d", c.alive, got, c.want)
		}
	}
}

// Memory is given back when nobody needs it, and nobody who works is held up for it.
func TestMemoryIsGivenBackInQuiet(t *testing.T) {
	for _, c := range []struct {
		what      string
		last, now heap
		want      bool
	}{
		{"garbage of a start", heap{asked: 50 << 20}, heap{alive: 8 << 20, used: 30 << 20, asked: 51 << 20}, true},
		{"room that a burst left", heap{asked: 50 << 20}, heap{alive: 60 << 20, used: 61 << 20, free: 40 << 20, asked: 51 << 20}, true},
		{"work", heap{asked: 50 << 20}, heap{alive: 8 << 20, used: 30 << 20, asked: 190 << 20}, false},
		{"nothing to give", heap{asked: 50 << 20}, heap{alive: 8 << 20, used: 10 << 20, free: 1 << 20, asked: 51 << 20}, false},
	} {
		if got := idle(c.last, c.now); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
