package kaktus

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/compute"
	"kowabunga/roles/kaktus/guard"
)

// senders is what the desired state says that cards may send besides their own addresses.
type senders struct {
	mu       sync.Mutex
	more     map[string]agentproto.Card // by adapter
	problems []string                   // last said
}

// allow takes over what a desired state says of cards.
func (k *kaktus) allow(cards []agentproto.Card) {
	k.senders.mu.Lock()
	defer k.senders.mu.Unlock()
	k.senders.more = map[string]agentproto.Card{}
	for _, c := range cards {
		k.senders.more[c.Adapter] = c
	}
}

// protect makes the rules by which machines send under their own addresses those of the machines there
// are. A host that cannot have them says so; its machines run all the same.
func (k *kaktus) protect() []string {
	k.senders.mu.Lock()
	defer k.senders.mu.Unlock()
	known, unnamed := k.host.Cards()
	var problems []string
	var cards []guard.Card
	for _, c := range known {
		card, err := sender(c, k.senders.more[c.NIC.Adapter])
		if err != nil {
			problems = append(problems, fmt.Sprintf("card %s of a machine: %s", c.Tap, fault.From(err).Public()))
		}
		cards = append(cards, card)
	}
	if err := k.guard.Apply(cards); err != nil {
		problems = append(problems, "machines are not kept from sending under the addresses of others: "+fault.From(err).Public())
	}
	if len(unnamed) > 0 {
		slices.Sort(unnamed)
		problems = append(problems, fmt.Sprintf("machines that an earlier release defined are not kept from sending under the addresses of others until their shape is changed: %s", strings.Join(unnamed, ", ")))
	}
	if !slices.Equal(problems, k.senders.problems) {
		if len(problems) > 0 {
			k.log.Warn("machines may send under the addresses of others", "problems", problems)
		} else {
			k.log.Info("machines send under their own addresses alone")
		}
		k.senders.problems = problems
	}
	return problems
}

// nobodys is the addresses of a card that may send under none.
var nobodys = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 32)}

// sender puts together what a card may send. What cannot be read is left out.
func sender(c compute.Card, more agentproto.Card) (guard.Card, error) {
	card := guard.Card{Tap: c.Tap, Router: more.Router}
	var failed error
	for _, text := range append([]string{c.NIC.MAC}, more.MACs...) {
		mac, err := net.ParseMAC(text)
		if err != nil || len(mac) != 6 {
			failed = fault.Bad("mac", "%.32q is no MAC address", text)
			continue
		}
		card.MACs = append(card.MACs, mac)
	}
	if len(c.NIC.Addresses) == 0 {
		return card, failed // any, so that more are no matter
	}
	for _, text := range slices.Concat(c.NIC.Addresses, more.Addresses) {
		p, err := compute.Prefix(text)
		if err != nil {
			failed = err
			continue
		}
		card.Addresses = append(card.Addresses, p)
	}
	if len(card.Addresses) == 0 {
		card.Addresses = nobodys // what cannot be read allows nothing
	}
	return card, failed
}
