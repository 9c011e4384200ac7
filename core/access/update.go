package access

import (
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// UpdateAllowed decides field by field what the rule of an update leaves open: who may change an object
// may not always change all of it. old is what is stored, new what it would become. Faults: Denied with
// the field.
//
// A projectAdmin changes how his project looks and how its machines start, not what it may use, who is
// in it or what it is called; an admin of its organization changes that as well, in what is of his
// organization, and not what organization it is of. A user changes his name, description and notifications, and asks for
// another address, which is his once he proved to read it; his role is given to him.
func UpdateAllowed(v model.View, who Identity, old, new model.Object) error {
	if who.SuperAdmin() {
		return nil
	}
	if err := sameOrganization(old, new); err != nil {
		return err
	}
	if Governs(v, who, old) {
		return governedUpdate(old, new)
	}
	switch new := new.(type) {
	case *model.Project:
		return projectUpdate(old.(*model.Project), new)
	case *model.User:
		return userUpdate(old.(*model.User), new)
	}
	return nil
}

func projectUpdate(old, new *model.Project) error {
	switch {
	case old.Name != new.Name:
		return adminField("name", "a project's name")
	case old.Quotas != new.Quotas:
		return adminField("quotas", "a project's quotas")
	case !slices.Equal(old.Teams, new.Teams):
		return adminField("teams", "a project's teams")
	case !slices.Equal(old.Regions, new.Regions):
		return adminField("regions", "a project's regions")
	}
	return nil
}

func userUpdate(old, new *model.User) error {
	switch {
	case old.Role != new.Role:
		return adminField("role", "a role")
	case old.Head != new.Head:
		return adminField("organization_admin", "who is an admin of an organization")
	}
	return accountState(old, new)
}

func accountState(old, new *model.User) error {
	switch {
	case old.PasswordHash != new.PasswordHash || old.Confirmed != new.Confirmed || old.Disabled != new.Disabled || old.Bot != new.Bot || old.PendingEmail != new.PendingEmail:
		return adminField("", "the state of an account")
	}
	return nil
}

func adminField(field, what string) error {
	return &fault.Error{Code: fault.Denied, Field: field, Message: "only a superAdmin can change " + what}
}
