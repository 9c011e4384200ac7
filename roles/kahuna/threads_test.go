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
	if threads(); runtime.GOMAXPROCS(0) != min(2*runtime.NumCPU(), runtime.NumCPU()+moreThreads) {
		t.Errorf("%d threads on %d processors", runtime.GOMAXPROCS(0), runtime.NumCPU())
	}
}
