package wire

import (
	"log/slog"

	"kowabunga/core/model"
)

// KawaiiSchema is the version of KawaiiState that this release writes and reads.
const KawaiiSchema = 1

// The VRRP priorities of nodes: in the zone of the address, or first of a load balancer, and elsewhere.
const (
	PriorityOwn   = 150
	PriorityOther = 100
)

// The interfaces inside a node's namespace. Legs on subnets of others are called PeerPrefix and the last
// eight digits of the subnet's id, tunnels TunnelPrefix and their XFRM id.
const (
	Public       = "public"
	Private      = "private"
	PeerPrefix   = "peer-"
	TunnelPrefix = "xfrm"
)

// MetadataAddress is where machines ask for their metadata, by custom of all clouds; the gateway answers
// on port 80.
const MetadataAddress = "169.254.169.254"

// KawaiiState is everything one node of a project's gateway does. The nodes of a gateway differ in their
// interfaces, priorities and the order of addresses, in nothing else.
type KawaiiState struct {
	Schema     int               `json:"schema"`
	Node       string            `json:"node"`
	Kawaii     string            `json:"kawaii"`
	Name       string            `json:"name"`
	Project    string            `json:"project"`
	Region     string            `json:"region"`
	Zone       string            `json:"zone"`
	Problems   []string          `json:"problems"` // what Kahuna could not plan, for people
	Interfaces []Leg             `json:"interfaces"`
	VIPs       []Pair            `json:"vips"`
	Routes     []WeightedRoute   `json:"routes"`
	NAT        []Translation     `json:"nat"`
	DNAT       []Forwarding      `json:"dnat"`
	Filter     []Rule            `json:"filter"`
	Tunnels    []Tunnel          `json:"tunnels"`
	Metadata   []MachineDocument `json:"metadata"`
}

// Leg is an interface of a node's namespace: one end of a pair whose other end is a port of the host's
// bridge.
type Leg struct {
	Name    string `json:"name"`
	Bridge  string `json:"bridge"`
	MAC     string `json:"mac,omitempty"`     // empty: the kernel draws one
	Address string `json:"address,omitempty"` // its own, with prefix length; legs on public segments have none
	Subnet  string `json:"subnet"`
}

// Pair is the virtual addresses of one zone. Both belong to one VRRP group, which speaks on the private
// interface: they move together, and what a machine sends to its gateway leaves from the address that
// belongs to it. A node of higher priority that comes back takes the pair of its zone again.
type Pair struct {
	Zone     string `json:"zone"`
	VRID     int64  `json:"vrid"`              // unique on both segments
	Priority int    `json:"priority"`          // PriorityOwn in the node's own zone, PriorityOther elsewhere
	Public   string `json:"public,omitempty"`  // with prefix length
	Private  string `json:"private,omitempty"` // with prefix length
}

// WeightedRoute is in force while the node holds Source; of several the lowest metric is used.
type WeightedRoute struct {
	Destination string `json:"destination"`
	Via         string `json:"via"`
	Interface   string `json:"interface"`
	Source      string `json:"source,omitempty"`
	Metric      int    `json:"metric"` // 10 for the node's own zone, 20 and more for the others in order
}

// Translation gives what leaves through an interface another source: the first of the addresses that the
// node holds. On legs to other subnets it is the leg's own, so that answers come back the way the question
// went.
type Translation struct {
	Source    string   `json:"source"` // network
	Out       string   `json:"out"`    // interface
	Addresses []string `json:"addresses"`
}

// Forwarding hands ports of a public address to a machine. Whether traffic passes is the filter's to say.
// With Hairpin, machines of the project reach the public address too: for them the source is translated
// to the private virtual address, for nobody else.
type Forwarding struct {
	Public      string `json:"public"`
	Protocol    string `json:"protocol"` // "tcp" or "udp"
	Ports       string `json:"ports"`
	Destination string `json:"destination"`
	Hairpin     bool   `json:"hairpin,omitempty"`
}

// Tunnel is an IPsec connection, IKEv2 with a pre-shared key (RFC 7296), up on the node that holds Local.
// Both sides are known by their addresses. It routes Remote through the interface TunnelPrefix and XFRM.
type Tunnel struct {
	ID            string       `json:"id"`
	Name          string       `json:"name"` // for people; never a section name of a configuration file
	XFRM          int64        `json:"xfrm"` // interface id, 1 to 255
	Local         string       `json:"local"`
	Peer          string       `json:"peer"`
	LocalNetwork  string       `json:"localNetwork"`
	RemoteNetwork string       `json:"remoteNetwork"`
	PreSharedKey  model.Secret `json:"preSharedKey"`
	IKE           string       `json:"ike"` // proposals as strongSwan writes them: aes256-sha512-modp2048
	ESP           string       `json:"esp"`
	Start         string       `json:"start"`     // swanctl.conf start_action: none, start, trap
	DPDAction     string       `json:"dpdAction"` // swanctl.conf dpd_action: clear, restart, start
	DPD           int64        `json:"dpd"`       // silence after which the peer is dead
	Rekey         int64        `json:"rekey"`     // of the IKE association
	IKELife       int64        `json:"ikeLife"`
	ESPLife       int64        `json:"espLife"`
}

// LogValue names the tunnel and leaves the rest out.
func (t Tunnel) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", t.ID), slog.String("peer", t.Peer))
}

// MachineDocument is what a machine may read about itself at MetadataAddress: whoever asks from Address
// gets Document. Secret is the SHA-256 of what the machine proves itself with, hexadecimal, where it has
// one.
type MachineDocument struct {
	Machine  string `json:"machine"`
	Address  string `json:"address"`
	Secret   string `json:"secret,omitempty"`
	Document string `json:"document"` // a JSON object as a text, to be answered byte by byte
}
