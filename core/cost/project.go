package cost

import (
	"slices"
	"strings"

	"kowabunga/core/model"
)

// Breakdown is what a project costs a month: all of it, by kind and by resource. Costs of unlike
// currencies are not added up; the largest stands first, then by name. What costs nothing has none.
type Breakdown struct {
	Total     []model.Cost
	Kinds     []Kind
	Resources []Resource
}

// Kind is what all resources of a kind cost together.
type Kind struct {
	Kind  model.Kind
	Costs []model.Cost
}

// Resource is what one resource costs. A Kompute's processors and memory stand with its instance, its
// disks with its volumes; a Kawaii's and a Konvey's with their nodes.
type Resource struct {
	Kind  model.Kind
	ID    model.ID
	Name  string
	Costs []model.Cost
}

// Project is what a project costs a month in its main currency, which is the one that most is to be
// paid in: 0 EUR for a project that costs nothing or does not exist. It looks at nothing but what the
// project has.
func Project(v model.View, id model.ID) model.Cost {
	var total amounts
	each(v, id, func(_ model.Object, a amounts) { total.merge(a) })
	return Breakdown{Total: total.costs()}.Main()
}

// Of is what a project costs, in all detail. Resources are in order of kind and name.
func Of(v model.View, id model.ID) Breakdown {
	var total amounts
	var b Breakdown
	kinds := map[model.Kind]*amounts{}
	var order []model.Kind
	each(v, id, func(o model.Object, a amounts) {
		total.merge(a)
		if kinds[o.Kind()] == nil {
			kinds[o.Kind()] = &amounts{}
			order = append(order, o.Kind())
		}
		kinds[o.Kind()].merge(a)
		b.Resources = append(b.Resources, Resource{Kind: o.Kind(), ID: o.Base().ID, Name: o.Base().Name, Costs: a.costs()})
	})
	b.Total = total.costs()
	for _, kind := range order {
		b.Kinds = append(b.Kinds, Kind{Kind: kind, Costs: kinds[kind].costs()})
	}
	slices.SortStableFunc(b.Resources, func(x, y Resource) int {
		if by := slices.Index(order, x.Kind) - slices.Index(order, y.Kind); by != 0 {
			return by
		}
		return strings.Compare(x.Name, y.Name)
	})
	return b
}

// Main is the cost in the project's main currency.
func (b Breakdown) Main() model.Cost {
	if len(b.Total) > 0 {
		return b.Total[0]
	}
	return model.Cost{Currency: Euro}
}

// each visits everything of a project that has a price, kind by kind.
func each(v model.View, project model.ID, visit func(model.Object, amounts)) {
	if project == "" {
		return
	}
	for o := range model.By[*model.Instance](v, "project", project) {
		visit(o, machine(v, o.Kaktus, o.Taken()))
	}
	for o := range model.By[*model.Node](v, "project", project) {
		visit(o, machine(v, o.Kaktus, o.Shape))
	}
	for o := range model.By[*model.Volume](v, "project", project) {
		visit(o, storage(v, o.Pool, o.Size))
	}
	for o := range model.By[*model.Kylo](v, "project", project) {
		if n, ok := model.Find[*model.NFS](v, o.NFS); ok {
			visit(o, storage(v, n.Pool, o.Size))
		}
	}
}
