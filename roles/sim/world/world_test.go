package world

import (
	"bytes"
	"runtime"
	"testing"
	"time"
)

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for _, seed := range []uint64{1, 14, 664} {
		var first bytes.Buffer
		o := Random(seed, 3*time.Minute, 0, &first)
		if first.Len() == 0 {
			t.Fatal("no log")
		}
		for _, procs := range []int{1, 4} {
			old := runtime.GOMAXPROCS(procs)
			var log bytes.Buffer
			again := Random(seed, 3*time.Minute, 0, &log)
			runtime.GOMAXPROCS(old)
			if !bytes.Equal(log.Bytes(), first.Bytes()) || again.Sum != o.Sum || again.Messages != o.Messages {
				t.Errorf("on %d processors the run of seed %d was another one: %+v, %+v", procs, seed, o, again)
			}
		}
	}
}

func TestSeeds(t *testing.T) {
	count := uint64(500)
	if testing.Short() || raced {
		count = 20
	}
	for o := range Many(1, count, 10*time.Minute, 2, 0) {
		if v := o.Violation; v != nil {
			t.Errorf("seed %d at %v: %s: %s\nkowabunga sim replay --seed %d", o.Seed, v.At, v.Rule, v.Detail, o.Seed)
		}
	}
}
