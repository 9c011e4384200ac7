package holding

import (
	"maps"
	"net/netip"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
)

// Found keeps what an agent's machines use, and no record names, from being handed out after records were
// lost: the addresses and MAC addresses of their cards become adapters of nobody, which a person deletes
// once he knows better. Found again it changes nothing.
func Found(d model.Draft, draw *model.Draw, agent model.ID, cards map[string][]agentproto.NIC) error {
	for _, machine := range slices.Sorted(maps.Keys(cards)) {
		for _, nic := range cards[machine] {
			mac, err := ipam.CanonicalMAC(nic.MAC)
			if err != nil {
				continue // nobody could be given it
			}
			a := found(d, agent, mac, nic)
			if a == nil {
				continue
			}
			if _, taken := d.Get(model.KindAdapter, a.ID); taken || !a.ID.Valid() {
				a.ID = draw.ID()
			}
			a.Name = "found-" + string(a.ID)
			a.Description = "a card of machine " + machine + ", which agent " + string(agent) + " has and no record names"
			if err := d.Put(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// found is the adapter that keeps a card of a machine, nil when all of it is on record.
func found(v model.View, agent model.ID, mac string, nic agentproto.NIC) *model.Adapter {
	a := &model.Adapter{Meta: model.Meta{ID: model.ID(nic.Adapter)}, MAC: mac, Reserved: true}
	for s := range subnetsOf(v, agent, nic.Bridge) {
		if a.Subnet == "" {
			a.Subnet = s.ID
		}
		within, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			continue
		}
		for _, text := range nic.Addresses {
			address, err := netip.ParseAddr(text)
			if err != nil || !within.Contains(address) || len(a.Addresses) > 0 && a.Subnet != s.ID {
				continue
			}
			if _, taken := model.One[*model.Adapter](v, "address", string(s.ID)+"|"+address.String()); !taken {
				a.Subnet, a.Addresses = s.ID, append(a.Addresses, address.String())
			}
		}
	}
	for range model.By[*model.Adapter](v, "card", mac) {
		if len(a.Addresses) == 0 {
			return nil
		}
		break
	}
	if a.Subnet == "" {
		return nil // no segment that addresses could be handed out on
	}
	return a
}

// subnetsOf yields the subnets on a bridge of the hosts of an agent.
func subnetsOf(v model.View, agent model.ID, bridge string) func(func(*model.Subnet) bool) {
	return func(yield func(*model.Subnet) bool) {
		for host := range model.By[*model.Kaktus](v, "agent", agent) {
			zone, ok := model.Find[*model.Zone](v, host.Zone)
			if !ok {
				continue
			}
			for n := range model.By[*model.VNet](v, "region", zone.Region) {
				if n.Interface != bridge {
					continue
				}
				for s := range model.By[*model.Subnet](v, "vnet", n.ID) {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}
