package ipam

import (
	"fmt"
	"iter"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// CheckUpdate decides whether a stored subnet may become new. What is in use stays usable: the range and
// the segment are fixed, no machine's address may become the gateway or part of the gateway pool, and
// the pool keeps every gateway the owning project was given. A new reserved range may cover addresses in
// use; they stay with their machines and are not given out again.
//
// Faults: those of CheckSubnet; Invalid for a fixed field; Conflict, naming what is in the way.
func CheckUpdate(v model.View, old, new *model.Subnet) error {
	if new.CIDR != old.CIDR {
		return fault.Bad("cidr", "the range of a subnet is fixed at %s; create another subnet for %s", old.CIDR, new.CIDR)
	}
	if new.VNet != old.VNet {
		return fault.Bad("vnet", "a subnet stays on the vnet it was created on")
	}
	n, ok := model.Find[*model.VNet](v, old.VNet)
	if !ok {
		return fault.New(fault.NotFound, "there is no vnet %s", old.VNet)
	}
	if err := CheckSubnet(v, new, n); err != nil {
		return err
	}
	if new.Application != old.Application && old.Project != "" {
		return conflict("application", "subnet %q belongs to a project and must stay a %q subnet", old.Name, old.Application)
	}
	now, err := read(new)
	if err != nil {
		return err
	}
	before, err := read(old)
	if err != nil {
		// What was stored is unreadable, so nothing was ever given out from it.
		return nil
	}
	for used := range inUse(v, old, before) {
		a := used.address
		switch {
		case used.adapter == nil && !contains(now.pool, a):
			return conflict("gw_pool", "%s is the gateway of zone %s and must stay in the pool", address(a), used.zone)
		case used.adapter == nil && a == now.gateway:
			return conflict("gateway", "%s is the gateway of zone %s", address(a), used.zone)
		case used.adapter != nil && a == now.gateway && a != before.gateway:
			return conflict("gateway", "%s is in use by adapter %q", address(a), used.adapter.Name)
		case used.adapter != nil && contains(now.pool, a) && !contains(before.pool, a):
			return conflict("gw_pool", "%s is in use by adapter %q", address(a), used.adapter.Name)
		}
	}
	return nil
}

// usage is an address of a subnet that somebody has: an adapter, or a zone as its project's gateway.
type usage struct {
	address uint32
	adapter *model.Adapter
	zone    model.ID
}

// inUse yields the addresses of the subnet that adapters and the owning project's gateways hold, in no
// order and perhaps twice.
func inUse(v model.View, s *model.Subnet, l layout) iter.Seq[usage] {
	return func(yield func(usage) bool) {
		for adapter := range model.By[*model.Adapter](v, "subnet", s.ID) {
			for _, text := range adapter.Addresses {
				if a, err := parse("", text); err == nil && l.all.has(a) && !yield(usage{address: a, adapter: adapter}) {
					return
				}
			}
		}
		p, ok := model.Find[*model.Project](v, s.Project)
		if !ok {
			return
		}
		for _, g := range p.Gateways {
			if a, err := parse("", g.Address); err == nil && l.all.has(a) && !yield(usage{address: a, zone: g.Zone}) {
				return
			}
		}
	}
}

func conflict(field, format string, args ...any) error {
	return &fault.Error{Code: fault.Conflict, Field: field, Message: fmt.Sprintf(format, args...)}
}
