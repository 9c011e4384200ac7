package compute

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"
	"pgregory.net/rapid"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/block"
	"kowabunga/testdata/chance"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	machineA = "0123456789abcdef01234567"
	poolA    = "aaaaaaaaaaaaaaaaaaaaaaaa"
)

func volumeID(i int) string { return fmt.Sprintf("cccccccccccccccccccc%04x", i) }

func machine(disks, nics int) agentproto.Machine {
	m := agentproto.Machine{
		MachineRef: agentproto.MachineRef{Machine: machineA}, Name: "web-1", Project: "dddddddddddddddddddddddd", OS: "linux",
		VCPUs: 2, Memory: 512 << 20, Seed: &agentproto.VolumeRef{Pool: poolA, Volume: machineA},
	}
	for i := range disks {
		m.Disks = append(m.Disks, agentproto.Disk{VolumeRef: agentproto.VolumeRef{Pool: poolA, Volume: volumeID(i)}})
	}
	for i := range nics {
		m.NICs = append(m.NICs, agentproto.NIC{Adapter: volumeID(i), MAC: fmt.Sprintf("DA:1E:70:00:00:%02X", i), Bridge: "kb0"})
	}
	return m
}

func planOf(m agentproto.Machine) plan {
	p := plan{machine: m, arch: "x86_64", accel: AccelKVM, console: "/var/log/kowabunga/kb-" + m.Machine + ".log", secret: "ABCDEFGH"}
	for _, d := range m.Disks {
		p.disks = append(p.disks, block.Location{Path: "/pool/volumes/" + d.Volume + ".qcow2", Format: "qcow2", Direct: true})
	}
	if m.Seed != nil {
		p.seed = &block.Location{Path: "/pool/seeds/" + m.Seed.Volume + ".iso", Format: "raw"}
	}
	return p
}

func TestDefinitionGolden(t *testing.T) {
	windows, emulated, arm, uefi := planOf(machine(1, 1)), planOf(machine(1, 1)), planOf(machine(1, 1)), planOf(machine(1, 1))
	uefi.uefi = true
	windows.machine.OS, emulated.accel, arm.arch = "windows", AccelTCG, "aarch64"
	for name, p := range map[string]plan{"linux": planOf(machine(2, 2)), "windows": windows, "emulated": emulated, "arm": arm, "uefi": uefi} {
		got, err := p.definition()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".xml")
		if *update {
			if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got+"\n" != string(want) {
			t.Errorf("%s differs:\n%s", path, got)
		}
	}
}

// W-KAK-8: no machine's screen listens on a network, and none lets anybody in before there is a ticket.
func TestWKAK8NoListeningConsole(t *testing.T) {
	for _, os := range []string{"linux", "windows"} {
		m := machine(1, 1)
		m.OS = os
		text, err := planOf(m).definition()
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"spice", "tcp", "port=\"5", "0.0.0.0", "autoport", `type="address"`} {
			if strings.Contains(text, word) {
				t.Errorf("%s: the definition has %q:\n%s", os, word, text)
			}
		}
		var d libvirtxml.Domain
		if err := d.Unmarshal(text); err != nil || len(d.Devices.Graphics) != 1 {
			t.Fatalf("%v: %d screens", err, len(d.Devices.Graphics))
		}
		g := d.Devices.Graphics[0].VNC
		if g == nil || g.Passwd == "" || g.PasswdValidTo != "1970-01-01T00:00:01" || len(g.Listeners) != 1 || g.Listeners[0].Socket == nil {
			t.Errorf("%s: %+v", os, g)
		}
	}
}

// W-KAK-26: two machines of the same name are two machines.
func TestWKAK26SameNameIsNoConflict(t *testing.T) {
	var seen [2]libvirtxml.Domain
	for i, id := range []string{machineA, "abcdef0123456789abcdef01"} {
		m := machine(1, 1)
		m.Machine = id
		text, err := planOf(m).definition()
		if err != nil {
			t.Fatal(err)
		}
		if err := seen[i].Unmarshal(text); err != nil {
			t.Fatal(err)
		}
	}
	if seen[0].Title != seen[1].Title || seen[0].Name == seen[1].Name || seen[0].UUID == seen[1].UUID {
		t.Errorf("%s %s and %s %s", seen[0].Name, seen[0].UUID, seen[1].Name, seen[1].UUID)
	}
}

// A device keeps its place when others come after it, and no two share one.
func TestDevicesKeepTheirPlaces(t *testing.T) {
	places := func(disks, nics int) []string {
		text, err := planOf(machine(disks, nics)).definition()
		if err != nil {
			t.Fatal(err)
		}
		var d libvirtxml.Domain
		if err := d.Unmarshal(text); err != nil {
			t.Fatal(err)
		}
		at := func(a *libvirtxml.DomainAddress) string { return fmt.Sprintf("%x.%x", *a.PCI.Slot, *a.PCI.Function) }
		var all []string
		for _, x := range d.Devices.Disks {
			all = append(all, x.Target.Dev+"@"+at(x.Address))
		}
		for i, x := range d.Devices.Interfaces {
			all = append(all, fmt.Sprintf("nic%d@%s", i, at(x.Address)))
		}
		return append(all, "serial@"+at(d.Devices.Controllers[1].Address), "rng@"+at(d.Devices.RNGs[0].Address), "balloon@"+at(d.Devices.MemBalloon.Address))
	}
	most := places(maxDisks, maxNICs)
	used := map[string]string{}
	disks := []string{}
	for _, place := range most {
		name, at, _ := strings.Cut(place, "@")
		if other := used[at]; other != "" {
			t.Errorf("%s and %s are both at %s", name, other, at)
		}
		used[at] = name
		if strings.HasPrefix(name, "vd") {
			disks = append(disks, fmt.Sprintf("%05s", at))
		}
	}
	if !slices.IsSorted(disks) {
		t.Errorf("guests count disks by place: %v", disks)
	}
	for _, n := range []int{1, 3, 11, 15} {
		for _, place := range places(n, n) {
			if name, at, _ := strings.Cut(place, "@"); used[at] != name {
				t.Errorf("%s moved to %s with %d devices", name, at, n)
			}
		}
	}
}

// Whatever a name holds, the definition is well-formed and carries the name as data only.
func TestNamesAreData(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		m := machine(1, 1)
		m.Name = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"</title><devices/>", "]]>", "a\nb", "\x00", "&lt;", "<!--"})).Draw(t, "name")
		text, err := planOf(m).definition()
		if err != nil {
			t.Fatal(err)
		}
		var d libvirtxml.Domain
		if err := d.Unmarshal(text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(d.Devices.Disks) != 2 || strings.ContainsAny(d.Title, "\n\r") || d.Name != "kb-"+machineA {
			t.Fatalf("the name changed the machine:\n%s", text)
		}
		var meta struct {
			Machine struct {
				ID      string `xml:"id"`
				Project string `xml:"project"`
			} `xml:"machine"`
		}
		if err := xml.Unmarshal([]byte("<m>"+d.Metadata.XML+"</m>"), &meta); err != nil || meta.Machine.ID != machineA || meta.Machine.Project != m.Project {
			t.Fatalf("metadata %q: %+v, %v", d.Metadata.XML, meta, err)
		}
	})
}

func TestImpossibleMachinesAreRefused(t *testing.T) {
	cases := map[string]func(*agentproto.Machine){
		"machine":              func(m *agentproto.Machine) { m.Machine = "../x" },
		"vcpus":                func(m *agentproto.Machine) { m.VCPUs = 0 },
		"memory":               func(m *agentproto.Machine) { m.Memory = 1000 },
		"os":                   func(m *agentproto.Machine) { m.OS = "plan9" },
		"disks":                func(m *agentproto.Machine) { m.Disks = nil },
		"nics[0].mac":          func(m *agentproto.Machine) { m.NICs[0].MAC = "ff:ff:ff:ff:ff:ff" },
		"nics[0].bridge":       func(m *agentproto.Machine) { m.NICs[0].Bridge = "" },
		"nics[0].addresses[0]": func(m *agentproto.Machine) { m.NICs[0].Addresses = []string{"10.0.0.0/33"} },
		"nics":                 func(m *agentproto.Machine) { m.NICs = make([]agentproto.NIC, maxNICs+1) },
	}
	for field, spoil := range cases {
		m := machine(1, 1)
		spoil(&m)
		if f := fault.From(checkMachine(m)); f == nil || f.Code != fault.Invalid || f.Field != field {
			t.Errorf("%s: got %v", field, f)
		}
	}
	if err := checkMachine(machine(maxDisks, maxNICs)); err != nil {
		t.Error(err)
	}
}
