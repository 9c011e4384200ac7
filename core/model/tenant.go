package model

// The kinds that belong to projects.
const (
	KindProject  Kind = "project"
	KindAdapter  Kind = "adapter"
	KindVolume   Kind = "volume"
	KindInstance Kind = "instance"
	KindKompute  Kind = "kompute"
)

// Resources is a quota or a usage: zero means unlimited in a quota.
type Resources struct {
	VCPUs     int64 `json:"vcpus,omitempty"`
	Memory    int64 `json:"memory,omitempty"`  // bytes
	Storage   int64 `json:"storage,omitempty"` // bytes
	Instances int64 `json:"instances,omitempty"`
}

// Metadata is a pair of words that a project hands to its machines.
type Metadata struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Gateway is the address a project's gateway has in one zone.
type Gateway struct {
	Zone    ID     `json:"zone"`
	Address string `json:"address"`
}

// Project is a tenant. Its subnets are found through Subnet.Project, one per region.
type Project struct {
	Meta
	Domain          string     `json:"domain,omitempty"`
	RootPassword    Secret     `json:"rootPassword,omitempty"`
	BootstrapUser   string     `json:"bootstrapUser,omitempty"`
	BootstrapPubkey string     `json:"bootstrapPubkey,omitempty"`
	Tags            []string   `json:"tags,omitempty"`
	Metadatas       []Metadata `json:"metadatas,omitempty"`
	Quotas          Resources  `json:"quotas"`
	Teams           []ID       `json:"teams"`
	Regions         []ID       `json:"regions"`
	Gateways        []Gateway  `json:"gateways,omitempty"` // in the order they were given out
	VRRPIDs         []int64    `json:"vrrpIds,omitempty"`
	Organization    ID         `json:"organization,omitempty"`
}

// Adapter is a network card with its addresses, on one subnet.
type Adapter struct {
	Meta
	Subnet    ID       `json:"subnet"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses,omitempty"`
	Reserved  bool     `json:"reserved,omitempty"` // its MAC may be shared
	Kompute   ID       `json:"kompute,omitempty"`  // set when it came with a Kompute and goes with it
	Service   ID       `json:"service,omitempty"`  // set when it came with a Kawaii or Konvey and goes with it
}

// Volume is a disk of a project.
type Volume struct {
	Meta
	Project  ID     `json:"project"`
	Region   ID     `json:"region"`
	Pool     ID     `json:"pool"`
	Template ID     `json:"template,omitempty"`
	Type     string `json:"type"` // "os", "raw" or "iso"
	Size     int64  `json:"size"` // bytes
	Kompute  ID     `json:"kompute,omitempty"`
}

// Instance is a virtual machine on a host. Reserved keeps the larger of two shapes taken while an
// operation changes it. SecretHash is the hexadecimal SHA-256 of the chance by which the machine proves
// itself to the metadata service, empty for machines that have none; it is no secret itself.
type Instance struct {
	Meta
	Project  ID     `json:"project"`
	Zone     ID     `json:"zone"`
	Kaktus   ID     `json:"kaktus"`
	OS       string `json:"os"`
	VCPUs    int64  `json:"vcpus"`
	Memory   int64  `json:"memory"`
	Adapters []ID   `json:"adapters,omitempty"`
	Volumes  []ID   `json:"volumes,omitempty"`
	Kompute  ID     `json:"kompute,omitempty"`
	Reserved Shape  `json:"reserved,omitzero"`
	Run      bool   `json:"run"` // what power actions last asked for

	SecretHash string `json:"secretHash,omitempty"`

	// UEFI asks for UEFI firmware where the host has it. Machines from before there was the field have a BIOS.
	UEFI       bool `json:"uefi,omitempty"`
	Stays      bool `json:"stays,omitempty"`      // not to be moved to another host while it runs
	Kwarantine ID   `json:"kwarantine,omitempty"` // group that it keeps apart from the others of
}

// Shape is what a machine takes of its host.
type Shape struct {
	VCPUs  int64 `json:"vcpus,omitempty"`
	Memory int64 `json:"memory,omitempty"`
}

// Kompute is a machine with its disks and cards as one thing. The parts carry its id; the instance
// has the machine's shape.
type Kompute struct {
	Meta
	Project  ID     `json:"project"`
	Zone     ID     `json:"zone"`
	Instance ID     `json:"instance"`
	VCPUs    int64  `json:"vcpus"`
	Memory   int64  `json:"memory"`
	Disk     int64  `json:"disk"`
	DataDisk int64  `json:"dataDisk,omitempty"`
	IP       string `json:"ip"`
	Public   bool   `json:"public,omitempty"`
	// As the instance's.
	UEFI       bool `json:"uefi,omitempty"`
	Stays      bool `json:"stays,omitempty"`
	Kwarantine ID   `json:"kwarantine,omitempty"`
}

func (*Project) Kind() Kind  { return KindProject }
func (*Adapter) Kind() Kind  { return KindAdapter }
func (*Volume) Kind() Kind   { return KindVolume }
func (*Instance) Kind() Kind { return KindInstance }
func (*Kompute) Kind() Kind  { return KindKompute }

func (o *Project) Clone() Object  { c := *o; return &c }
func (o *Adapter) Clone() Object  { c := *o; return &c }
func (o *Volume) Clone() Object   { c := *o; return &c }
func (o *Instance) Clone() Object { c := *o; return &c }
func (o *Kompute) Clone() Object  { c := *o; return &c }
