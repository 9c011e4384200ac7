package ipam

import "kowabunga/core/model"

// Leasable returns the ranges of a subnet that machines may have addresses of, in order: everything but
// the network and broadcast addresses, the gateway, the reserved ranges and the gateway pool. Whether an
// adapter has an address already is not asked. Faults: Invalid for a subnet that cannot be read.
func Leasable(s *model.Subnet) ([]model.IPRange, error) {
	l, err := read(s)
	if err != nil {
		return nil, err
	}
	var out []model.IPRange
	for _, free := range gaps(l.all, l.forbidden()) {
		out = append(out, model.IPRange{First: address(free.first).String(), Last: address(free.last).String()})
	}
	return out, nil
}
