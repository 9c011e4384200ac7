package compute

import (
	"strings"
	"sync"
	"testing"

	"kowabunga/core/agentproto"
)

// UEFI is what libvirt says it can choose, not what file names on the host look like.
func TestHostsFirmware(t *testing.T) {
	caps := func(enum string) string {
		return `<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain><machine>pc-q35-8.2</machine><arch>x86_64</arch>
<os supported='yes'>` + enum + `<loader supported='yes'><value>/usr/share/OVMF/OVMF_CODE_4M.fd</value><enum name='type'><value>rom</value><value>pflash</value></enum></loader></os></domainCapabilities>`
	}
	for text, want := range map[string]bool{
		caps(`<enum name='firmware'><value>efi</value></enum>`):                    true,
		caps(`<enum name='firmware'><value>bios</value><value>efi</value></enum>`): true,
		caps(`<enum name='firmware'/>`):                                            false,
		caps(`<enum name='firmware'><value>bios</value></enum>`):                   false,
		caps(``): false,
		`<domainCapabilities><path>x</path><domain>qemu</domain></domainCapabilities>`: false,
	} {
		if got, err := hasUEFI(text); err != nil || got != want {
			t.Errorf("%v, %v, want %v: %s", got, err, want, text)
		}
	}
	if _, err := hasUEFI("<domain"); err == nil {
		t.Error("what is no document was read")
	}
}

// Who does not ask for UEFI has a BIOS without libvirt being asked, as before there was the choice; and
// so has everybody on a host that is set to it, with a note why.
func TestWhoDoesNotAskHasBIOS(t *testing.T) {
	if arch() != "x86_64" {
		t.Skip("machines of other architectures have no BIOS")
	}
	h := &Host{cfg: Config{Firmware: FirmwareBIOS}}
	m := machine(1, 1)
	if yes, note, err := h.uefi(t.Context(), m); yes || note != "" || err != nil {
		t.Errorf("not asked for: %v %q %v", yes, note, err)
	}
	m.UEFI = true
	yes, note, err := h.uefi(t.Context(), m)
	if yes || !strings.Contains(note, "configuration") || err != nil {
		t.Errorf("refused by the host: %v %q %v", yes, note, err)
	}
	h.book = book{mu: &sync.Mutex{}, records: map[string]record{machineA: {Machine: m, Note: note}}}
	if st := h.status(machineA, 1, 1); st.Firmware != agentproto.FirmwareBIOS || st.Note != note {
		t.Errorf("the status says %q, %q", st.Firmware, st.Note)
	}
}
