package compute

import (
	"fmt"
	"net/netip"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Tap is the interface of the host behind a card of a machine, counted from 0. libvirt keeps a name of
// ours unless it begins like those it makes itself: vnet, vif, macvtap, macvlan. Twelve digits of the
// machine's id and one for the card fill the 15 bytes of an interface's name (IFNAMSIZ); the end of an
// id is what differs between those made together.
func Tap(machine string, card int) string {
	return fmt.Sprintf("kw%s%c", machine[len(machine)-12:], "0123456789abcdefghij"[card])
}

// Card is a card of a machine of this host, and the interface behind it.
type Card struct {
	Tap string
	NIC agentproto.NIC
}

// Cards are those of all machines that are recorded here, whether they run or not. Machines that were
// defined before taps had names of their own have none; their ids are returned too.
func (h *Host) Cards() (cards []Card, unnamed []string) {
	for id, r := range h.book.all() {
		if !r.Taps {
			if len(r.Machine.NICs) > 0 {
				unnamed = append(unnamed, id)
			}
			continue
		}
		for i, nic := range r.Machine.NICs {
			cards = append(cards, Card{Tap: Tap(id, i), NIC: nic})
		}
	}
	return cards, unnamed
}

// Prefix reads what a card may send under: an address or a prefix of addresses.
func Prefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return p, fault.Bad("addresses", "%.64q is neither an address nor a prefix such as 10.0.0.0/24", text)
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}
