package compute

import (
	"context"
	"slices"

	"github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Choices of the configuration.
const (
	FirmwareAuto = "auto" // UEFI for machines that ask for it, where libvirt has such firmware
	FirmwareBIOS = "bios" // BIOS for all
)

// Why a machine that asked for UEFI has a BIOS.
const (
	noteChosen  = "starts by BIOS: this host's configuration says so"
	noteMissing = "starts by BIOS: this host has no UEFI firmware; install the package ovmf, then change or define the machine again"
)

// uefi tells whether a machine shall start by UEFI, and why not where it asked for it.
func (h *Host) uefi(ctx context.Context, m agentproto.Machine) (yes bool, note string, err error) {
	switch {
	case !m.UEFI || arch() != "x86_64":
		return false, "", nil
	case h.cfg.Firmware == FirmwareBIOS:
		return false, noteChosen, nil
	}
	// Asked each time, for firmware may be installed while the agent runs.
	var text string
	err = h.conn.do(ctx, "ask for firmware", func(lv *libvirt.Libvirt) (err error) {
		kind := "qemu"
		if h.cfg.Accel.Kind == AccelKVM {
			kind = "kvm"
		}
		text, err = lv.ConnectGetDomainCapabilities(nil, libvirt.OptString{arch()}, libvirt.OptString{"q35"}, libvirt.OptString{kind}, 0)
		return err
	})
	if err != nil {
		return false, "", err
	}
	if yes, err = hasUEFI(text); err != nil || yes {
		return yes, "", err
	}
	return false, noteMissing, nil
}

// hasUEFI reads libvirt's domain capabilities: firmware it chooses by itself from the descriptions that
// packages install (docs/interop/firmware.json of QEMU).
func hasUEFI(capabilities string) (bool, error) {
	var caps libvirtxml.DomainCaps
	if err := caps.Unmarshal(capabilities); err != nil {
		return false, fault.Wrap(err, fault.Internal, "read libvirt's domain capabilities")
	}
	if caps.OS == nil {
		return false, nil
	}
	return slices.ContainsFunc(caps.OS.Enums, func(e libvirtxml.DomainCapsEnum) bool {
		return e.Name == "firmware" && slices.Contains(e.Values, "efi")
	}), nil
}

// firmware is what a record's machine is defined with.
func (r record) firmware() string {
	if r.UEFI || arch() != "x86_64" {
		return agentproto.FirmwareUEFI
	}
	return agentproto.FirmwareBIOS
}
