package access

import (
	"iter"
	"slices"

	"kowabunga/core/model"
)

// Member tells whether the caller is in a team that the project lists. The master key is a member of
// nothing; rules let a superAdmin pass before they ask.
func Member(v model.View, who Identity, project model.ID) bool {
	if who.User == "" || project == "" {
		return false
	}
	p, ok := model.Find[*model.Project](v, project)
	return ok && teamIn(v, who, p) != ""
}

// teamIn is the first team of the project that the caller is in, empty for none.
func teamIn(v model.View, who Identity, p *model.Project) model.ID {
	for _, id := range p.Teams {
		if t, ok := model.Find[*model.Team](v, id); ok && slices.Contains(t.Users, who.User) {
			return id
		}
	}
	return ""
}

// Projects yields the projects the caller is a member of, each once, found through his teams.
func Projects(v model.View, who Identity) iter.Seq[*model.Project] {
	return func(yield func(*model.Project) bool) {
		if who.User == "" {
			return
		}
		for team := range model.By[*model.Team](v, "user", who.User) {
			for p := range model.By[*model.Project](v, "team", team.ID) {
				// A project reached through two teams counts with the first it lists.
				if teamIn(v, who, p) == team.ID && !yield(p) {
					return
				}
			}
		}
	}
}

// ProjectOf is the project whose members have a say in an object: a project itself, what lies in it, its
// subnets and the adapters on them. Empty for everything else.
func ProjectOf(v model.View, o model.Object) model.ID {
	switch o := o.(type) {
	case *model.Project:
		return o.ID
	case *model.Instance:
		return o.Project
	case *model.Kompute:
		return o.Project
	case *model.Volume:
		return o.Project
	case *model.Kawaii:
		return o.Project
	case *model.IPsec:
		if k, ok := model.Find[*model.Kawaii](v, o.Kawaii); ok {
			return k.Project
		}
	case *model.Konvey:
		return o.Project
	case *model.Node:
		return o.Project
	case *model.Kylo:
		return o.Project
	case *model.Record:
		return o.Project
	case *model.Kwarantine:
		return o.Project
	case *model.Subnet:
		return o.Project
	case *model.Adapter:
		if s, ok := model.Find[*model.Subnet](v, o.Subnet); ok {
			return s.Project
		}
	}
	return ""
}

// Operates tells whether the caller may work with an object that exists: power actions and the like.
func Operates(v model.View, who Identity, o model.Object) bool {
	return who.SuperAdmin() || who.Known() && Member(v, who, ProjectOf(v, o))
}

// Manages tells whether the caller may create, change and delete what lies in the object's project.
func Manages(v model.View, who Identity, o model.Object) bool {
	return who.SuperAdmin() || who.Role == model.RoleProjectAdmin && Member(v, who, ProjectOf(v, o))
}

// ShowSecrets tells whether the secret fields of an object are shown to the caller; to others they stand
// empty. A project's and those in it are for who manages it, a pool's for superAdmins.
func ShowSecrets(v model.View, who Identity, o model.Object) bool {
	if who.SuperAdmin() {
		return true
	}
	switch o.(type) {
	case *model.Project:
		return Manages(v, who, o) || Governs(v, who, o)
	case *model.IPsec:
		return Manages(v, who, o)
	}
	return false
}
