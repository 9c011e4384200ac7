package ipam

import (
	"math/bits"
	"net/netip"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Pick returns the lowest address of the subnet that a machine may have and nobody has: not the
// network, broadcast or gateway address, not reserved, not in the gateway pool, not held by an adapter.
// It costs time in proportion to the addresses in use, whatever the size of the range.
//
// Faults: Exhausted when none is left; Invalid when the subnet itself is unreadable.
func Pick(v model.View, s *model.Subnet, tr *trace.Trace) (netip.Addr, error) {
	l, err := read(s)
	if err != nil {
		return netip.Addr{}, err
	}
	candidates, taken := room(v, s, l)
	n := lowestFree(taken)
	if n >= candidates.total {
		tr.Add("subnet", s.ID, trace.Refused, "%s: all %d addresses are in use", s.CIDR, candidates.total)
		return netip.Addr{}, fault.New(fault.Exhausted,
			"subnet %q (%s) has no free address: all %d that machines may have are in use, the other %d are network, broadcast, gateway, reserved or in the gateway pool; delete machines or use another subnet",
			s.Name, s.CIDR, candidates.total, l.all.size()-candidates.total)
	}
	a := address(candidates.at(n))
	tr.Add("subnet", s.ID, trace.Given, "%s: %d addresses for machines, %d in use", s.CIDR, candidates.total, len(taken))
	tr.Add("address", "", trace.Chosen, "%s is the lowest free one", a)
	return a, nil
}

// Room is how many addresses of a subnet machines may have, and how many of those are free.
type Room struct{ Usable, Free int64 }

// Count tells the room of a subnet. Faults: Invalid when the subnet is unreadable.
func Count(v model.View, s *model.Subnet) (Room, error) {
	l, err := read(s)
	if err != nil {
		return Room{}, err
	}
	candidates, taken := room(v, s, l)
	distinct := int64(0)
	seen := newBitmap(candidates.total, taken)
	for _, word := range seen {
		distinct += int64(bits.OnesCount64(word))
	}
	return Room{Usable: candidates.total, Free: candidates.total - distinct}, nil
}

// Usable is how many addresses of a subnet machines may ever have. Faults: Invalid when the subnet is
// unreadable.
func Usable(s *model.Subnet) (int64, error) {
	l, err := read(s)
	if err != nil {
		return 0, err
	}
	return rank(gaps(l.all, l.forbidden())).total, nil
}

// room numbers the addresses machines may have and lists the numbers of those in use.
func room(v model.View, s *model.Subnet, l layout) (ranking, []int64) {
	candidates := rank(gaps(l.all, l.forbidden()))
	var taken []int64
	for used := range inUse(v, s, l) {
		if n, ok := candidates.of(used.address); ok {
			taken = append(taken, n)
		}
	}
	return candidates, taken
}

// lowestFree is the lowest number not taken. Among n taken numbers one of 0 to n is free, so a bitmap of
// n+1 bits is enough.
func lowestFree(taken []int64) int64 {
	for i, word := range newBitmap(int64(len(taken))+1, taken) {
		if word != ^uint64(0) {
			return int64(i*64 + bits.TrailingZeros64(^word))
		}
	}
	// Not reached: n numbers cannot fill n+1 bits. Answering n keeps the function total.
	return int64(len(taken))
}

// newBitmap marks the numbers below size.
func newBitmap(size int64, numbers []int64) []uint64 {
	words := make([]uint64, (min(size, highest(numbers)+1)+63)/64+1)
	for _, n := range numbers {
		if n < size {
			words[n/64] |= 1 << (n % 64)
		}
	}
	return words
}

func highest(numbers []int64) int64 {
	top := int64(-1)
	for _, n := range numbers {
		top = max(top, n)
	}
	return top
}
