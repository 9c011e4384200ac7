package ipam

import (
	"fmt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// CheckAddresses decides whether the adapter, which may not exist yet, may have exactly these addresses:
// each is canonical IPv4, inside the subnet, kept for nothing else, held by nobody else and named once.
// An address the adapter already holds stays allowed when a range was reserved around it later.
//
// Faults: Invalid with field addresses[i]; Conflict for an address in use.
func CheckAddresses(v model.View, s *model.Subnet, adapter model.ID, addresses []string) error {
	l, err := read(s)
	if err != nil {
		return err
	}
	own := map[string]bool{}
	if old, ok := model.Find[*model.Adapter](v, adapter); ok && old.Subnet == s.ID {
		for _, text := range old.Addresses {
			own[text] = true
		}
	}
	gateways := map[string]bool{}
	if p, ok := model.Find[*model.Project](v, s.Project); ok {
		for _, g := range p.Gateways {
			gateways[g.Address] = true
		}
	}
	seen := make(map[uint32]int, len(addresses))
	for i, text := range addresses {
		field := fmt.Sprintf("addresses[%d]", i)
		a, err := parse(field, text)
		if err != nil {
			return err
		}
		if !l.all.has(a) {
			return fault.Bad(field, "%s is outside %s of subnet %q", text, s.CIDR, s.Name)
		}
		if first, twice := seen[a]; twice {
			return fault.Bad(field, "%s is already addresses[%d]; name each address once", text, first)
		}
		seen[a] = i
		if own[text] {
			continue
		}
		if why := l.why(a); why != "" {
			return fault.Bad(field, "%s is %s of subnet %q; choose another address", text, why, s.Name)
		}
		if gateways[text] {
			return conflict(field, "%s is the gateway of a zone in subnet %q; choose another address", text, s.Name)
		}
		holder, taken := model.One[*model.Adapter](v, "address", string(s.ID)+"|"+text)
		if taken && holder.ID != adapter {
			return conflict(field, "%s is in use by adapter %q; choose another address", text, holder.Name)
		}
	}
	return nil
}
