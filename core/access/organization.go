package access

import (
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// OrganizationOf is the organization that a user, team or project belongs to, empty for none and for
// other kinds.
func OrganizationOf(o model.Object) model.ID {
	switch o := o.(type) {
	case *model.User:
		return o.Organization
	case *model.Team:
		return o.Organization
	case *model.Project:
		return o.Organization
	}
	return ""
}

// Heads is the organization that the caller is an admin of, empty for none. There is at most one: that
// he belongs to.
func Heads(v model.View, who Identity) model.ID {
	if u, ok := model.Find[*model.User](v, who.User); ok && u.Head {
		return u.Organization
	}
	return ""
}

func leads(v model.View, who Identity, organization model.ID) bool {
	return organization != "" && Heads(v, who) == organization
}

// within tells whether the caller belongs to an organization.
func within(v model.View, who Identity, o *model.Organization) bool {
	u, ok := model.Find[*model.User](v, who.User)
	return ok && u.Organization == o.ID
}

// Governs tells whether the caller may create, change and delete a user, team or project as an admin of
// its organization. Accounts of superAdmins are superAdmins' to manage, wherever they belong.
func Governs(v model.View, who Identity, o model.Object) bool {
	if u, ok := o.(*model.User); ok && u.Role == model.RoleSuperAdmin {
		return false
	}
	return leads(v, who, OrganizationOf(o))
}

// CreateAllowed decides on what is new what the rule of a creation leaves open: an admin of an
// organization creates in that one, which is also meant when none is named, and nobody makes somebody
// else more than himself. Faults: Denied with the field.
func CreateAllowed(v model.View, who Identity, new model.Object) error {
	if who.SuperAdmin() {
		return nil
	}
	if org := OrganizationOf(new); org != "" && !leads(v, who, org) {
		return adminField("organization", "what organization something belongs to")
	}
	if u, ok := new.(*model.User); ok {
		return ranks(&model.User{}, u)
	}
	return nil
}

// ranks refuses what only superAdmins give: their own role, and who is an admin of an organization.
func ranks(old, new *model.User) error {
	switch {
	case new.Role == model.RoleSuperAdmin:
		return adminField("role", "who is a superAdmin")
	case new.Head != old.Head:
		return adminField("organization_admin", "who is an admin of an organization")
	}
	return nil
}

// governedUpdate is what an admin of an organization leaves alone in what he manages.
func governedUpdate(old, new model.Object) error {
	u, ok := new.(*model.User)
	if !ok {
		return nil
	}
	if err := ranks(old.(*model.User), u); err != nil {
		return err
	}
	return accountState(old.(*model.User), u)
}

// sameOrganization refuses to move something from one organization to another.
func sameOrganization(old, new model.Object) error {
	if OrganizationOf(old) != OrganizationOf(new) {
		return &fault.Error{Code: fault.Denied, Field: "organization", Message: "only a superAdmin can change what organization something belongs to"}
	}
	return nil
}
