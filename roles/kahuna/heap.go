package kahuna

import (
	"context"
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

// Up to roomy bytes the heap grows with garbage before it is collected, so that a small Kahuna is seldom
// interrupted; beyond that by leastGarbage per cent of what is alive, so that one with thousands of agents
// does not need twice the memory of what it knows.
const (
	roomy        = 80 << 20
	leastGarbage = 40
	mostGarbage  = 800
	heapLook     = 5 * time.Second
)

// tendHeap sets how much garbage is let grow by what is alive, until ctx ends. Whoever sets GOGC has
// decided himself.
func tendHeap(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	alive := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(heapLook)
	defer tick.Stop()
	set := 0
	for {
		runtimemetrics.Read(alive)
		if percent := garbagePercent(alive[0].Value.Uint64()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// garbagePercent is the garbage to let grow beside so many bytes alive, in per cent of them.
func garbagePercent(alive uint64) int {
	room := (roomy - min(alive, roomy)) * 100 / max(alive, 1)
	return int(min(max(room, leastGarbage), mostGarbage))
}
