package model

// The kinds of a project's services, and the nodes they run on.
const (
	KindKawaii Kind = "kawaii"
	KindIPsec  Kind = "ipsec"
	KindKonvey Kind = "konvey"
	KindNode   Kind = "node"
)

// Kawaii is the gateway of a project in one region: a pair of virtual addresses in each zone, and one
// node in each zone to hold them.
type Kawaii struct {
	Meta
	Project       ID           `json:"project"`
	Region        ID           `json:"region"`
	PublicSubnet  ID           `json:"publicSubnet,omitempty"` // where its public addresses come from
	PrivateSubnet ID           `json:"privateSubnet"`          // the project's own in the region
	VIPs          []GatewayVIP `json:"vips,omitempty"`         // in the order they were given out
	Firewall      Firewall     `json:"firewall"`
	DNAT          []DNATRule   `json:"dnat,omitempty"`
	Peerings      []Peering    `json:"peerings,omitempty"`
}

// GatewayVIP is the pair of virtual addresses that a zone's node holds. Both move together, under one
// VRRP router id, which is unique on the segments of both. The public one is reserved by an adapter; the
// private one is the project's gateway address in the zone, of the subnet's gateway pool.
type GatewayVIP struct {
	Zone          ID     `json:"zone"`
	VRID          int64  `json:"vrid"`   // 1 to 255, RFC 9568 section 5.2.3
	Public        string `json:"public"` // IPv4 address
	Private       string `json:"private"`
	PublicAdapter ID     `json:"publicAdapter"`
}

// Firewall is what a gateway lets pass. What comes in is refused unless a rule admits it; what goes out
// has a policy, and rules that say the opposite.
type Firewall struct {
	Ingress      []IngressRule `json:"ingress,omitempty"`
	EgressPolicy string        `json:"egressPolicy"` // "accept" or "drop"
	Egress       []EgressRule  `json:"egress,omitempty"`
}

// IngressRule admits what comes in from a source.
type IngressRule struct {
	Source   string `json:"source"` // CIDR
	Protocol string `json:"protocol"`
	Ports    string `json:"ports"` // comma-separated ports and ranges a-b
}

// EgressRule is an exception to the policy for what goes out to a destination.
type EgressRule struct {
	Destination string `json:"destination"` // CIDR
	Protocol    string `json:"protocol"`
	Ports       string `json:"ports"`
}

// DNATRule hands what arrives at the public addresses to a machine.
type DNATRule struct {
	Destination string `json:"destination"` // private IPv4 address
	Protocol    string `json:"protocol"`
	Ports       string `json:"ports"`
}

// Peering is a gateway's leg on a subnet of somebody else. It takes effect when the gateway of the
// subnet's project has declared its counterpart; of a subnet without project, when a superAdmin has.
type Peering struct {
	Subnet  ID          `json:"subnet"`
	Policy  string      `json:"policy"` // "accept" or "drop"
	Ingress []PortRule  `json:"ingress,omitempty"`
	Egress  []PortRule  `json:"egress,omitempty"`
	Legs    []PeeringIP `json:"legs,omitempty"`    // none until it takes effect
	Granted bool        `json:"granted,omitempty"` // a superAdmin declared it while the subnet belonged to no project
}

// PortRule opens ports in one direction of a peering, whatever its policy.
type PortRule struct {
	Protocol string `json:"protocol"`
	Ports    string `json:"ports"`
}

// PeeringIP is the address that a zone's node has on a peer subnet.
type PeeringIP struct {
	Zone    ID     `json:"zone"`
	Address string `json:"address"`
	Adapter ID     `json:"adapter"`
}

// IPsec is a site-to-site tunnel of a Kawaii, IKEv2 with a pre-shared key.
type IPsec struct {
	Meta
	Kawaii           ID       `json:"kawaii"`
	IP               string   `json:"ip"`     // one of the gateway's public addresses
	XFRMID           int64    `json:"xfrmId"` // interface id, 1 to 255, unique within the Kawaii
	RemoteIP         string   `json:"remoteIp"`
	RemoteSubnet     string   `json:"remoteSubnet"`
	PreSharedKey     Secret   `json:"preSharedKey,omitempty"`
	DPDAction        string   `json:"dpdAction"`
	DPDTimeout       string   `json:"dpdTimeout"` // durations as strongSwan writes them: 240s, 2h
	StartAction      string   `json:"startAction"`
	Rekey            string   `json:"rekey"`
	Phase1Lifetime   string   `json:"phase1Lifetime"`
	Phase1DHGroup    int64    `json:"phase1DhGroup"` // IANA group numbers, RFC 7296 section 3.3.2
	Phase1Integrity  string   `json:"phase1Integrity"`
	Phase1Encryption string   `json:"phase1Encryption"`
	Phase2Lifetime   string   `json:"phase2Lifetime"`
	Phase2DHGroup    int64    `json:"phase2DhGroup"`
	Phase2Integrity  string   `json:"phase2Integrity"`
	Phase2Encryption string   `json:"phase2Encryption"`
	Firewall         Firewall `json:"firewall"`
}

// Konvey is a load balancer of a project: one virtual address that a node holds, and a second node to
// take it over where failover is wanted.
type Konvey struct {
	Meta
	Project   ID         `json:"project"`
	Region    ID         `json:"region"`
	Zone      ID         `json:"zone,omitempty"` // when all its nodes shall be in one zone
	Subnet    ID         `json:"subnet"`         // the project's own in the region
	VIP       string     `json:"vip,omitempty"`
	VRID      int64      `json:"vrid,omitempty"`
	Adapter   ID         `json:"adapter,omitempty"` // that reserves the virtual address
	Failover  bool       `json:"failover"`
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is a port that a Konvey listens on.
type Endpoint struct {
	Name     string   `json:"name"`
	Port     int64    `json:"port"`
	Protocol string   `json:"protocol"` // "tcp" or "udp"
	Backends Backends `json:"backends"`
}

// Backends are the machines that an endpoint hands connections to, all on one port.
type Backends struct {
	Hosts []string `json:"hosts"` // addresses or host names
	Port  int64    `json:"port"`
}

// Node is a process of a service in a network namespace of a host: of a Kawaii one in each zone, of a
// Konvey one or two. It counts on its host and against the project's quota like a machine of its shape.
type Node struct {
	Meta
	Project ID     `json:"project"`
	Zone    ID     `json:"zone"`
	Kaktus  ID     `json:"kaktus"`
	Owner   ID     `json:"owner"`             // the Kawaii or Konvey
	Role    string `json:"role"`              // "kawaii" or "konvey"
	Address string `json:"address,omitempty"` // its own private address
	Adapter ID     `json:"adapter,omitempty"` // that reserves it and has its MAC
	Public  ID     `json:"public,omitempty"`  // adapter on the public segment, without an address
	Standby bool   `json:"standby,omitempty"` // the second node of a Konvey
	Shape   Shape  `json:"shape"`
}

func (*Kawaii) Kind() Kind { return KindKawaii }
func (*IPsec) Kind() Kind  { return KindIPsec }
func (*Konvey) Kind() Kind { return KindKonvey }
func (*Node) Kind() Kind   { return KindNode }

func (o *Kawaii) Clone() Object { c := *o; return &c }
func (o *IPsec) Clone() Object  { c := *o; return &c }
func (o *Konvey) Clone() Object { c := *o; return &c }
func (o *Node) Clone() Object   { c := *o; return &c }
