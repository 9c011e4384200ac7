package catalogue

import (
	"kowabunga/core/model"
)

var organization = Kind{
	Name: model.KindOrganization, Plural: "organizations", Schema: "Organization", Title: "organization", Native: true,
	Summary: "A boundary between people: users, teams and projects that have to do with each other alone.",
	Fields: common(func(o *model.Organization) *model.Meta { return &o.Meta },
		list("admins", bitOwn, func(o *model.Organization) *[]model.ID { return &o.Admins }, Always, Ref(model.KindUser), Doc("users of it who manage its users, teams and projects")),
		nested("quotas", bitOwn+1, "ProjectResources", func(o *model.Organization) *model.Resources { return &o.Quotas }, resourceFields, Always, Doc("what the quotas of its projects may be together; 0 is unlimited")),
	),
	Ops: crud("Organization", "organization", "ListOrganizations", root, readVisible),
	Table: model.Table{Kind: model.KindOrganization, New: func() model.Object { return new(model.Organization) },
		Unique: []model.Index{names},
		Refs: []model.Ref{{Field: "admins", To: model.KindUser, IDs: ids(func(o *model.Organization) []model.ID { return o.Admins }), OnDelete: model.Detach,
			Drop: func(o model.Object, id model.ID) { t := o.(*model.Organization); t.Admins = drop(t.Admins, id) }}},
		Indexes: []model.Index{indexes("admin", func(o *model.Organization) []model.ID { return o.Admins })},
	},
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
