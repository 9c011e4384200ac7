package agentproto

// The methods a Kaktus answers. Arguments are absolute and every method may be repeated: doing what is
// already done succeeds and returns the same result.
const (
	MethodInventory       = "kaktus.inventory"   // {} -> Inventory
	MethodImageImport     = "image.import"       // ImageImport -> Image, with progress
	MethodImageDelete     = "image.delete"       // ImageRef -> {}
	MethodVolumeCreate    = "volume.create"      // VolumeCreate -> Volume
	MethodVolumeResize    = "volume.resize"      // VolumeResize -> Volume; grows only
	MethodVolumeDelete    = "volume.delete"      // VolumeRef -> {}
	MethodVolumeStat      = "volume.stat"        // VolumeRef -> Volume
	MethodSeedWrite       = "seed.write"         // Seed -> Volume
	MethodSeedDelete      = "seed.delete"        // VolumeRef -> {}
	MethodMachineDefine   = "machine.define"     // Machine -> MachineStatus; creates or redefines, never starts or stops
	MethodMachineDelete   = "machine.delete"     // MachineRef -> {}; forces off first, leaves disks alone
	MethodMachinePower    = "machine.power"      // MachinePower -> MachineStatus
	MethodMachineState    = "machine.state"      // MachineRef -> MachineStatus
	MethodMachineConsole  = "machine.console"    // MachineConsole -> MachineOutput: the tail of the serial console
	MethodMachineConnect  = "machine.connect"    // MachineRef -> MachineTicket: the screen, for one client and a short time
	EventMachine          = "machine"            // body MachineStatus
	EventPool             = "pool"               // body PoolStatus
	StateKaktus           = "kaktus"             // name of a Kaktus' desired state; body KaktusState
	FeatureKVM            = "kvm"                // a probe guest really ran under hardware virtualisation
	FeatureGuestAgent     = "guest-agent"        // machines get the QEMU guest agent channel
	FeatureConsoleLogging = "serial-console-log" // MethodMachineConsole is answered
)

// KaktusState is everything a Kaktus must have besides machines, disks and images: its bridges and
// storage pools. What is not listed any more is reported as an orphan, never removed.
type KaktusState struct {
	Bridges []Bridge `json:"bridges"`
	Pools   []Pool   `json:"pools"`
	Cards   []Card   `json:"cards,omitempty"` // those of machines on this host that may do more than their NIC says
}

// Card is what a machine may send by a network card besides what its NIC says.
type Card struct {
	Adapter   string   `json:"adapter"`             // id of the adapter resource
	MACs      []string `json:"macs,omitempty"`      // that move between machines
	Addresses []string `json:"addresses,omitempty"` // that do: IPv4 or IPv6
	Router    bool     `json:"router,omitempty"`    // forwards for others: may send under any IP address, answer DHCP and advertise routes
}

// Bridge is a Linux bridge of this host, up, optionally with an uplink and a VLAN of it as its port.
type Bridge struct {
	Name   string `json:"name"`             // interface name, at most 15 bytes (IFNAMSIZ)
	Uplink string `json:"uplink,omitempty"` // existing interface to enslave
	VLAN   uint16 `json:"vlan,omitempty"`   // 802.1Q tag on the uplink; 0 = untagged
	MTU    int    `json:"mtu,omitempty"`    // 0 = leave
}

// Pool is a storage pool. Driver "dir" keeps qcow2 files in a directory of the host that its own
// configuration names (Kahuna never sends paths).
type Pool struct {
	ID     string `json:"id"`
	Driver string `json:"driver"` // "dir"
	Name   string `json:"name"`   // what the operator calls it: RBD pool or directory pool name
}

// ImageRef names a template image in a pool by the id of its template resource.
type ImageRef struct {
	Pool  string `json:"pool"`
	Image string `json:"image"`
}

// ImageImport fetches a disk image, checks it and makes it a template image.
type ImageImport struct {
	ImageRef
	Source   string `json:"source"`             // http, https, or file URL below a directory the host allows
	SHA256   string `json:"sha256,omitempty"`   // hex; of the file as served
	MaxBytes int64  `json:"maxBytes,omitempty"` // bound on the virtual size; 0 = the host's own bound
}

// Image is a template image as it stands in the pool.
type Image struct {
	ImageRef
	Size   int64  `json:"size"`   // virtual size, bytes
	SHA256 string `json:"sha256"` // hex; of the file as served
	Format string `json:"format"` // of the source: "raw" or "qcow2"
}

// VolumeRef names a disk in a pool by the id of its volume resource.
type VolumeRef struct {
	Pool   string `json:"pool"`
	Volume string `json:"volume"`
}

// VolumeCreate makes a disk: empty, or a copy-on-write clone of a template image. A Size below the
// image's is refused.
type VolumeCreate struct {
	VolumeRef
	Size  int64  `json:"size"`
	Image string `json:"image,omitempty"`
}

// VolumeResize grows a disk to Size bytes; a running machine sees it at once.
type VolumeResize struct {
	VolumeRef
	Size    int64  `json:"size"`
	Machine string `json:"machine,omitempty"` // id of the machine that uses it
}

// Volume is a disk as it stands in the pool.
type Volume struct {
	VolumeRef
	Size      int64 `json:"size"`
	Allocated int64 `json:"allocated"` // bytes really used on the host
}

// Seed is a NoCloud configuration disk (ISO 9660 with Rock Ridge, volume label cidata).
type Seed struct {
	VolumeRef            // the seed is kept under the machine's id
	UserData      string `json:"userData"`
	MetaData      string `json:"metaData"`
	NetworkConfig string `json:"networkConfig"`
}

// MachineRef names a virtual machine by the id of its instance resource. The libvirt domain's UUID
// is MachineUUID(Machine), so renaming the instance never touches it.
type MachineRef struct {
	Machine string `json:"machine"`
}

// Machine is the whole definition of a virtual machine.
type Machine struct {
	MachineRef
	Name    string     `json:"name"` // display name, for people who look at the host
	Project string     `json:"project,omitempty"`
	OS      string     `json:"os"` // "linux" or "windows"
	VCPUs   int64      `json:"vcpus"`
	Memory  int64      `json:"memory"` // bytes
	Disks   []Disk     `json:"disks"`  // in guest order: vda, vdb, ...
	Seed    *VolumeRef `json:"seed,omitempty"`
	NICs    []NIC      `json:"nics"`           // in guest order
	Run     bool       `json:"run"`            // should run: the agent starts it again when its host boots
	UEFI    bool       `json:"uefi,omitempty"` // start by UEFI where the host has such firmware; absent: by BIOS
}

// Disk is a disk of a machine.
type Disk struct {
	VolumeRef
}

// NIC is a network card of a machine. The machine sends under its MAC address and its addresses alone,
// but for what a Card of the host's desired state adds.
type NIC struct {
	Adapter   string   `json:"adapter"` // id of the adapter resource
	MAC       string   `json:"mac"`
	Bridge    string   `json:"bridge"`
	Addresses []string `json:"addresses,omitempty"` // IPv4 or IPv6, or prefixes of them; none: any
}

// Power is what to do with a machine.
type Power string

// The power actions. Start, Stop, Shutdown, Suspend and Resume are satisfied when the machine already
// is in that state. Shutdown asks the guest and, after Grace, forces; Stop forces at once.
const (
	PowerStart    Power = "start"
	PowerShutdown Power = "shutdown"
	PowerStop     Power = "stop"
	PowerReboot   Power = "reboot"
	PowerReset    Power = "reset"
	PowerSuspend  Power = "suspend"
	PowerResume   Power = "resume"
)

// MachinePower acts on a machine. Start, reboot and reset record that it should run, shutdown and stop
// that it should not, before they touch it.
type MachinePower struct {
	MachineRef
	Action Power `json:"action"`
	Grace  int64 `json:"graceMs,omitempty"` // shutdown and reboot: milliseconds before force
}

// MachineStatus is a machine as libvirt has it.
type MachineStatus struct {
	MachineRef
	State  string `json:"state"` // one of the State constants
	Reason string `json:"reason"`
	Run    bool   `json:"run"`
	Known  bool   `json:"known"`           // false: no such domain here
	Accel  string `json:"accel,omitempty"` // "kvm" or "tcg"
	// Firmware it is defined with, "uefi" or "bios"; empty where the agent cannot tell. Note says why that
	// is not what was asked for.
	Firmware string `json:"firmware,omitempty"`
	Note     string `json:"note,omitempty"`
}

// The firmwares of machines.
const (
	FirmwareBIOS = "bios"
	FirmwareUEFI = "uefi"
)

// The states of API v1's InstanceState.
const (
	StateNone      = "No State"
	StateRunning   = "Running"
	StateBlocked   = "Blocked"
	StatePaused    = "Paused"
	StateShutdown  = "Shutdown"
	StateShutoff   = "Shutoff"
	StateCrashed   = "Crashed"
	StateSuspended = "PM Suspended"
)

// MachineConsole asks for serial console output from byte Offset on; a negative Offset counts back
// from the end.
type MachineConsole struct {
	MachineRef
	Offset int64 `json:"offset"`
	Limit  int64 `json:"limit"` // bytes; at most 1 MiB
}

// MachineOutput is a piece of the serial console's log. Next is the offset to continue at.
type MachineOutput struct {
	Data []byte `json:"data"`
	Next int64  `json:"next"`
}

// MachineTicket lets one client see and use a machine's screen: nobody listens on the port before, and
// the port is closed once somebody has connected or the time is over. The password is the machine's
// until the next ticket.
type MachineTicket struct {
	Protocol string `json:"protocol"` // "vnc" (RFC 6143)
	Host     string `json:"host"`     // address of this Kaktus
	Port     int    `json:"port"`
	Password string `json:"password"` // at most 8 characters (RFC 6143 section 7.2.2)
	Expires  int64  `json:"expires"`  // seconds from now
}

// Inventory is everything a Kaktus has, for Kahuna to compare with what it should have.
type Inventory struct {
	Caps     Caps            `json:"caps"`
	Pools    []PoolStatus    `json:"pools"`
	Machines []MachineStatus `json:"machines"` // of Kowabunga only; foreign domains are counted
	Images   []Image         `json:"images"`
	Volumes  []Volume        `json:"volumes"`
	Seeds    []VolumeRef     `json:"seeds"`
	Shares   []ShareStatus   `json:"shares,omitempty"`
	Bridges  []string        `json:"bridges"`
	Foreign  int             `json:"foreign"` // domains that are not Kowabunga's
	// Cards are those of its machines, by machine, as they were defined last.
	Cards map[string][]NIC `json:"cards,omitempty"`
}

// Caps is what the host can offer.
type Caps struct {
	Arch    string `json:"arch"`
	Vendor  string `json:"vendor"`
	Model   string `json:"model"`
	Sockets int64  `json:"sockets"`
	Cores   int64  `json:"cores"`   // of the whole host
	Threads int64  `json:"threads"` // of the whole host
	Memory  int64  `json:"memory"`  // bytes
	Accel   string `json:"accel"`   // "kvm" or "tcg"
}

// PoolStatus is a storage pool as the host sees it, in bytes of use to tenants.
type PoolStatus struct {
	ID        string `json:"id"`
	Ready     bool   `json:"ready"`
	Problem   string `json:"problem,omitempty"`
	Capacity  int64  `json:"capacity"`
	Available int64  `json:"available"`
}

// Empty is the result of methods that return nothing.
type Empty struct{}
