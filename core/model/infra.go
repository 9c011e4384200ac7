package model

import "strings"

// The kinds of infrastructure, run by superAdmins.
const (
	KindRegion   Kind = "region"
	KindZone     Kind = "zone"
	KindKaktus   Kind = "kaktus"
	KindAgent    Kind = "agent"
	KindVNet     Kind = "vnet"
	KindSubnet   Kind = "subnet"
	KindPool     Kind = "pool"
	KindTemplate Kind = "template"
)

// Cost is a monthly price.
type Cost struct {
	Price    float64 `json:"price"`
	Currency string  `json:"currency"`
}

// Region is a physical location with its own backbone.
type Region struct {
	Meta
	Domain      string `json:"domain"`
	DefaultPool ID     `json:"defaultPool,omitempty"`
	DefaultNFS  ID     `json:"defaultNfs,omitempty"`
}

// Zone is a subset of a region that fails on its own.
type Zone struct {
	Meta
	Region ID `json:"region"`
}

// Kaktus is a virtualisation host. Caps is what its agent last reported, zero before it ever did.
type Kaktus struct {
	Meta
	Zone             ID    `json:"zone"`
	CPUCost          Cost  `json:"cpuCost"`
	MemoryCost       Cost  `json:"memoryCost"`
	OvercommitCPU    int64 `json:"overcommitCpu"`    // virtual CPUs per thread
	OvercommitMemory int64 `json:"overcommitMemory"` // bytes promised per byte present
	Agents           []ID  `json:"agents"`
	Caps             Caps  `json:"caps"`
	Maintenance      bool  `json:"maintenance,omitempty"` // gets no new machines; those it has stay
}

// Caps is the hardware of a host. Memory is bytes; sockets, cores and threads count the whole host.
type Caps struct {
	Arch    string `json:"arch,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
	Model   string `json:"model,omitempty"`
	Sockets int64  `json:"sockets,omitempty"`
	Cores   int64  `json:"cores,omitempty"`
	Threads int64  `json:"threads,omitempty"`
	Memory  int64  `json:"memory,omitempty"`
	Accel   string `json:"accel,omitempty"` // "kvm" or "tcg"
}

// Agent is an identity under which a host connects.
type Agent struct {
	Meta
	Type     string   `json:"type"`               // "Kaktus" or "Kiwi"
	Identity string   `json:"identity,omitempty"` // of its state directory, as it was admitted last; another once its host is made anew
	Former   []string `json:"former,omitempty"`   // identities before of which nobody said that they are gone
	Fenced   string   `json:"fenced,omitempty"`   // who said that its host is off, and when; cleared when the agent is back
	Waived   string   `json:"waived,omitempty"`   // who said that it holds nothing that was lost, and when
}

// VNet is a layer-2 segment of a region.
type VNet struct {
	Meta
	Region        ID     `json:"region"`
	VLAN          int64  `json:"vlan"` // 0 = untagged
	Interface     string `json:"interface"`
	Private       bool   `json:"private"`
	DefaultSubnet ID     `json:"defaultSubnet,omitempty"`
}

// IPRange is a range of addresses, both ends included.
type IPRange struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

// Subnet is an address range on a segment, owned by at most one project.
type Subnet struct {
	Meta
	VNet        ID        `json:"vnet"`
	Project     ID        `json:"project,omitempty"`
	CIDR        string    `json:"cidr"`
	Gateway     string    `json:"gateway"`
	DNS         string    `json:"dns,omitempty"`
	ExtraRoutes []string  `json:"extraRoutes,omitempty"`
	Reserved    []IPRange `json:"reserved,omitempty"`
	GwPool      []IPRange `json:"gwPool,omitempty"`
	Application string    `json:"application"` // "user" or "ceph"
}

// Pool is a place for images and disks. Capacity and Available are what its agents last reported.
type Pool struct {
	Meta
	Region          ID     `json:"region"`
	Pool            string `json:"pool"` // name of the RBD pool, or "dir:" and the name of the hosts' directory pool
	CephAddress     string `json:"cephAddress,omitempty"`
	CephPort        int64  `json:"cephPort,omitempty"`
	CephSecretUUID  Secret `json:"cephSecretUuid,omitempty"`
	Cost            Cost   `json:"cost"`
	Agents          []ID   `json:"agents"`
	DefaultTemplate ID     `json:"defaultTemplate,omitempty"`
	Capacity        int64  `json:"capacity,omitempty"`
	Available       int64  `json:"available,omitempty"`
}

// Directory returns the name of the directory pool on its hosts, and whether this is such a pool; other
// pools are Ceph's.
func (p *Pool) Directory() (string, bool) { return strings.CutPrefix(p.Pool, "dir:") }

// Template is a disk image that machines start from.
type Template struct {
	Meta
	Pool   ID     `json:"pool"`
	OS     string `json:"os"` // "linux" or "windows"
	Source string `json:"source"`
	SHA256 string `json:"sha256,omitempty"` // of the file as served, once imported
	Size   int64  `json:"size,omitempty"`   // virtual size, once imported
}

func (*Region) Kind() Kind   { return KindRegion }
func (*Zone) Kind() Kind     { return KindZone }
func (*Kaktus) Kind() Kind   { return KindKaktus }
func (*Agent) Kind() Kind    { return KindAgent }
func (*VNet) Kind() Kind     { return KindVNet }
func (*Subnet) Kind() Kind   { return KindSubnet }
func (*Pool) Kind() Kind     { return KindPool }
func (*Template) Kind() Kind { return KindTemplate }

func (o *Region) Clone() Object   { c := *o; return &c }
func (o *Zone) Clone() Object     { c := *o; return &c }
func (o *Kaktus) Clone() Object   { c := *o; return &c }
func (o *Agent) Clone() Object    { c := *o; return &c }
func (o *VNet) Clone() Object     { c := *o; return &c }
func (o *Subnet) Clone() Object   { c := *o; return &c }
func (o *Pool) Clone() Object     { c := *o; return &c }
func (o *Template) Clone() Object { c := *o; return &c }
