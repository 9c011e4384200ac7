package place

import (
	"iter"

	"kowabunga/core/model"
)

// load is what one thing on a host takes of it: a machine, or the node of a gateway or load balancer.
type load struct {
	id, host, project model.ID
	shape             model.Shape
}

// heaviest bounds what one load counts for in each dimension: nothing comes near, and sums over
// thousands of them stay exact, so that what was added can be taken away again.
const heaviest = 1 << 50

func weigh(s model.Shape) model.Shape {
	return model.Shape{VCPUs: min(max(s.VCPUs, 0), heaviest), Memory: min(max(s.Memory, 0), heaviest)}
}

// loadOf is the load that an object is; ok is false for kinds that are none.
func loadOf(o model.Object) (l load, ok bool) {
	switch o := o.(type) {
	case *model.Instance:
		return load{o.ID, o.Kaktus, o.Project, weigh(o.Taken())}, true
	case *model.Node:
		return load{o.ID, o.Kaktus, o.Project, weigh(o.Shape)}, true
	}
	return load{}, false
}

// loaded are the kinds that take room.
var loaded = []model.Kind{model.KindInstance, model.KindNode}

// loads yields everything that takes room on a host.
func loads(v model.View, host model.ID) iter.Seq[load] {
	return func(yield func(load) bool) {
		for _, kind := range loaded {
			for o := range v.By(kind, "kaktus", string(host)) {
				if l, ok := loadOf(o); ok && !yield(l) {
					return
				}
			}
		}
	}
}
