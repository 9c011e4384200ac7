package behaviour

import "net/netip"

// prefixLength is the length of a network in CIDR notation, 0 when it is none.
func prefixLength(cidr string) int64 {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return 0
	}
	return int64(p.Bits())
}
