package world

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"
)

// shown is where the story of a run goes that a person asked for by SEED.
func shown() (seed uint64, out io.Writer) {
	if _, err := fmt.Sscan(os.Getenv("SEED"), &seed); err == nil {
		return seed, os.Stdout
	}
	return 1, nil
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	seed, out := shown()
	first := Random(seed, 3*time.Minute, 0, out)
	for _, procs := range []int{1, 4} {
		old := runtime.GOMAXPROCS(procs)
		again := Random(seed, 3*time.Minute, 0, nil)
		runtime.GOMAXPROCS(old)
		if again.Sum != first.Sum || again.Messages != first.Messages {
			t.Errorf("on %d processors the run of seed %d was another one: %+v, %+v", procs, seed, first, again)
		}
	}
}

func TestRandomRuns(t *testing.T) {
	count := uint64(500)
	fmt.Sscan(os.Getenv("SEEDS"), &count)
	if testing.Short() {
		count = 50
	}
	for o := range Many(1, count, 10*time.Minute, 2, 0) {
		if v := o.Violation; v != nil {
			t.Errorf("seed %d at %v: %s: %s", o.Seed, v.At, v.Rule, v.Detail)
		}
	}
}
