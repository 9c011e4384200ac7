package netplan

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"kowabunga/core/cloudinit"
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// names are the names of a project in a region, or of the region itself.
type names struct {
	zone     string // empty when there is no domain
	records  []wire.Record
	lines    wire.Part // of all records
	problems []string
}

func (p *Plan) namesOf(at place) *names {
	if made, ok := p.names[at]; ok {
		return made
	}
	made := planNames(p.view, at)
	made.lines = wire.Lines(made.records)
	p.names[at] = made
	return made
}

// planNames lists what has a name. What somebody wrote down goes before what a machine is called, and the
// older before the newer.
func planNames(v model.View, at place) *names {
	made := new(names)
	taken := map[string]bool{}
	if at.project == "" {
		region, ok := model.Find[*model.Region](v, at.region)
		if !ok {
			return made
		}
		made.zone = zoneName(region.Domain)
		for r := range model.By[*model.Record](v, "region", at.region) {
			made.written(r, taken, nil)
		}
		return made
	}
	project, ok := model.Find[*model.Project](v, at.project)
	if !ok {
		return made
	}
	made.zone = zoneName(project.Domain)
	if made.zone == "" {
		return made
	}
	away := elsewhere(v, project, at.region)
	for r := range model.By[*model.Record](v, "project", at.project) {
		made.written(r, taken, away)
	}
	for o := range model.By[*model.Instance](v, "project", at.project) {
		if z, ok := model.Find[*model.Zone](v, o.Zone); ok && z.Region == at.region {
			if addresses := privateAddresses(v, o, at.region); len(addresses) > 0 {
				made.add(wire.Record{Name: cloudinit.Hostname(o.Name, string(o.ID)), Addresses: addresses, Reverse: true, Owner: string(o.ID)}, taken)
			}
		}
	}
	return made
}

// elsewhere tells whether an address is one of a subnet of the project's other regions and of none here:
// what is there is not told here.
func elsewhere(v model.View, project *model.Project, region model.ID) func(netip.Addr) bool {
	var here, there []netip.Prefix
	if len(project.Regions) > 1 {
		for _, r := range project.Regions {
			for n := range model.By[*model.VNet](v, "region", r) {
				for s := range model.By[*model.Subnet](v, "vnet", n.ID) {
					if p, err := netip.ParsePrefix(s.CIDR); err == nil && r == region {
						here = append(here, p)
					} else if err == nil {
						there = append(there, p)
					}
				}
			}
		}
	}
	return func(a netip.Addr) bool {
		in := func(p netip.Prefix) bool { return p.Contains(a) }
		return slices.ContainsFunc(there, in) && !slices.ContainsFunc(here, in)
	}
}

// written adds a record that somebody made, with its addresses that are not away.
func (made *names) written(r *model.Record, taken map[string]bool, away func(netip.Addr) bool) {
	if made.zone == "" {
		return
	}
	var addresses []string
	left := false
	for _, text := range r.Addresses {
		if a, err := netip.ParseAddr(text); err == nil {
			if away != nil && away(a) {
				left = true
				continue
			}
			addresses = append(addresses, a.String())
		}
	}
	if len(addresses) == 0 && left {
		return
	}
	made.add(wire.Record{Name: strings.TrimSuffix(strings.ToLower(r.Name), "."), Addresses: addresses, Owner: string(r.ID)}, taken)
}

func (made *names) add(r wire.Record, taken map[string]bool) {
	switch {
	case r.Name != wire.Apex && !domainForm.MatchString(r.Name) || len(r.Name)+1+len(made.zone) > 253:
		made.problem("%s has a name that DNS cannot have: %.80q", r.Owner, r.Name)
	case len(r.Addresses) == 0:
		made.problem("name %s of %s has no address", r.Name, r.Owner)
	case taken[r.Name]:
		made.problem("name %s of %s is in use in %s already", r.Name, r.Owner, made.zone)
	default:
		taken[r.Name] = true
		r.Zone = made.zone
		made.records = append(made.records, r)
	}
}

func (made *names) problem(format string, args ...any) {
	made.problems = append(made.problems, fmt.Sprintf(format, args...))
}

// domainForm is names in lower case with labels of at most 63 bytes (RFC 1035 section 2.3.4).
var domainForm = regexp.MustCompile(`^[a-z0-9_*-]{1,63}(\.[a-z0-9_*-]{1,63})*$`)

// zoneName is a domain as DNS compares it; empty when it is none.
func zoneName(domain string) string {
	name := strings.TrimSuffix(strings.ToLower(domain), ".")
	if len(name) > 253 || !domainForm.MatchString(name) {
		return ""
	}
	return name
}

// privateAddresses are the IPv4 addresses of a machine on the private segments of a region.
func privateAddresses(v model.View, o *model.Instance, region model.ID) []string {
	var out []string
	for _, id := range o.Adapters {
		a, ok := model.Find[*model.Adapter](v, id)
		if !ok || len(a.Addresses) == 0 {
			continue
		}
		s, ok := model.Find[*model.Subnet](v, a.Subnet)
		if !ok {
			continue
		}
		if n, ok := model.Find[*model.VNet](v, s.VNet); ok && n.Private && n.Region == region {
			for _, text := range a.Addresses {
				if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
					out = append(out, text)
				}
			}
		}
	}
	return out
}

// lookup finds what a host name means to the machines of a project: a name in its domain, whole or
// without the domain.
func (made *names) lookup(host string) []string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	short := strings.TrimSuffix(host, "."+made.zone)
	for i := range made.records {
		if r := &made.records[i]; r.Name == short {
			return r.Addresses
		}
	}
	return nil
}
