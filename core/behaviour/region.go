package behaviour

import (
	"regexp"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func init() {
	register(model.KindRegion, catalogue.Create, "", insert(checkRegion))
	register(model.KindRegion, catalogue.Update, "", replace(changeRegion))
	register(model.KindRegion, catalogue.Delete, "", remove(nil))
	register(model.KindPool, catalogue.Action, "default", setDefaultPool)
}

func checkRegion(_ model.Draft, _ *Request, o model.Object) error {
	return checkDomain("domain", o.(*model.Region).Domain)
}

// changeRegion takes the region's records along when its domain changes.
func changeRegion(d model.Draft, r *Request, o model.Object) error {
	if err := checkRegion(d, r, o); err != nil {
		return err
	}
	region := o.(*model.Region)
	return moveRecords(d, model.KindRegion, region.ID, region.Domain)
}

// domainForm is the preferred name syntax of RFC 1034 section 3.5 with digits allowed first (RFC 1123
// section 2.1).
var domainForm = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func checkDomain(field, domain string) error {
	if domain != "" && (len(domain) > 253 || !domainForm.MatchString(domain)) {
		return fault.Bad(field, "%q is no DNS domain", domain)
	}
	return nil
}

// setDefaultPool makes a pool the one that disks of its region go to when nothing else is said.
func setDefaultPool(d model.Draft, r *Request) (Outcome, error) {
	pool := r.Target.(*model.Pool)
	region, ok := model.Find[*model.Region](d, r.Path["regionId"])
	if !ok || pool.Region != region.ID {
		return Outcome{}, fault.New(fault.NotFound, "region %s has no pool %s", r.Path["regionId"], pool.ID)
	}
	region = model.Edit(region)
	region.DefaultPool = pool.ID
	return Outcome{}, d.Put(region)
}
