package wire

// KiwiSchema is the version of KiwiState that this release writes and reads.
const KiwiSchema = 1

// KiwiVRID is the VRRP router id of a region's Kiwis on every segment. The ids of gateways and load
// balancers are given out from 1 upwards (ipam.VRIDs), so that both meet on no segment. Where a service
// has it all the same, the Kiwis take the highest id that is free there.
const KiwiVRID = 255

// DNSTTL is how long resolvers may keep an answer, in seconds: a machine that was replaced is found
// within a minute.
const DNSTTL = 60

// KiwiState is everything the routers of a region do. An empty Region means: nothing at all, for an agent
// that belongs to no Kiwi.
//
// The shared addresses of all groups move together: a router that holds one holds all of them, so that
// what goes out through one segment comes back through the same router. A router that comes back takes
// nothing from one that works. The routers' own addresses, from
// which VRRP speaks, are configuration of their hosts, as is the uplink that interfaces without a VLAN
// stand for.
type KiwiState struct {
	Schema       int           `json:"schema"`
	Region       string        `json:"region"`
	Problems     []string      `json:"problems"` // what Kahuna could not plan, for people
	Members      []Member      `json:"members"`
	Interfaces   []Interface   `json:"interfaces"`
	Groups       []Group       `json:"groups"`
	Routes       []Route       `json:"routes"`
	NAT          []Masquerade  `json:"nat"`
	Filter       []Rule        `json:"filter"`
	Scopes       []Scope       `json:"scopes"`
	Reservations []Reservation `json:"reservations"`
	Zones        []Zone        `json:"zones"`
	Records      []Record      `json:"records"`
}

// Member is an agent that shares the addresses. Each finds its own priority by its id.
type Member struct {
	Agent    string `json:"agent"`
	Priority int    `json:"priority"` // VRRP priority, 1 to 254 (RFC 9568 section 5.2.4); the highest is master
}

// Interface is a segment of the region.
type Interface struct {
	Name    string `json:"name"` // of the bridge or VLAN interface, at most 15 bytes (IFNAMSIZ)
	VLAN    int64  `json:"vlan"` // 802.1Q tag, 0 = untagged
	Private bool   `json:"private"`
	VNet    string `json:"vnet"`
}

// Group is a VRRP group: the gateway addresses of all subnets of one private segment. The gateway of a
// public segment is somebody else's router, and the default route of this one.
type Group struct {
	Interface string   `json:"interface"`
	VRID      int64    `json:"vrid"`      // 1 to 255 (RFC 9568 section 5.2.3), unique on the segment
	Addresses []string `json:"addresses"` // with the prefix length of their subnet
}

// Route is a static route.
type Route struct {
	Destination string `json:"destination"`
	Via         string `json:"via"`
	Interface   string `json:"interface"`
}

// Masquerade translates the source of what leaves a subnet of the infrastructure through a public
// segment. Projects have gateways of their own for that.
type Masquerade struct {
	Source string `json:"source"`
	Out    string `json:"out"` // interface
}

// Rule is a rule of the packet filter. Before all rules, what belongs to a connection that was let pass is
// let pass as well (conntrack states established and related); after all rules everything is dropped. The
// first rule that matches decides. Addresses and ports are those before any translation.
type Rule struct {
	Chain       string `json:"chain"`         // "input": to this router; "forward": through it
	In          string `json:"in,omitempty"`  // interface; empty: any
	Out         string `json:"out,omitempty"` // interface, of chain forward; empty: any
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination,omitempty"`
	Protocol    string `json:"protocol,omitempty"` // "tcp", "udp", "icmp", "esp", "vrrp"; empty: any
	Ports       string `json:"ports,omitempty"`    // of the destination; tcp and udp alone
	Action      string `json:"action"`             // "accept" or "drop"
	Why         string `json:"why"`                // what the rule comes from, for people
}

// Scope is a subnet that DHCP serves (RFC 2131).
type Scope struct {
	Subnet    string   `json:"subnet"`
	Interface string   `json:"interface"`
	CIDR      string   `json:"cidr"`
	Router    string   `json:"router"`           // option 3, where a reservation does not say another
	DNS       string   `json:"dns"`              // option 6
	Domain    string   `json:"domain,omitempty"` // option 15
	Routes    []string `json:"routes,omitempty"` // networks behind the subnet's gateway, option 121 (RFC 3442)
	Ranges    []string `json:"ranges"`           // "first-last": what may be leased at all; reserved ranges, gateways and their pool are left out
	Open      bool     `json:"open"`             // whether clients without a reservation get an address; in subnets of projects and storage they do not
}

// Reservation is the address of an adapter.
type Reservation struct {
	Subnet  string `json:"subnet"`
	MAC     string `json:"mac"`
	Address string `json:"address"`
	Router  string `json:"router,omitempty"` // option 3 of this client: its project's gateway in its zone
}

// Zone is a DNS zone that the routers answer for. Names in it that have no record do not exist; all other
// names are resolved for private segments alone. A reverse zone has no records: its answers are the
// Records with Reverse.
type Zone struct {
	Name    string `json:"name"` // lower case, without the dot at the end
	TTL     int    `json:"ttl"`  // seconds
	Reverse bool   `json:"reverse,omitempty"`
}

// Apex is the name of a zone within itself (RFC 1035 section 5.1).
const Apex = "@"

// Record is a name with its addresses. Several addresses are all answered, in turning order.
type Record struct {
	Zone      string   `json:"zone"`
	Name      string   `json:"name"` // relative to the zone, lower case; Apex for the zone itself
	Addresses []string `json:"addresses"`
	Reverse   bool     `json:"reverse,omitempty"` // the addresses lead back to this name (PTR)
	Owner     string   `json:"owner"`             // id of the machine or record
}
