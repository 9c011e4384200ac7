package agentproto

// The methods for the shares of an NFS storage, asked of the agents of its pool, any of which reaches
// the file system and the servers that export it. Arguments are absolute and every method may be
// repeated. An export is the same at all servers or the call fails: what could be done is found done
// by the next attempt.
const (
	MethodShareCreate = "share.create" // Share -> ShareStatus; makes the directory, then exports it
	MethodShareUpdate = "share.update" // Share -> ShareStatus; NotFound when there is no such directory
	MethodShareDelete = "share.delete" // Share -> {}; withdraws the export everywhere, then removes the data
	MethodShareUsage  = "share.usage"  // ShareRef -> ShareStatus
	EventShare        = "share"        // body ShareStatus; when what the files take has changed, at most once a minute for each
)

// ShareRef names a shared file system by the id of its kylo resource, which is also the name of its
// directory and, with a slash before it, the path that clients mount.
type ShareRef struct {
	Pool  string `json:"pool"`
	FS    string `json:"fs"` // name of the CephFS file system
	Share string `json:"share"`
}

// Share is everything about a share and its export.
type Share struct {
	ShareRef
	Export    int64    `json:"export"`           // Export_Id of NFS-Ganesha, unique at the backends; 100 to 65000
	Access    string   `json:"access"`           // "RO" or "RW"
	Protocols []int64  `json:"protocols"`        // NFS versions: 3, 4
	Clients   []string `json:"clients"`          // networks in CIDR notation that may mount it; nobody else may
	Backends  []string `json:"backends"`         // addresses or names of the servers that export it
	Port      int64    `json:"port"`             // of their management interface
	Former    *Servers `json:"former,omitempty"` // of an update: where it is exported until now
}

// Servers are those that export a share.
type Servers struct {
	Backends []string `json:"backends"`
	Port     int64    `json:"port"`
}

// ShareStatus is a share as it stands in the file system.
type ShareStatus struct {
	ShareRef
	Size int64 `json:"size"` // bytes that its files take
}
