// Package ipam decides about addresses: which subnets may exist, which address, MAC address and subnet
// comes next, and which ones an operator may ask for by name.
//
// It works on ranges, never on lists of addresses: a /8 costs what a /30 does plus what is in use. All
// functions are pure; two equal views give two equal answers, and uniqueness is held a second time by
// the store's unique indexes ("mac" and "address" of adapters).
//
// Subnets are IPv4. An IPv6 range is refused where it enters, with a message that says so.
package ipam

import (
	"encoding/binary"
	"net/netip"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// The bounds of a subnet's prefix length. Below /8 no private range exists (RFC 1918 section 3); above
// /30 nothing is left for machines once network, broadcast and gateway are taken.
const (
	WidestPrefix    = 8
	NarrowestPrefix = 30
)

// layout is a subnet in numbers. IPv4 addresses are 32-bit integers, so that ranges are arithmetic.
type layout struct {
	prefix   netip.Prefix
	all      span // network to broadcast
	gateway  uint32
	reserved []span
	pool     []span // gateways of zones, in the order they were declared
}

// read parses the parts of a subnet that address decisions rest on and checks each against the CIDR.
func read(s *model.Subnet) (layout, error) {
	var l layout
	prefix, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return l, fault.Bad("cidr", "%q is no address range; write it like 192.168.1.0/24", s.CIDR)
	}
	if !prefix.Addr().Is4() {
		return l, fault.Bad("cidr", "%s is an IPv6 range; subnets are IPv4 only", s.CIDR)
	}
	if prefix.Bits() < WidestPrefix || prefix.Bits() > NarrowestPrefix {
		return l, fault.Bad("cidr", "%s: the prefix length must lie between /%d and /%d", s.CIDR, WidestPrefix, NarrowestPrefix)
	}
	if prefix.Masked().String() != s.CIDR {
		return l, fault.Bad("cidr", "%s has host bits set; the range is written %s", s.CIDR, prefix.Masked())
	}
	l.prefix = prefix
	first := number(prefix.Addr())
	l.all = span{first, first | ^uint32(0)>>prefix.Bits()}
	if l.gateway, err = host("gateway", s.Gateway, l); err != nil {
		return l, err
	}
	if l.reserved, err = ranges("reserved", s.Reserved, l); err != nil {
		return l, err
	}
	if l.pool, err = ranges("gw_pool", s.GwPool, l); err != nil {
		return l, err
	}
	return l, nil
}

// forbidden are the addresses no machine may have: network, broadcast, gateway, reserved ranges and the
// gateway pool. They may overlap.
func (l layout) forbidden() []span {
	spans := []span{{l.all.first, l.all.first}, {l.all.last, l.all.last}, {l.gateway, l.gateway}}
	spans = append(spans, l.reserved...)
	return append(spans, l.pool...)
}

// why says what an address is kept for, empty when a machine may have it.
func (l layout) why(a uint32) string {
	switch {
	case a == l.all.first:
		return "the network address"
	case a == l.all.last:
		return "the broadcast address"
	case a == l.gateway:
		return "the gateway"
	case contains(l.reserved, a):
		return "in a reserved range"
	case contains(l.pool, a):
		return "in the gateway pool"
	}
	return ""
}

// parse reads one IPv4 address in its only spelling.
func parse(field, text string) (uint32, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return 0, fault.Bad(field, "%q is no IPv4 address", text)
	case !a.Is4():
		return 0, fault.Bad(field, "%s is an IPv6 address; subnets are IPv4 only", text)
	}
	return number(a), nil
}

// host reads an address that must be one of the subnet's and neither its first nor its last.
func host(field, text string, l layout) (uint32, error) {
	a, err := parse(field, text)
	if err != nil {
		return 0, err
	}
	switch {
	case !l.all.has(a):
		return 0, fault.Bad(field, "%s is outside %s", text, l.prefix)
	case a == l.all.first:
		return 0, fault.Bad(field, "%s is the network address of %s", text, l.prefix)
	case a == l.all.last:
		return 0, fault.Bad(field, "%s is the broadcast address of %s", text, l.prefix)
	}
	return a, nil
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
