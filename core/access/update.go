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
// in it or what it is called. A user changes his name, description and notifications; his role is given
// to him, and his address is what he proved to own.
func UpdateAllowed(v model.View, who Identity, old, new model.Object) error {
	if who.SuperAdmin() {
		return nil
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
	case old.Email != new.Email:
		return &fault.Error{Code: fault.Denied, Field: "email", Message: "a new address has to be confirmed by mail, which is not part of this release; ask a superAdmin to change it"}
	case old.PasswordHash != new.PasswordHash || old.Confirmed != new.Confirmed || old.Disabled != new.Disabled:
		return adminField("", "the state of an account")
	}
	return nil
}

func adminField(field, what string) error {
	return &fault.Error{Code: fault.Denied, Field: field, Message: "only a superAdmin can change " + what}
}
