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
// does not need twice the memory of what it knows. What a burst of work left is given back to the system
// once less than calm bytes a second are asked for and more than worth bytes could be.
const (
	roomy        = 80 << 20
	leastGarbage = 25
	mostGarbage  = 1600
	heapLook     = 5 * time.Second
	calm         = 4 << 20
	worth        = 12 << 20
)

// tendHeap sets how much garbage is let grow by what is alive, and gives back what is not needed, until
// ctx ends. Whoever sets GOGC has decided himself.
func tendHeap(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	tick := time.NewTicker(heapLook)
	defer tick.Stop()
	set := 0
	for last := lookAtHeap(); ; {
		if percent := garbagePercent(last.alive); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := lookAtHeap()
		if idle(last, now) {
			debug.FreeOSMemory()
			now = lookAtHeap()
		}
		last = now
	}
}

// heap is what there is of it, in bytes: alive when it was last collected, in use with the garbage since
// then, free and not yet given back, and asked for since the program started.
type heap struct{ alive, used, free, asked uint64 }

func lookAtHeap() heap {
	s := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	runtimemetrics.Read(s)
	return heap{alive: s[0].Value.Uint64(), used: s[1].Value.Uint64(), free: s[2].Value.Uint64() + s[3].Value.Uint64(), asked: s[4].Value.Uint64()}
}

// idle tells whether little was asked for between two looks and giving back is worth a collection.
func idle(last, now heap) bool {
	garbage := now.used - min(now.alive, now.used)
	return now.asked-last.asked < calm*uint64(heapLook/time.Second) && garbage+now.free > worth
}

// garbagePercent is the garbage to let grow beside so many bytes alive, in per cent of them.
func garbagePercent(alive uint64) int {
	room := (roomy - min(alive, roomy)) * 100 / max(alive, 1)
	return int(min(max(room, leastGarbage), mostGarbage))
}
