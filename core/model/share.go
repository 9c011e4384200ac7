package model

// The kinds of shared file systems and of names.
const (
	KindNFS    Kind = "nfs"
	KindKylo   Kind = "kylo"
	KindRecord Kind = "record"
	KindKiwi   Kind = "kiwi"
)

// Kiwi is the network gateway of a region: agents that share its addresses.
type Kiwi struct {
	Meta
	Region ID   `json:"region"`
	Agents []ID `json:"agents"`
}

// NFS is a place for shares: a CephFS file system and the servers that export it.
type NFS struct {
	Meta
	Region   ID       `json:"region"`
	Pool     ID       `json:"pool,omitempty"` // whose agents reach the file system
	Endpoint string   `json:"endpoint"`       // name that clients mount from
	FS       string   `json:"fs"`             // CephFS name
	Backends []string `json:"backends"`       // servers that export it
	Port     int64    `json:"port"`           // of their management interface
}

// Kylo is a shared file system of a project. Size is what its files take, as last reported.
type Kylo struct {
	Meta
	Project   ID      `json:"project"`
	Region    ID      `json:"region"`
	NFS       ID      `json:"nfs"`
	Access    string  `json:"access"`    // "RO" or "RW"
	Protocols []int64 `json:"protocols"` // NFS versions
	ExportID  int64   `json:"exportId"`  // unique within the NFS storage
	Size      int64   `json:"size"`      // bytes
}

// Record is a DNS name of a project or of a region: exactly one of both is set. Domain is that of its
// owner, repeated so that names are unique within it.
type Record struct {
	Meta
	Project   ID       `json:"project,omitempty"`
	Region    ID       `json:"region,omitempty"`
	Domain    string   `json:"domain"`
	Addresses []string `json:"addresses"`
}

func (*Kiwi) Kind() Kind   { return KindKiwi }
func (*NFS) Kind() Kind    { return KindNFS }
func (*Kylo) Kind() Kind   { return KindKylo }
func (*Record) Kind() Kind { return KindRecord }

func (o *Kiwi) Clone() Object   { c := *o; return &c }
func (o *NFS) Clone() Object    { c := *o; return &c }
func (o *Kylo) Clone() Object   { c := *o; return &c }
func (o *Record) Clone() Object { c := *o; return &c }
