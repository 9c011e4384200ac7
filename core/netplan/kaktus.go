// Package netplan computes whole desired states of agents from a view of everything. It is pure: the
// same view gives the same bytes, so comparing them tells whether an agent must be told.
package netplan

import (
	"slices"
	"strings"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
)

// Kaktus is what the host behind an agent must have: a bridge for every segment of its region, the storage
// pools the agent serves, and what cards of its machines may send besides their own addresses. ok is false for an agent that serves no host. It names nothing of any
// other region.
func Kaktus(v model.View, agent model.ID) (state agentproto.KaktusState, ok bool) {
	state = agentproto.KaktusState{Bridges: []agentproto.Bridge{}, Pools: []agentproto.Pool{}}
	var region model.ID
	for host := range model.By[*model.Kaktus](v, "agent", agent) {
		if zone, found := model.Find[*model.Zone](v, host.Zone); found {
			region, ok = zone.Region, true
			state.Cards = append(state.Cards, cards(v, host.ID)...)
		}
	}
	if !ok {
		return state, false
	}
	for n := range model.By[*model.VNet](v, "region", region) {
		state.Bridges = append(state.Bridges, agentproto.Bridge{Name: n.Interface, VLAN: uint16(n.VLAN)})
	}
	slices.SortFunc(state.Bridges, func(a, b agentproto.Bridge) int { return strings.Compare(a.Name, b.Name) })
	for p := range model.By[*model.Pool](v, "agent", agent) {
		if name, local := p.Directory(); local && p.Region == region {
			state.Pools = append(state.Pools, agentproto.Pool{ID: string(p.ID), Driver: "dir", Name: name})
		}
	}
	return state, true
}
