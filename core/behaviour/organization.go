package behaviour

import (
	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func init() {
	register(model.KindOrganization, catalogue.Create, "", insert(checkOrganization))
	register(model.KindOrganization, catalogue.Update, "", replace(checkOrganization))
	register(model.KindOrganization, catalogue.Delete, "", remove(nil))
}

func checkOrganization(d model.Draft, _ *Request, o model.Object) error {
	org := o.(*model.Organization)
	if err := checkPeopleName(org.Name); err != nil {
		return err
	}
	return shareQuotas(d, org, "")
}

// belong puts what an admin of an organization creates without naming one into his. What a projectAdmin
// creates is where he is.
func belong(v model.View, r *Request, organization *model.ID) {
	if *organization != "" || r.Who.SuperAdmin() {
		return
	}
	if u, ok := model.Find[*model.User](v, r.Who.User); ok && (r.Op.Kind == model.KindProject || access.Heads(v, r.Who) != "") {
		*organization = u.Organization
	}
}

// teamWithin keeps a team's users and the projects that list it in its organization. Accounts of
// superAdmins may be in any team.
func teamWithin(v model.View, t *model.Team) error {
	for _, id := range t.Users {
		if u, ok := model.Find[*model.User](v, id); ok && u.Organization != t.Organization && u.Role != model.RoleSuperAdmin {
			return fault.Bad("users", "user %q does not belong to the organization of the team", u.Name)
		}
	}
	for p := range model.By[*model.Project](v, "team", t.ID) {
		if p.Organization != t.Organization {
			return fault.Bad("organization", "project %q lists the team and belongs elsewhere; take the team from it first", p.Name)
		}
	}
	return nil
}

// userWithin keeps a user's teams in his organization. An admin of one does not become that of another
// by moving. old is what is stored, empty at first.
func userWithin(v model.View, old, u *model.User) error {
	if u.Head && u.Organization == "" {
		return fault.Bad("organization_admin", "a user who belongs to no organization cannot be an admin of one")
	}
	if u.Head && old.Head && u.Organization != old.Organization {
		return fault.Bad("organization_admin", "he is an admin of the organization that he leaves; send false, and make him one of the other afterwards")
	}
	if u.Role == model.RoleSuperAdmin {
		return nil
	}
	for t := range model.By[*model.Team](v, "user", u.ID) {
		if t.Organization != u.Organization {
			return fault.Bad("organization", "he is in team %q, which belongs elsewhere; take him from it first", t.Name)
		}
	}
	return nil
}

// projectWithin keeps a project's teams in its organization, and its quotas within what that has. old is
// what is stored, nil at first.
func projectWithin(v model.View, old, p *model.Project) error {
	for _, id := range p.Teams {
		if t, ok := model.Find[*model.Team](v, id); ok && t.Organization != p.Organization {
			return fault.Bad("teams", "team %q does not belong to the organization of the project", t.Name)
		}
	}
	if old != nil && old.Quotas == p.Quotas && old.Organization == p.Organization {
		return nil
	}
	if org, ok := model.Find[*model.Organization](v, p.Organization); ok {
		return shareQuotas(v, org, p.ID, p.Quotas)
	}
	return nil
}

// shareQuotas refuses quotas of an organization's projects that are together more than its own, and
// projects without a quota where it has one: those could use up everything. Of the project changed, if
// any, the new quotas count.
func shareQuotas(v model.View, org *model.Organization, changed model.ID, quotas ...model.Resources) error {
	for _, d := range []struct {
		field string
		of    func(model.Resources) int64
	}{
		{"vcpus", func(r model.Resources) int64 { return r.VCPUs }}, {"memory", func(r model.Resources) int64 { return r.Memory }},
		{"storage", func(r model.Resources) int64 { return r.Storage }}, {"instances", func(r model.Resources) int64 { return r.Instances }},
	} {
		left := d.of(org.Quotas)
		if left == 0 {
			continue
		}
		take := func(name string, n int64) error {
			if n == 0 {
				return fault.Bad("quotas."+d.field, "organization %q has a quota of %s, so that each of its projects needs one, and project %q has none", org.Name, d.field, name)
			}
			if n > left {
				return fault.Bad("quotas."+d.field, "the quotas of the projects of organization %q may be %d together; %d are left for project %q, which would have %d", org.Name, d.of(org.Quotas), left, name, n)
			}
			left -= n
			return nil
		}
		for p := range model.By[*model.Project](v, "organization", org.ID) {
			if p.ID != changed {
				if err := take(p.Name, d.of(p.Quotas)); err != nil {
					return err
				}
			}
		}
		for _, q := range quotas { // last, so that the refusal is about what was asked for
			if err := take("of this request", d.of(q)); err != nil {
				return err
			}
		}
	}
	return nil
}
