package catalogue

import (
	"kowabunga/core/access"
	"kowabunga/core/model"
)

var kwarantine = Kind{
	Name: model.KindKwarantine, Plural: "kwarantines", Schema: "Kwarantine", Title: "kwarantine (anti-affinity group)", Native: true,
	Summary: "Machines of a project that must not fail together: each on a host or in a zone of its own, or spread evenly over zones.",
	Parents: []Parent{parent(model.KindProject, "projectId", func(o *model.Kwarantine) *model.ID { return &o.Project })},
	Fields: common(func(o *model.Kwarantine) *model.Meta { return &o.Meta },
		str("policy", bitOwn, func(o *model.Kwarantine) *string { return &o.Policy }, Enum(model.ApartByHost, model.ApartByZone, model.ApartEvenly), Default(model.ApartByHost), Column, Doc("what no two members share when they are placed; spread: evenly over the region's zones")),
		memberList("instances", func(o *model.Instance) model.ID { return o.ID }, Doc("its members that are instances of their own")),
		memberList("komputes", func(o *model.Instance) model.ID { return o.Kompute }, Doc("its members that are komputes")),
	),
	Internal: []string{"Project"},
	Ops: ops(Op{ID: "CreateProjectKwarantine", Verb: Create, Method: "POST", Path: "/project/{projectId}/kwarantine", Request: "Kwarantine", Response: "Kwarantine", Status: 201, Access: access.Manage},
		Op{ID: "ListKwarantines", Verb: List, Method: "GET", Path: "/kwarantine", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Kwarantine", "kwarantine", access.Read, access.Manage, access.Manage)),
	Table: model.Table{Kind: model.KindKwarantine, New: func() model.Object { return new(model.Kwarantine) },
		// One name may stand in many projects.
		Unique:  []model.Index{key("name", func(o *model.Kwarantine) []string { return []string{string(o.Project) + "|" + o.Name} })},
		Indexes: []model.Index{index("project", func(o *model.Kwarantine) model.ID { return o.Project })},
		Refs:    []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Kwarantine) model.ID { return o.Project }), OnDelete: model.Cascade}},
	},
}

// memberList lists the machines of a group, by the id that their owner knows them by: an instance inside a
// kompute is not one of its own.
func memberList(name string, of func(*model.Instance) model.ID, options ...Option) Field {
	all := func(v model.View, o *model.Kwarantine, yield func(model.ID)) {
		for machine := range model.By[*model.Instance](v, "kwarantine", o.ID) {
			if id := of(machine); id != "" && (machine.Kompute == "" || id == machine.Kompute) {
				yield(id)
			}
		}
	}
	f := computed(name, Array, func(b []byte, v model.View, o *model.Kwarantine) []byte {
		b = append(b, '[')
		all(v, o, func(id model.ID) {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = appendString(b, string(id))
		})
		return append(b, ']')
	}, func(model.View, *model.Kwarantine) bool { return false }, append(options, Always)...)
	f.Items = String
	return f
}

// detached is the reference of a machine to its group, which it outlives.
func detached[T any](at func(*T) *model.ID) model.Ref {
	return model.Ref{Field: "kwarantine", To: model.KindKwarantine, IDs: id(func(o *T) model.ID { return *at(o) }), OnDelete: model.Detach,
		Drop: func(o model.Object, _ model.ID) { *at(any(o).(*T)) = "" }}
}
