// Package gate applies the table of rights to requests: package access says what a caller may see and
// do, the catalogue says what an operation names and asks for, and here the two meet.
//
// A request passes twice. Authorize decides from the route alone, before a body is read: every id in
// the path exists, is visible to the caller and lies where the path says, then the operation's rule
// holds. Check decides from what was sent: every id in body and query exists, is visible and belongs
// to the same project or region, and the caller may change the fields he changed. Nothing here looks at
// a URL, so no query string can grant anything.
package gate

import (
	"slices"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Policy is what an installation decides about rights. The zero value is the strict one.
type Policy struct {
	ProjectAdminsCreateProjects bool // a projectAdmin may create projects for teams he is in
}

// Authorize decides whether the caller may call an operation with these path parameters, and returns
// the object the last of them names, nil when the operation names none (lists, creations). Faults:
// Unauthenticated for nobody; NotFound for an id that does not exist, that he may not know of, or that
// does not lie in the object before it; Denied for what he may see but not do.
func (p Policy) Authorize(v model.View, who access.Identity, op *catalogue.Op, path map[string]model.ID) (model.Object, error) {
	return p.authorize(v, who, op, path, false)
}

// AuthorizeV1 is Authorize for API v1, where objects that are still being created do not exist.
func (p Policy) AuthorizeV1(v model.View, who access.Identity, op *catalogue.Op, path map[string]model.ID) (model.Object, error) {
	return p.authorize(v, who, op, path, true)
}

func (p Policy) authorize(v model.View, who access.Identity, op *catalogue.Op, path map[string]model.ID, hide bool) (model.Object, error) {
	if op.Access == access.Public {
		return nil, nil
	}
	if !who.Known() {
		return nil, fault.New(fault.Unauthenticated, "this needs an API key or a login")
	}
	var first, last model.Object
	for i := range op.Params {
		param := &op.Params[i]
		o, ok := v.Get(param.Kind, path[param.Name])
		if !ok || hide && access.Hidden(o) || !access.Visible(v, who, o) || last != nil && !inside(o, last) {
			return nil, missing(param.Kind)
		}
		if first == nil {
			first = o
		}
		last = o
	}
	var target model.Object
	if op.Target() != "" {
		target = last
	}
	if who.SuperAdmin() {
		return target, nil
	}
	subject := target
	if subject == nil {
		subject = first // what a creation happens in: a project, or the subnet of one
	}
	if governed(v, who, op, target) {
		return target, nil
	}
	return target, p.rule(v, who, op.Access, subject)
}

func (p Policy) rule(v model.View, who access.Identity, rule access.Rule, subject model.Object) error {
	switch rule {
	case access.Authenticated, access.Read:
		return nil
	case access.Operate:
		if subject != nil && access.Operates(v, who, subject) {
			return nil
		}
		return fault.New(fault.Denied, "only members of the project can do this")
	case access.Manage:
		if subject != nil && access.Manages(v, who, subject) {
			return nil
		}
		return fault.New(fault.Denied, "only a projectAdmin who is a member of the project can do this")
	case access.Self:
		switch o := subject.(type) {
		case *model.User:
			if who.User != "" && o.ID == who.User {
				return nil
			}
		case *model.Session:
			if who.User != "" && o.User == who.User {
				return nil
			}
		}
	case access.NewProject:
		if p.ProjectAdminsCreateProjects && who.Role == model.RoleProjectAdmin {
			return nil
		}
	}
	return fault.New(fault.Denied, "only a superAdmin can do this")
}

// governed tells whether an operation is an organization's admin's to call: all about its users, teams
// and projects but their passwords, which are mailed to who shall have them.
func governed(v model.View, who access.Identity, op *catalogue.Op, target model.Object) bool {
	switch op.Kind {
	case model.KindUser, model.KindTeam, model.KindProject:
	default:
		return false
	}
	if op.Access != access.Admin && op.Access != access.Self && op.Access != access.Manage && op.Access != access.NewProject ||
		op.Action == "password" || op.Action == "newPassword" {
		return false
	}
	if op.Verb == catalogue.Create {
		return access.Heads(v, who) != ""
	}
	return target != nil && access.Governs(v, who, target)
}

// inside tells whether an object lies in the one before it in a path. Kinds that do not lie in each
// other, such as a project and a region, are independent of each other.
func inside(o, before model.Object) bool {
	k := catalogue.Of(o.Kind())
	if k == nil {
		return true
	}
	for i := range k.Parents {
		if k.Parents[i].Kind == before.Kind() {
			return k.Parents[i].Of(o) == before.Base().ID
		}
	}
	return true
}

func missing(kind model.Kind) error { return fault.New(fault.NotFound, "no such %s", kind) }

// Sent is what a request carries besides its path.
type Sent struct {
	Query map[string]string
	Old   model.Object // what is stored, nil for a creation
	New   model.Object // what was sent, applied to Old if there is one; nil for requests without a body
}

// Check decides on what an authorised request sent. Faults: Denied with the field that the caller may
// not change; Invalid with the field or parameter whose id does not exist, is not visible to him or
// belongs elsewhere - the first two in the same words.
func (p Policy) Check(v model.View, who access.Identity, op *catalogue.Op, path map[string]model.ID, s Sent) error {
	if s.Old != nil && s.New != nil {
		if err := access.UpdateAllowed(v, who, s.Old, s.New); err != nil {
			return err
		}
	}
	if s.Old == nil && s.New != nil {
		if err := access.CreateAllowed(v, who, s.New); err != nil {
			return err
		}
	}
	if project, ok := s.New.(*model.Project); ok && s.Old == nil && !who.SuperAdmin() && access.Heads(v, who) == "" && !ownTeam(v, who, project) {
		return &fault.Error{Code: fault.Denied, Field: "teams", Message: "a projectAdmin can create projects only for a team he is in"}
	}
	return p.references(v, who, op, path, s)
}

func ownTeam(v model.View, who access.Identity, p *model.Project) bool {
	return slices.ContainsFunc(p.Teams, func(id model.ID) bool {
		t, ok := model.Find[*model.Team](v, id)
		return ok && who.User != "" && slices.Contains(t.Users, who.User)
	})
}
