package behaviour

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

func init() {
	register(model.KindRecord, catalogue.Create, "", insert(createRecord))
	register(model.KindRecord, catalogue.Update, "", replace(checkRecord))
	register(model.KindRecord, catalogue.Delete, "", remove(nil))
}

// recordForm is a name below a domain: labels of RFC 1123 section 2.1, with underscores, which service
// names begin with (RFC 8552). The first label may be a wildcard (RFC 4592).
var recordForm = regexp.MustCompile(`^(\*|[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

// createRecord gives the record the domain of its owner.
func createRecord(d model.Draft, r *Request, o model.Object) error {
	rec := o.(*model.Record)
	if (rec.Project == "") == (rec.Region == "") {
		return fault.New(fault.Invalid, "a record is either a project's or a region's")
	}
	if p, ok := model.Find[*model.Project](d, rec.Project); ok {
		if rec.Domain = p.Domain; p.Domain == "" {
			return fault.Bad("domain", "project %q has no domain that a name could be in; set its domain first", p.Name)
		}
	}
	if region, ok := model.Find[*model.Region](d, rec.Region); ok {
		rec.Domain = region.Domain
	}
	return checkRecord(d, r, rec)
}

// checkRecord brings the addresses into canonical form, in the order they were given, and refuses names
// that somebody has: a record of the domain, which the store sees, or a machine.
func checkRecord(d model.Draft, _ *Request, o model.Object) error {
	rec := o.(*model.Record)
	if err := recordName(rec.Domain, rec.Name); err != nil {
		return err
	}
	if len(rec.Addresses) == 0 {
		return fault.Bad("addresses", "must list at least one address")
	}
	var addresses []string
	for _, text := range rec.Addresses {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return fault.Bad("addresses", "%q is no IP address", text)
		}
		canonical := a.Unmap().String()
		if slices.Contains(addresses, canonical) {
			return fault.Bad("addresses", "names %s twice", canonical)
		}
		addresses = append(addresses, canonical)
	}
	rec.Addresses = addresses
	return noMachine(d, rec)
}

// recordName checks the part of a name before its domain; "@" is the domain itself. Together they have at
// most 253 characters (RFC 1035 section 3.1, without the root's dot).
func recordName(domain, name string) error {
	switch {
	case name == wire.Apex:
		return nil
	case strings.HasSuffix(name, "."):
		return fault.Bad("name", "%q ends with a dot; write the part before .%s", name, domain)
	case !recordForm.MatchString(name):
		return fault.Bad("name", "%q cannot be a DNS name: labels of at most 63 letters, digits, dashes and underscores, joined by dots, the first of which may be *", name)
	case len(name)+1+len(domain) > 253:
		return fault.Bad("name", "%s.%s is longer than the 253 characters of a DNS name", name, domain)
	}
	return nil
}

// noMachine refuses a record whose name is that of a machine in its domain. A machine's name in the DNS is
// its guest's host name.
func noMachine(v model.View, rec *model.Record) error {
	for machine := range model.By[*model.Instance](v, "host", strings.ToLower(rec.Name)) {
		p, ok := model.Find[*model.Project](v, machine.Project)
		if ok && strings.EqualFold(p.Domain, rec.Domain) {
			// Whose machine that is may not be the caller's business.
			return &fault.Error{Code: fault.Conflict, Field: "name", Message: "a machine is called " + rec.Name + "." + rec.Domain + " already"}
		}
	}
	return nil
}

// noRecord refuses a machine whose name is that of a record in its project's domain.
func noRecord(v model.View, domain, name string) error {
	host := cloudinit.Hostname(name, "")
	if domain == "" || host == "" {
		return nil
	}
	if _, taken := model.One[*model.Record](v, "name", catalogue.RecordKey(domain, host)); taken {
		return &fault.Error{Code: fault.Conflict, Field: "name", Message: "there is a record " + host + "." + domain + " already"}
	}
	return nil
}

// machineName refuses names that no machine of the project could have.
func machineName(v model.View, project model.ID, name string) error {
	if err := hostname("name", name); err != nil {
		return err
	}
	p, ok := model.Find[*model.Project](v, project)
	if !ok {
		return fault.New(fault.NotFound, "there is no project %s", project)
	}
	return noRecord(v, p.Domain, name)
}

// moveRecords takes the records of a project or region whose domain changed along to the new one.
func moveRecords(d model.Draft, owner model.Kind, id model.ID, domain string) error {
	var moved []*model.Record // listed first: moving changes what is iterated over
	for rec := range model.By[*model.Record](d, string(owner), id) {
		if rec.Domain != domain {
			moved = append(moved, rec)
		}
	}
	for _, rec := range moved {
		if domain == "" {
			return fault.Bad("domain", "record %q is in it; delete the project's records first", rec.Name)
		}
		if err := recordName(domain, rec.Name); err != nil {
			return fault.Bad("domain", "record %q does not fit into it: %s", rec.Name, fault.From(err).Public())
		}
		rec = model.Edit(rec)
		rec.Domain = domain
		if err := noMachine(d, rec); err != nil {
			return fault.Wrap(err, fault.Conflict, "move record "+rec.Name)
		}
		if err := d.Put(rec); err != nil {
			return fault.Wrap(err, fault.Conflict, "move record "+rec.Name)
		}
	}
	return nil
}
