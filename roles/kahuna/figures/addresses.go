package figures

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"kowabunga/core/model"
)

// addresses is how large a subnet is and how many of its addresses are reserved.
type addresses struct {
	bits           int // length of the prefix
	size, reserved float64
}

// count counts by arithmetic on the ends of ranges. Ranges that end before they begin, or lie outside,
// count nothing; those that overlap are counted once.
func count(s *model.Subnet) (addresses, bool) {
	p, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return addresses{}, false
	}
	p = p.Masked()
	out := addresses{bits: p.Bits(), size: math.Ldexp(1, p.Addr().BitLen()-p.Bits())}
	type span struct{ first, last netip.Addr }
	var spans []span
	for _, r := range s.Reserved {
		first, err1 := netip.ParseAddr(r.First)
		last, err2 := netip.ParseAddr(r.Last)
		if err1 != nil || err2 != nil || last.Less(first) || !p.Contains(first) || !p.Contains(last) {
			continue
		}
		spans = append(spans, span{first, last})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	var end netip.Addr // of what is counted
	for _, r := range spans {
		if end.IsValid() && !end.Less(r.first) {
			if !end.Less(r.last) {
				continue
			}
			out.reserved += distance(end, r.last)
		} else {
			out.reserved += distance(r.first, r.last) + 1
		}
		end = r.last
	}
	return out, true
}

// distance is how far b is behind a.
func distance(a, b netip.Addr) float64 {
	x, y := a.As16(), b.As16()
	high := binary.BigEndian.Uint64(y[:8]) - binary.BigEndian.Uint64(x[:8])
	low, lower := binary.BigEndian.Uint64(y[8:]), binary.BigEndian.Uint64(x[8:])
	if low < lower {
		high--
	}
	return math.Ldexp(float64(high), 64) + float64(low-lower)
}
