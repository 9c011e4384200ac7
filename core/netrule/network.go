package netrule

import (
	"net/netip"
	"strings"

	"kowabunga/core/fault"
)

// Network reads an IPv4 network as rules have it: in CIDR notation with no host bits set, or a single
// address, which is a network of /32. Faults: Invalid with the field.
func Network(field, text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := Address(field, text)
		return netip.PrefixFrom(a, 32), err
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fault.Bad(field, "%q is no network; write it like 192.168.1.0/24", text)
	case !p.Addr().Is4():
		return netip.Prefix{}, fault.Bad(field, "%s is an IPv6 network; rules are IPv4 only", text)
	case p.Masked() != p:
		return netip.Prefix{}, fault.Bad(field, "%s has host bits set; the network is written %s", text, p.Masked())
	}
	return p, nil
}

// Address reads one IPv4 address. Faults: Invalid with the field.
func Address(field, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return netip.Addr{}, fault.Bad(field, "%q is no IPv4 address", text)
	case !a.Is4():
		return netip.Addr{}, fault.Bad(field, "%s is an IPv6 address; gateways and load balancers are IPv4 only", text)
	}
	return a, nil
}
