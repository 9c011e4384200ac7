package netplan

import (
	"slices"

	"kowabunga/core/model"
)

// Ref names an object that was created, changed or deleted.
type Ref struct {
	Kind model.Kind
	ID   model.ID
}

// Affected is whose documents a change can have changed. It may name more than really changed, and never
// less.
type Affected struct {
	Regions map[model.ID]bool // of Kiwi documents
	Hosts   map[model.ID]bool // of Services documents
	Agents  map[model.ID]bool // agents whose Kaktus state, or whose region or host, may be another
}

func newAffected() *Affected {
	return &Affected{Regions: map[model.ID]bool{}, Hosts: map[model.ID]bool{}, Agents: map[model.ID]bool{}}
}

// Update takes the plan to a newer view. changed names every object that differs between the two views;
// naming others does no harm. What is affected is computed anew when it is asked for.
func (p *Plan) Update(v model.View, changed []Ref) *Affected {
	d := &dirt{Plan: p, before: p.view, after: v, affected: newAffected()}
	losers := map[model.ID]claims{}
	for _, c := range changed {
		if c.Kind == model.KindKawaii || c.Kind == model.KindKonvey || c.Kind == model.KindSubnet || c.Kind == model.KindAdapter {
			for region, n := range p.networks {
				losers[region] = n.claims
			}
			break
		}
	}
	was := make(map[Ref]model.Object, len(changed))
	for _, c := range changed {
		was[c], _ = d.before.Get(c.Kind, c.ID)
	}
	p.view = v
	for _, c := range changed {
		now, _ := v.Get(c.Kind, c.ID)
		if was[c] == now || unimportant(was[c], now) {
			continue
		}
		for _, side := range []struct {
			view   model.View
			object model.Object
		}{{d.before, was[c]}, {v, now}} {
			if side.object != nil {
				d.touch(side.view, side.object)
			}
		}
	}
	d.contests(losers)
	return d.affected
}

// unimportant tells whether what changed about an object concerns no document. Hosts report their size and
// operations mark what they work on all the time.
func unimportant(before, after model.Object) bool {
	if before == nil || after == nil {
		return false
	}
	switch b := before.(type) {
	case *model.Kaktus:
		a := after.(*model.Kaktus)
		return a.Name == b.Name && a.Zone == b.Zone && slices.Equal(a.Agents, b.Agents)
	case *model.Volume:
		a := after.(*model.Volume)
		return a.Template == b.Template && a.Project == b.Project && a.Region == b.Region && a.Type == b.Type
	}
	return false
}
