// Package place decides which host a machine goes to.
//
// First what cannot be is sorted out: hosts that are being added or removed or are in maintenance, that
// are excluded, that have a machine of the same kwarantine, that do not reach the disks, that nobody can
// talk to, whose size is unknown, or that have no room left. Among the others the order is: lowest monthly price of the machine, fewest machines of the same project,
// most balanced filling, lowest id. The last makes every decision reproducible.
//
// Choose decides on a view alone. A Board keeps the sums that Choose would count, is told which objects
// changed, and gives the same answers in time proportional to the hosts of the zone instead of to the
// machines on them.
//
// Nothing is reserved apart: room is taken by the machine's own record, which is written in the draft the
// decision was made on. Two decisions never see the same room, and what is not committed takes none.
package place

import (
	"math"

	"kowabunga/core/model"
)

// What a host keeps for itself and never promises to machines: 512 MiB, as OpenStack Nova does
// (reserved_host_memory_mb), but never more than an eighth, so that small hosts remain usable.
const (
	reserveMemory = 512 << 20
	reserveShare  = 8
)

// Reserve is how many of a host's bytes of memory it keeps for itself.
func Reserve(memory int64) int64 { return min(reserveMemory, max(memory, 0)/reserveShare) }

// Room is what a host may promise and has promised to machines, and the largest memory one machine may
// have: memory that is not there cannot be had by promising it twice.
type Room struct {
	Total   model.Shape // virtual CPUs and bytes, overcommit included
	Taken   model.Shape
	Largest int64 // bytes
}

// Capacity is what a host may promise: threads times the ratio for CPUs, memory less the host's own
// reserve times the ratio for memory. A ratio below one counts as one. A host whose agent never told
// its size has no capacity, and ok is false.
func Capacity(host *model.Kaktus) (room Room, ok bool) {
	if host.Caps.Threads <= 0 || host.Caps.Memory <= 0 {
		return Room{}, false
	}
	room.Largest = host.Caps.Memory - Reserve(host.Caps.Memory)
	room.Total.VCPUs = times(host.Caps.Threads, max(host.OvercommitCPU, 1))
	room.Total.Memory = times(room.Largest, max(host.OvercommitMemory, 1))
	return room, true
}

// Survey is the room of a host in a view. Whatever has an object counts, running or not, machines being
// created or deleted included; machines whose shape is being changed count with the larger one.
func Survey(v model.View, host *model.Kaktus) (room Room, ok bool) {
	room, ok = Capacity(host)
	for l := range loads(v, host.ID) {
		room.Taken = plus(room.Taken, l.shape)
	}
	return room, ok
}

// lacks says what a machine of this shape would be short of, empty when it fits. It asks by subtraction,
// so that no request can wrap around.
func (r Room) lacks(s model.Shape) lack {
	switch cpus, memory := s.VCPUs > r.Total.VCPUs-r.Taken.VCPUs, s.Memory > r.Total.Memory-r.Taken.Memory; {
	case s.Memory > r.Largest:
		return tooSmall
	case cpus && memory:
		return noRoom
	case cpus:
		return noCPUs
	case memory:
		return noMemory
	}
	return nothing
}

// load is the larger filled share after a machine of this shape came, 1 being full. It is the measure of
// balance: the scarcer of CPUs and memory decides.
func (r Room) load(s model.Shape) float64 {
	return max(share(r.Taken.VCPUs+s.VCPUs, r.Total.VCPUs), share(r.Taken.Memory+s.Memory, r.Total.Memory))
}

func share(taken, total int64) float64 {
	if total <= 0 {
		return 1
	}
	return float64(taken) / float64(total)
}

// lack is why a host cannot take a machine.
type lack string

const (
	nothing  lack = ""
	excluded lack = "excluded by the request"
	leaving  lack = "being added or removed"
	resting  lack = "in maintenance"
	together lack = "with a machine of the same kwarantine"
	noPool   lack = "without access to the pool"
	noAgent  lack = "without an agent"
	offline  lack = "offline"
	unknown  lack = "of unknown size, its agent never reported"
	tooSmall lack = "with less memory than the machine"
	noRoom   lack = "short of CPUs and memory"
	noCPUs   lack = "short of CPUs"
	noMemory lack = "short of memory"
)

// passing tells whether waiting may help without anybody leaving the host.
func (l lack) passing() bool {
	return l == offline || l == unknown || l == leaving || l == resting
}

func plus(a, b model.Shape) model.Shape {
	return model.Shape{VCPUs: a.VCPUs + b.VCPUs, Memory: a.Memory + b.Memory}
}

func minus(a, b model.Shape) model.Shape {
	return model.Shape{VCPUs: a.VCPUs - b.VCPUs, Memory: a.Memory - b.Memory}
}

// times multiplies amounts that are not negative and stays at the end of the range.
func times(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
