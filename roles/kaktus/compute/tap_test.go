package compute

import (
	"strings"
	"testing"

	"kowabunga/core/agentproto"
)

// Rules go by the names of taps: each card has another, libvirt keeps it, and the kernel takes it.
func TestA21TapNames(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{machineA, "0123456789abcdef01234568", "ffffffffffffffffffffffff"} {
		for card := range maxNICs {
			name := Tap(id, card)
			if seen[name] || len(name) > 15 {
				t.Errorf("%s of card %d of %s", name, card, id)
			}
			seen[name] = true
			for _, libvirts := range []string{"vnet", "vif", "macvtap", "macvlan"} {
				if strings.HasPrefix(name, libvirts) {
					t.Errorf("libvirt does not keep %s", name)
				}
			}
		}
	}
}

// The cards are those of the machines that are recorded; a machine of an earlier release has none.
func TestA21CardsOfRecords(t *testing.T) {
	h, err := New(Config{Socket: "/nowhere", StateDir: t.TempDir(), ConsoleDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	older := machine(1, 1)
	older.Machine = "0123456789abcdef01234568"
	for _, r := range []record{{Machine: machine(1, 2), Taps: true}, {Machine: older}, {Machine: agentproto.Machine{MachineRef: agentproto.MachineRef{Machine: "ffffffffffffffffffffffff"}}}} {
		if err := h.book.put(r); err != nil {
			t.Fatal(err)
		}
	}
	cards, unnamed := h.Cards()
	if len(cards) != 2 || cards[0].Tap != Tap(machineA, 0) || cards[1].NIC.MAC != "DA:1E:70:00:00:01" || len(unnamed) != 1 || unnamed[0] != older.Machine {
		t.Errorf("%+v, %v", cards, unnamed)
	}
}
