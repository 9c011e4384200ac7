package catalogue

import (
	"kowabunga/core/model"
)

var organization = Kind{
	Name: model.KindOrganization, Plural: "organizations", Schema: "Organization", Title: "organization", Native: true,
	Summary: "A boundary between people: users, teams and projects that have to do with each other alone.",
	Fields: common(func(o *model.Organization) *model.Meta { return &o.Meta },
		heads(),
		nested("quotas", bitOwn, "ProjectResources", func(o *model.Organization) *model.Resources { return &o.Quotas }, resourceFields, Always, Doc("what the quotas of its projects may be together; 0 is unlimited")),
	),
	Ops: crud("Organization", "organization", "ListOrganizations", root, readVisible),
	Table: model.Table{Kind: model.KindOrganization, New: func() model.Object { return new(model.Organization) },
		Unique: []model.Index{names},
	},
}

// heads lists the admins of an organization; it is users who are made such.
func heads() Field {
	f := computed("admins", Array, func(b []byte, v model.View, o *model.Organization) []byte {
		b = append(b, '[')
		if o.ID == "" {
			return append(b, ']')
		}
		for u := range model.By[*model.User](v, "organization", o.ID) {
			if !u.Head {
				continue
			}
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = appendString(b, string(u.ID))
		}
		return append(b, ']')
	}, func(model.View, *model.Organization) bool { return false }, Always, Column, Doc("users who manage its users, teams and projects"))
	f.Items = String
	return f
}

const docOrganization = "organization it belongs to; the installation itself when empty"

// within declares the organization that a user, team or project belongs to.
func within[T any](bit int, at func(*T) *model.ID) Field {
	return reference("organization", bit, at, model.KindOrganization, Native, Doc(docOrganization))
}

// belongs is the reference to an organization, which cannot go while something belongs to it.
func belongs[T any](at func(*T) *model.ID) model.Ref {
	return model.Ref{Field: "organization", To: model.KindOrganization, IDs: id(func(o *T) model.ID { return *at(o) })}
}
