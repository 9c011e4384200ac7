package world

import (
	"iter"
	"sync"
	"time"

	"kowabunga/core/lease"
)

// Many runs worlds of chance, one for each of count seeds from first on, jobs of them at the same time.
// Outcomes come in the order of the seeds.
func Many(first, count uint64, length time.Duration, jobs int, flaws lease.Flaws) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		type numbered struct {
			seed uint64
			out  chan Outcome
		}
		work := make(chan numbered)
		order := make(chan numbered, 4*max(jobs, 1))
		stop := make(chan struct{})
		var running sync.WaitGroup
		for range max(jobs, 1) {
			running.Go(func() {
				for n := range work {
					n.out <- Random(n.seed, length, flaws, nil)
				}
			})
		}
		running.Go(func() {
			defer close(order)
			defer close(work)
			for i := range count {
				n := numbered{first + i, make(chan Outcome, 1)}
				select {
				case order <- n:
				case <-stop:
					return
				}
				select {
				case work <- n:
				case <-stop:
					close(n.out)
					return
				}
			}
		})
		defer running.Wait()
		defer close(stop)
		for n := range order {
			if o, ok := <-n.out; !ok || !yield(o) {
				return
			}
		}
	}
}
