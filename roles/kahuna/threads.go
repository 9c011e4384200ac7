package kahuna

import (
	"os"
	"runtime"
)

// moreThreads is how many threads more than processors there may be at most.
const moreThreads = 4

// threads has requests worked on by twice as many threads as there are processors, up to moreThreads more. With as
// many as processors, a thread that the kernel takes off one, for Ceph, a guest or a client on the same machine,
// holds up the requests that wait for it until it is back; with more, another one takes them over. On two
// processors that the client had as well, 64 connections were answered as often, the slowest hundredth of them in
// half the time (make bench). Whoever sets GOMAXPROCS has decided himself, and so has whoever gives this process less
// of the machine by a cgroup at the start, which the runtime goes by. Once threads has set the number, the runtime
// does not follow later changes of the cgroup or of the affinity any more (see runtime.GOMAXPROCS).
func threads() {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" && n == runtime.NumCPU() {
		runtime.GOMAXPROCS(threadsFor(n))
	}
}

func threadsFor(processors int) int { return min(2*processors, processors+moreThreads) }
