package gate

import (
	"slices"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// place is where the object of a request lies, as far as its kind has such a place.
type place struct {
	project *model.Project
	region  model.ID
}

// references checks every id in body and query. An id that the object had in the same field before is
// not looked at again: to change a project, its teams have to be repeated, others' teams included.
func (p Policy) references(v model.View, who access.Identity, op *catalogue.Op, path map[string]model.ID, s Sent) error {
	at := whereabouts(v, path, s.Old)
	if op.Verb == catalogue.Create && at.project != nil && at.region != "" && !slices.Contains(at.project.Regions, at.region) {
		return fault.Bad("region", "the project does not use this region; a superAdmin can add it to the project's regions")
	}
	for i := range op.Query {
		q := &op.Query[i]
		if id := s.Query[q.Name]; q.Ref != "" && id != "" {
			if err := reference(v, who, at, q.Name, q.Ref, model.ID(id)); err != nil {
				return err
			}
		}
	}
	if s.New == nil {
		return nil
	}
	k := catalogue.Of(s.New.Kind())
	if k == nil {
		return nil
	}
	type named struct {
		field string
		id    model.ID
	}
	var had map[named]bool
	if s.Old != nil {
		had = map[named]bool{}
		k.Refs(s.Old, func(field string, _ model.Kind, id model.ID) { had[named{field, id}] = true })
	}
	var refused error
	k.Refs(s.New, func(field string, kind model.Kind, id model.ID) {
		if refused == nil && !had[named{field, id}] {
			refused = reference(v, who, at, field, kind, id)
		}
	})
	return refused
}

func reference(v model.View, who access.Identity, at place, field string, kind model.Kind, id model.ID) error {
	o, ok := v.Get(kind, id)
	if !ok || !access.Visible(v, who, o) {
		return fault.Bad(field, "no such %s", kind)
	}
	return at.admits(v, field, o)
}

// whereabouts finds project and region from the path of a creation or from the object that is changed.
func whereabouts(v model.View, path map[string]model.ID, old model.Object) place {
	project, region, zone := path["projectId"], path["regionId"], path["zoneId"]
	switch o := old.(type) {
	case *model.Volume:
		project, region = o.Project, o.Region
	case *model.Instance:
		project, zone = o.Project, o.Zone
	case *model.Kompute:
		project, zone = o.Project, o.Zone
	}
	at := place{region: region}
	at.project, _ = model.Find[*model.Project](v, project)
	if z, ok := model.Find[*model.Zone](v, zone); ok {
		at.region = z.Region
	}
	return at
}

// admits tells whether an object may be used at a place: pools and templates of the place's region,
// volumes of the same project and region, adapters on the project's own subnets or on public ones.
func (at place) admits(v model.View, field string, o model.Object) error {
	if at.project == nil {
		return nil
	}
	switch o := o.(type) {
	case *model.Pool:
		return at.within(o.Region, field, o)
	case *model.Template:
		if pool, ok := model.Find[*model.Pool](v, o.Pool); ok {
			return at.within(pool.Region, field, o)
		}
	case *model.Volume:
		if o.Project != at.project.ID {
			return elsewhere(field, o, "belongs to another project")
		}
		return at.within(o.Region, field, o)
	case *model.Kwarantine:
		if o.Project != at.project.ID {
			return elsewhere(field, o, "belongs to another project")
		}
	case *model.Adapter:
		s, ok := model.Find[*model.Subnet](v, o.Subnet)
		if !ok {
			return nil
		}
		net, ok := model.Find[*model.VNet](v, s.VNet)
		if !ok {
			return nil
		}
		if s.Project != at.project.ID && (s.Project != "" || net.Private) {
			return elsewhere(field, o, "is on a subnet that is neither the project's nor public")
		}
		return at.within(net.Region, field, o)
	}
	return nil
}

func (at place) within(region model.ID, field string, o model.Object) error {
	if at.region != "" && region != at.region {
		return elsewhere(field, o, "is in another region")
	}
	return nil
}

func elsewhere(field string, o model.Object, why string) error {
	return fault.Bad(field, "%s %q %s", o.Kind(), o.Base().Name, why)
}
