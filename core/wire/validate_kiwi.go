package wire

import (
	"net/netip"
	"regexp"
	"strings"
)

var cardForm = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)

// Validate tells whether routers can carry the state out. Faults: Invalid, naming the first entry that
// they cannot.
func (s *KiwiState) Validate() error {
	c := new(checks)
	if err := known("schema", s.Schema, KiwiSchema); err != nil {
		return err
	}
	c.members(s.Members)
	segments := c.segments(s.Interfaces)
	c.groups(s.Groups, segments)
	for i, r := range s.Routes {
		c.entry("routes", i)
		c.network("destination", r.Destination)
		c.address("via", r.Via)
		c.known("interface", r.Interface, segments)
	}
	for i, m := range s.NAT {
		c.entry("nat", i)
		c.network("source", m.Source)
		c.known("out", m.Out, segments)
	}
	c.rules(s.Filter)
	c.leases(s, segments)
	c.names(s)
	return c.err
}

func (c *checks) known(field, name string, segments map[string]bool) {
	if !segments[name] {
		c.bad(field, "interface %q is not declared", name)
	}
}

func (c *checks) members(members []Member) {
	seen, priorities := map[string]bool{}, map[int]bool{}
	for i, m := range members {
		c.entry("members", i)
		c.filled("agent", m.Agent)
		c.once("agent", seen, m.Agent)
		c.within("priority", int64(m.Priority), 1, 254)
		if priorities[m.Priority] {
			c.bad("priority", "%d is that of two members", m.Priority)
		}
		priorities[m.Priority] = true
	}
	c.whole()
}

func (c *checks) segments(interfaces []Interface) map[string]bool {
	seen := map[string]bool{}
	for i, n := range interfaces {
		c.entry("interfaces", i)
		c.iface("name", n.Name)
		c.once("name", seen, n.Name)
		c.within("vlan", n.VLAN, 0, 4094)
	}
	c.whole()
	return seen
}

func (c *checks) groups(groups []Group, segments map[string]bool) {
	seen, shared := map[string]bool{}, map[string]bool{}
	for i, g := range groups {
		c.entry("groups", i)
		c.known("interface", g.Interface, segments)
		c.once("interface", seen, g.Interface)
		c.within("vrid", g.VRID, 1, 255)
		if len(g.Addresses) == 0 {
			c.bad("addresses", "a group without addresses")
		}
		for _, a := range g.Addresses {
			c.prefix("addresses", a)
			c.once("addresses", shared, a)
		}
	}
	c.whole()
}

// leases checks what DHCP needs.
func (c *checks) leases(s *KiwiState, segments map[string]bool) {
	networks := map[string]netip.Prefix{}
	for i, d := range s.Scopes {
		c.entry("scopes", i)
		c.filled("subnet", d.Subnet)
		if _, twice := networks[d.Subnet]; twice {
			c.bad("subnet", "%s is there twice", d.Subnet)
		}
		c.known("interface", d.Interface, segments)
		c.network("cidr", d.CIDR)
		networks[d.Subnet], _ = netip.ParsePrefix(d.CIDR)
		c.address("router", d.Router)
		c.address("dns", d.DNS)
		for _, r := range d.Routes {
			c.network("routes", r)
		}
		for _, r := range d.Ranges {
			first, last, _ := strings.Cut(r, "-")
			if a, b := c.address("ranges", first), c.address("ranges", last); a.IsValid() && b.IsValid() && (b.Less(a) || !networks[d.Subnet].Contains(a) || !networks[d.Subnet].Contains(b)) {
				c.bad("ranges", "%s is no range of %s", r, d.CIDR)
			}
		}
	}
	addresses, cards := map[string]bool{}, map[string]bool{}
	for i, r := range s.Reservations {
		c.entry("reservations", i)
		network, ok := networks[r.Subnet]
		if !ok {
			c.bad("subnet", "no scope serves subnet %s", r.Subnet)
		}
		if !cardForm.MatchString(r.MAC) {
			c.bad("mac", "%q is no MAC address", r.MAC)
		}
		if a := c.address("address", r.Address); ok && a.IsValid() && !network.Contains(a) {
			c.bad("address", "%s is outside %s", r.Address, network)
		}
		if r.Router != "" {
			c.address("router", r.Router)
		}
		c.once("address", addresses, r.Address+" in subnet "+r.Subnet)
		c.once("mac", cards, r.MAC+" in subnet "+r.Subnet)
	}
	c.whole()
}

// names checks what DNS needs.
func (c *checks) names(s *KiwiState) {
	zones := map[string]bool{}
	for i, z := range s.Zones {
		c.entry("zones", i)
		c.domain("name", z.Name)
		c.once("name", zones, z.Name)
		c.within("ttl", int64(z.TTL), 0, 1<<31-1) // RFC 2181 section 8
	}
	seen := map[string]bool{}
	for i, r := range s.Records {
		c.entry("records", i)
		if !zones[r.Zone] {
			c.bad("zone", "zone %q is not declared", r.Zone)
		}
		if r.Name != Apex {
			c.domain("name", r.Name)
		}
		c.once("name", seen, r.Name+"."+r.Zone)
		if len(r.Addresses) == 0 {
			c.bad("addresses", "a name without addresses")
		}
		for _, a := range r.Addresses {
			if _, err := netip.ParseAddr(a); err != nil {
				c.bad("addresses", "%q is no address", a)
			}
		}
	}
	c.whole()
}

// domain checks a name in lower case: labels of at most 63 bytes, 253 altogether (RFC 1035 section 2.3.4).
// "*" and "_" are for wildcards and services.
func (c *checks) domain(field, name string) {
	if name == "" || len(name) > 253 {
		c.bad(field, "%.80q is no name", name)
		return
	}
	for _, label := range strings.Split(name, ".") {
		good := label != "" && len(label) <= 63
		for _, b := range []byte(label) {
			good = good && (b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '*')
		}
		if !good {
			c.bad(field, "%.80q is no name", name)
			return
		}
	}
}
