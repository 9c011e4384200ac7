package behaviour

import (
	"slices"

	"kowabunga/core/model"
)

// noteVRIDs brings the VRRP ids that a project shows up to date: those of its gateways and load
// balancers, each once, ascending. Ids are unique per segment, so two regions may have the same.
func noteVRIDs(d model.Draft, project model.ID) error {
	p, ok := model.Find[*model.Project](d, project)
	if !ok {
		return nil
	}
	var ids []int64
	for k := range model.By[*model.Kawaii](d, "project", project) {
		for i := range k.VIPs {
			ids = append(ids, k.VIPs[i].VRID)
		}
	}
	for k := range model.By[*model.Konvey](d, "project", project) {
		ids = append(ids, k.VRID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if slices.Equal(ids, p.VRRPIDs) {
		return nil
	}
	p = model.Edit(p)
	p.VRRPIDs = ids
	return d.Put(p)
}
