package ipam

import (
	"fmt"
	"net/netip"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// The applications a subnet may serve. Projects only ever get subnets for AppUser.
const (
	AppUser = "user"
	AppCeph = "ceph"
)

// private are the ranges of RFC 1918 section 3.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// unusable are ranges that cannot number machines on a segment, private or public.
var unusable = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "\"this network\" (RFC 791 section 3.2)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (RFC 1122 section 3.2.1.3)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local (RFC 3927)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112 section 4)"},
}

// CheckSubnet decides whether the subnet s may exist on the segment n: its text is canonical, gateway
// and ranges lie inside, it is private exactly if the segment is, it shares no address with another
// subnet of the region, and each range of the gateway pool has one address for every zone.
//
// Private means RFC 1918. A public segment takes anything else that numbers machines, also the shared
// range 100.64.0.0/10 (RFC 6598), which lies on the provider's side of a translation and is therefore
// refused on private segments.
//
// Faults: Invalid with the wire name of the field; Conflict for an overlap.
func CheckSubnet(v model.View, s *model.Subnet, n *model.VNet) error {
	l, err := read(s)
	if err != nil {
		return err
	}
	if err := scope(l.prefix, n); err != nil {
		return err
	}
	if s.DNS != "" {
		dns, err := parse("dns", s.DNS)
		if err != nil {
			return err
		}
		if a := address(dns); a.IsUnspecified() || a.IsMulticast() || dns == ^uint32(0) {
			return fault.Bad("dns", "%s is no address of a single server", s.DNS)
		}
	}
	if err := routes(s.ExtraRoutes); err != nil {
		return err
	}
	if s.Application != AppUser && s.Application != AppCeph {
		return fault.Bad("application", "%q is no application; use %q or %q", s.Application, AppUser, AppCeph)
	}
	if err := enough(v, l, n.Region); err != nil {
		return err
	}
	return overlap(v, s, l, n)
}

// scope holds private ranges on private segments and all others off them.
func scope(p netip.Prefix, n *model.VNet) error {
	for _, u := range unusable {
		if u.prefix.Overlaps(p) {
			return fault.Bad("cidr", "%s lies in %s, which is %s", p, u.prefix, u.why)
		}
	}
	for _, block := range private {
		if !block.Overlaps(p) {
			continue
		}
		if block.Bits() > p.Bits() {
			return fault.Bad("cidr", "%s is partly private: it contains %s (RFC 1918)", p, block)
		}
		if !n.Private {
			return fault.Bad("cidr", "%s is private (RFC 1918) but vnet %q is public; use a public range or a private vnet", p, n.Name)
		}
		return nil
	}
	if n.Private {
		return fault.Bad("cidr", "%s is not private but vnet %q is; use a range of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 (RFC 1918)", p, n.Name)
	}
	return nil
}

func routes(declared []string) error {
	for i, text := range declared {
		field := fmt.Sprintf("extra_routes[%d]", i)
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return fault.Bad(field, "%q is no address range; write it like 10.20.0.0/16", text)
		case !p.Addr().Is4():
			return fault.Bad(field, "%s is an IPv6 range; subnets are IPv4 only", text)
		case p.Masked() != p:
			return fault.Bad(field, "%s has host bits set; the range is written %s", text, p.Masked())
		}
	}
	return nil
}

// enough holds every range of the gateway pool large enough for one address per zone of the region.
func enough(v model.View, l layout, region model.ID) error {
	if len(l.pool) == 0 {
		return nil
	}
	var zones int64
	for range model.By[*model.Zone](v, "region", region) {
		zones++
	}
	for i, s := range l.pool {
		field := fmt.Sprintf("gw_pool[%d]", i)
		if s.has(l.all.first) || s.has(l.all.last) {
			return fault.Bad(field, "%s-%s contains the network or broadcast address of %s", address(s.first), address(s.last), l.prefix)
		}
		room := s.size()
		if s.has(l.gateway) {
			room-- // the subnet's own gateway is never given to a zone
		}
		if room < zones {
			return fault.Bad(field, "%s-%s has %d addresses for gateways, the region has %d zones; it must have one for each",
				address(s.first), address(s.last), room, zones)
		}
	}
	return nil
}

// overlap refuses a range that shares addresses with another subnet of the region.
func overlap(v model.View, s *model.Subnet, l layout, n *model.VNet) error {
	for segment := range model.By[*model.VNet](v, "region", n.Region) {
		for other := range model.By[*model.Subnet](v, "vnet", segment.ID) {
			if other.ID == s.ID {
				continue
			}
			p, err := netip.ParsePrefix(other.CIDR)
			if err != nil || !p.Overlaps(l.prefix) {
				continue
			}
			return &fault.Error{Code: fault.Conflict, Field: "cidr", Message: fmt.Sprintf(
				"%s overlaps %s of subnet %q on vnet %q of the same region; choose another range", l.prefix, p, other.Name, segment.Name)}
		}
	}
	return nil
}
