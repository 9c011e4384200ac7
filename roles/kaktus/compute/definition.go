package compute

import (
	"encoding/xml"
	"fmt"
	"net"
	"strings"
	"unicode"

	"libvirt.org/go/libvirtxml"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/block"
)

// Devices stand on the root bus, each kind in a range of its own and in the order they are declared.
// So a guest finds a card under the same name whatever else is added to the machine, and its first
// disk is the first declared: kernels count disks in the order of their places, which is why the
// configuration disk comes last. The slots below these are the chipset's and a display's, slot 0x1f
// is the chipset's again; a slot has 8 functions (PCI Local Bus 3.0, section 3.2.2.3).
const (
	slotScreen  = 0x01
	slotSerial  = 0x02 // guest agent channel
	slotRandom  = 0x03
	slotBalloon = 0x04
	slotInput   = 0x05 // where there are no keys and mouse of old
	slotDisks   = 0x06 // to 0x09, all functions
	slotNICs    = 0x0a // to 0x1d
	slotSeed    = 0x1e

	functions = 8
	maxDisks  = 26 // vda to vdz
	maxNICs   = 20

	// emulatedCode bounds the memory QEMU keeps translated code in, MiB; its own default takes up to
	// 1 GiB a guest.
	emulatedCode = 64
)

// The namespace of our element in a domain's metadata.
const namespace = "https://kowabunga.cloud/xmlns/machine/1"

// plan is everything a domain's definition is made of.
type plan struct {
	machine agentproto.Machine
	disks   []block.Location
	seed    *block.Location
	arch    string // of the host, as uname calls it
	accel   string // "kvm" or "tcg"
	console string // file that the serial console is logged to
	uefi    bool   // start by UEFI; machines of other architectures than x86_64 always do
	secret  string // password of the screen, expired
}

func checkMachine(m agentproto.Machine) error {
	if _, err := agentproto.MachineUUID(m.Machine); err != nil {
		return fault.Bad("machine", "%.64q is not 24 lower-case hex digits", m.Machine)
	}
	switch {
	case m.VCPUs < 1 || m.VCPUs > 4096:
		return fault.Bad("vcpus", "%d is not a number of processors", m.VCPUs)
	case m.Memory < 1<<20:
		return fault.Bad("memory", "%d bytes is too little", m.Memory)
	case m.OS != "" && m.OS != "linux" && m.OS != "windows":
		return fault.Bad("os", "%.32q is not known; linux and windows are", m.OS)
	case len(m.Disks) == 0:
		return fault.Bad("disks", "a machine needs a disk to start from")
	case len(m.Disks) > maxDisks:
		return fault.Bad("disks", "a machine has at most %d disks", maxDisks)
	case len(m.NICs) > maxNICs:
		return fault.Bad("nics", "a machine has at most %d network cards", maxNICs)
	}
	for i, nic := range m.NICs {
		mac, err := net.ParseMAC(nic.MAC)
		if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
			return fault.Bad(fmt.Sprintf("nics[%d].mac", i), "%.32q is not the MAC address of one card", nic.MAC)
		}
		if nic.Bridge == "" || len(nic.Bridge) > 15 {
			return fault.Bad(fmt.Sprintf("nics[%d].bridge", i), "%.32q is no bridge", nic.Bridge)
		}
		for j, text := range nic.Addresses {
			if _, err := Prefix(text); err != nil {
				return fault.Bad(fmt.Sprintf("nics[%d].addresses[%d]", i, j), "%.64q is neither an address nor a prefix", text)
			}
		}
	}
	return nil
}

// definition writes the domain as XML.
func (p plan) definition() (string, error) {
	m := p.machine
	uuid, err := agentproto.MachineUUID(m.Machine)
	if err != nil {
		return "", fault.Bad("machine", "%v", err)
	}
	d := libvirtxml.Domain{
		Type: "qemu", Name: domainName(m.Machine), UUID: uuid, Title: title(m.Name),
		Metadata: &libvirtxml.DomainMetadata{XML: metadata(m)},
		Memory:   &libvirtxml.DomainMemory{Value: uint((m.Memory + 1023) / 1024), Unit: "KiB"},
		VCPU:     &libvirtxml.DomainVCPU{Placement: "static", Value: uint(m.VCPUs)},
		CPU: &libvirtxml.DomainCPU{Mode: "maximum", Check: "none",
			Topology: &libvirtxml.DomainCPUTopology{Sockets: 1, Cores: int(m.VCPUs), Threads: 1}},
		OS:       p.boot(),
		Features: &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{}},
		Clock:    &libvirtxml.DomainClock{Offset: "utc", Timer: []libvirtxml.DomainTimer{{Name: "rtc", TickPolicy: "catchup"}}},
		PM: &libvirtxml.DomainPM{
			SuspendToMem:  &libvirtxml.DomainPMPolicy{Enabled: "no"},
			SuspendToDisk: &libvirtxml.DomainPMPolicy{Enabled: "no"},
		},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "destroy",
		Devices: p.devices(),
	}
	if p.accel == "kvm" {
		d.Type = "kvm"
		d.CPU.Mode, d.CPU.Migratable = "host-passthrough", "on"
	} else {
		d.Features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: emulatedCode}}
	}
	if m.OS == "windows" {
		d.Clock.Offset = "localtime"
	}
	text, err := d.Marshal()
	return text, fault.Wrap(err, fault.Internal, "write the machine's definition")
}

func (p plan) boot() *libvirtxml.DomainOS {
	kind := &libvirtxml.DomainOSType{Arch: p.arch, Type: "hvm", Machine: "q35"}
	if p.arch == "x86_64" && !p.uefi {
		return &libvirtxml.DomainOS{Type: kind}
	}
	if p.arch == "x86_64" {
		// Without secure boot: images may have loaders and kernels that nobody signed.
		return &libvirtxml.DomainOS{Type: kind, Firmware: "efi", FirmwareInfo: &libvirtxml.DomainOSFirmwareInfo{
			Features: []libvirtxml.DomainOSFirmwareFeature{{Enabled: "no", Name: "secure-boot"}}}}
	}
	kind.Machine = "virt" // has no BIOS
	return &libvirtxml.DomainOS{Type: kind, Firmware: "efi"}
}

func (p plan) devices() *libvirtxml.DomainDeviceList {
	m := p.machine
	zero := uint(0)
	d := &libvirtxml.DomainDeviceList{
		Controllers: []libvirtxml.DomainController{
			{Type: "usb", Index: &zero, Model: "none"},
			{Type: "virtio-serial", Index: &zero, Address: pci(slotSerial, 0)},
		},
		Channels: []libvirtxml.DomainChannel{{
			Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind"}},
			Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: "org.qemu.guest_agent.0"}},
		}},
		Serials: []libvirtxml.DomainSerial{{
			Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
			Target: &libvirtxml.DomainSerialTarget{Port: &zero},
			Log:    &libvirtxml.DomainChardevLog{File: p.console, Append: "on"},
		}},
		RNGs: []libvirtxml.DomainRNG{{
			Model: "virtio", Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
			Address: pci(slotRandom, 0),
		}},
		MemBalloon: &libvirtxml.DomainMemBalloon{Model: "virtio", FreePageReporting: "on", Address: pci(slotBalloon, 0)},
	}
	for i, where := range p.disks {
		disk := disk(where, "vd"+string(rune('a'+i)), "virtio")
		// A virtio serial holds 20 bytes (VIRTIO_BLK_ID_BYTES).
		disk.Serial = m.Disks[i].Volume[:20]
		disk.Driver.Discard = "unmap"
		disk.Address = pci(slotDisks+i/functions, i%functions)
		if i%functions == 0 {
			disk.Address.PCI.MultiFunction = "on"
		}
		if i == 0 {
			disk.Boot = &libvirtxml.DomainDeviceBoot{Order: 1}
		}
		d.Disks = append(d.Disks, disk)
	}
	if p.seed != nil {
		d.Disks = append(d.Disks, p.seedDisk())
	}
	for i, nic := range m.NICs {
		d.Interfaces = append(d.Interfaces, libvirtxml.DomainInterface{
			MAC:     &libvirtxml.DomainInterfaceMAC{Address: strings.ToLower(nic.MAC)},
			Source:  &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: nic.Bridge}},
			Target:  &libvirtxml.DomainInterfaceTarget{Dev: Tap(m.Machine, i)},
			Model:   &libvirtxml.DomainInterfaceModel{Type: "virtio"},
			Address: pci(slotNICs+i, 0),
		})
	}
	d.Graphics = screen(p.secret)
	d.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "vga"}, Address: pci(slotScreen, 0)}}
	if p.arch != "x86_64" {
		d.Videos[0].Model.Type = "virtio"
		d.Inputs = []libvirtxml.DomainInput{{Type: "keyboard", Bus: "virtio", Address: pci(slotInput, 0)}, {Type: "tablet", Bus: "virtio", Address: pci(slotInput, 1)}}
		d.Inputs[0].Address.PCI.MultiFunction = "on"
	}
	return d
}

// seedDisk attaches the configuration disk. Guests find it by its label on any device; small kernels
// know virtio only, Windows before its drivers knows a SATA drive only.
func (p plan) seedDisk() libvirtxml.DomainDisk {
	if p.machine.OS == "windows" {
		d := disk(*p.seed, "sda", "sata")
		d.Device, d.Serial, d.ReadOnly = "cdrom", "cloudinit", &libvirtxml.DomainDiskReadOnly{}
		return d
	}
	d := disk(*p.seed, "vdaa", "virtio") // after vdz
	d.Serial, d.ReadOnly, d.Address = "cloudinit", &libvirtxml.DomainDiskReadOnly{}, pci(slotSeed, 0)
	return d
}

func disk(where block.Location, dev, bus string) libvirtxml.DomainDisk {
	d := libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: where.Format},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: where.Path}},
		Target: &libvirtxml.DomainDiskTarget{Dev: dev, Bus: bus},
	}
	if where.Direct {
		// The guest has a cache of its own; the host's memory is for guests.
		d.Driver.Cache, d.Driver.IO = "none", "native"
	}
	return d
}

// pci is a place on the root bus.
func pci(slot, function int) *libvirtxml.DomainAddress {
	zero, s, f := uint(0), uint(slot), uint(function)
	return &libvirtxml.DomainAddress{PCI: &libvirtxml.DomainAddressPCI{Domain: &zero, Bus: &zero, Slot: &s, Function: &f}}
}

// title shows the display name to people who look at the host; libvirt wants it on one line.
func title(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, name)
}

func metadata(m agentproto.Machine) string {
	var b strings.Builder
	b.WriteString(`<kowabunga:machine xmlns:kowabunga="` + namespace + `">`)
	for _, e := range []struct{ name, value string }{{"id", m.Machine}, {"name", m.Name}, {"project", m.Project}} {
		if e.value == "" {
			continue
		}
		b.WriteString("<kowabunga:" + e.name + ">")
		xml.EscapeText(&b, []byte(e.value)) // a strings.Builder does not fail
		b.WriteString("</kowabunga:" + e.name + ">")
	}
	b.WriteString("</kowabunga:machine>")
	return b.String()
}
