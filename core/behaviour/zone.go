package behaviour

import (
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

func init() {
	register(model.KindZone, catalogue.Create, "", createZone)
	register(model.KindZone, catalogue.Update, "", replace(nil))
	register(model.KindZone, catalogue.Delete, "", remove(freeGateways))
}

// createZone also gives every project of the region a gateway address in the new zone, and every Kawaii a
// pair of virtual addresses. Where a project's pool is used up the zone is created all the same; its
// machines there use the subnet's own gateway.
func createZone(d model.Draft, r *Request) (Outcome, error) {
	zone := begin(r).(*model.Zone)
	if err := d.Put(zone); err != nil {
		return Outcome{}, err
	}
	for n := range model.By[*model.VNet](d, "region", zone.Region) {
		for s := range model.By[*model.Subnet](d, "vnet", n.ID) {
			project, ok := model.Find[*model.Project](d, s.Project)
			if !ok {
				continue
			}
			gateways, err := ipam.Gateways(d, s, []model.ID{zone.ID}, project.Gateways)
			if fault.Is(err, fault.Invalid) {
				r.Trace.Add("gateway", project.ID, trace.Refused, "%s", err)
				continue
			} else if err != nil {
				return Outcome{}, err
			}
			project = model.Edit(project)
			project.Gateways = gateways
			if err := d.Put(project); err != nil {
				return Outcome{}, err
			}
		}
	}
	return Outcome{Object: zone.ID}, welcomeZone(d, r, zone)
}

// freeGateways gives back the gateway addresses that projects have in a zone which goes.
func freeGateways(d model.Draft, _ *Request, o model.Object) error {
	zone := o.(*model.Zone)
	if err := leaveZone(d, zone); err != nil {
		return err
	}
	for project := range model.By[*model.Project](d, "region", zone.Region) {
		kept := slices.DeleteFunc(slices.Clone(project.Gateways), func(g model.Gateway) bool { return g.Zone == zone.ID })
		if len(kept) == len(project.Gateways) {
			continue
		}
		project = model.Edit(project)
		project.Gateways = kept
		if err := d.Put(project); err != nil {
			return err
		}
	}
	return nil
}
