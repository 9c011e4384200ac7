package kahuna

import (
	"runtime"
	"testing"
)

// Whoever sets how many threads there are, in the environment or by a limit of the machine, is not overruled.
func TestThreadsAreSomebodysDecision(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "3")
	runtime.GOMAXPROCS(3)
	if threads(); runtime.GOMAXPROCS(0) != 3 {
		t.Errorf("%d threads instead of the 3 that were asked for", runtime.GOMAXPROCS(0))
	}
	t.Setenv("GOMAXPROCS", "")
	if n := runtime.NumCPU(); n > 1 {
		runtime.GOMAXPROCS(n - 1)
		if threads(); runtime.GOMAXPROCS(0) != n-1 {
			t.Errorf("%d threads within a limit of %d", runtime.GOMAXPROCS(0), n-1)
		}
	}
	runtime.GOMAXPROCS(runtime.NumCPU())
	if threads(); runtime.GOMAXPROCS(0) <= runtime.NumCPU() {
		t.Errorf("%d threads on %d processors", runtime.GOMAXPROCS(0), runtime.NumCPU())
	}
	for processors, want := range map[int]int{1: 2, 2: 4, 4: 8, 8: 12, 64: 68} {
		if got := threadsFor(processors); got != want {
			t.Errorf("%d threads on %d processors, want %d", got, processors, want)
		}
	}
}
