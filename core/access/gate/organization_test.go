package gate_test

import (
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// organized is the world with tenant 0 in one organization, whose admin is its plain user, and tenant 1 in
// another. In the first there is also a project, a team and a user that the admin has nothing else to do
// with.
func organized(t *testing.T) (*world, access.Identity, map[model.Kind]model.ID) {
	w := newWorld(t)
	apart := map[model.Kind]model.ID{model.KindUser: id(0x901), model.KindTeam: id(0x902), model.KindProject: id(0x903)}
	admin := w.who[model.RoleUser]
	w.view = w.with(t, func(d model.Draft) error {
		for n, org := range w.ids[model.KindOrganization] {
			team, _ := model.Find[*model.Team](d, w.ids[model.KindTeam][n])
			for _, u := range team.Users {
				user, _ := model.Find[*model.User](d, u)
				user = model.Edit(user)
				user.Organization, user.Head = org, u == admin.User
				if err := d.Put(user); err != nil {
					return err
				}
			}
			team = model.Edit(team)
			team.Organization = org
			p, _ := model.Find[*model.Project](d, w.ids[model.KindProject][n])
			p = model.Edit(p)
			p.Organization = org
			for _, o := range []model.Object{team, p} {
				if err := d.Put(o); err != nil {
					return err
				}
			}
		}
		org := w.ids[model.KindOrganization][0]
		user := &model.User{Email: "apart@example.org", Role: model.RoleUser, Organization: org}
		user.ID, user.Name = apart[model.KindUser], "apart"
		team := &model.Team{Users: []model.ID{user.ID}, Organization: org}
		team.ID, team.Name = apart[model.KindTeam], "apart"
		p := &model.Project{Teams: []model.ID{team.ID}, Organization: org, RootPassword: "hush"}
		p.ID, p.Name = apart[model.KindProject], "apart"
		for _, o := range []model.Object{user, team, p} {
			if err := d.Put(o); err != nil {
				return err
			}
		}
		return nil
	})
	return w, admin, apart
}

// What an admin of an organization may call, on what is his organization's and not otherwise his own, and
// on what is another's. Whatever is not in this table he may as everybody else may.
func TestAdminsOfAnOrganizationManageItsPeopleAndProjects(t *testing.T) {
	w, admin, apart := organized(t)
	w.who["organization"] = admin
	for op, want := range map[string]string{
		"ReadUser": "ok", "UpdateUser": "ok", "DeleteUser": "ok", "SetUserApiToken": "ok", "ResetUserPassword": "ok", "EnableUser": "ok", "DisableUser": "ok",
		"SetUserPassword": "403", "NewUserPassword": "403",
		"ReadTeam": "ok", "UpdateTeam": "ok", "DeleteTeam": "ok",
		"ReadProject": "ok", "UpdateProject": "ok", "DeleteProject": "ok", "ReadProjectCost": "ok", "ReadProjectUsage": "ok",
		"CreateProjectDnsRecord": "403", // he manages the project, not what is in it
	} {
		o := opOf(t, op)
		param := o.Params[0]
		for whose, path := range map[string]map[string]model.ID{
			want: {param.Name: apart[param.Kind]}, "404": {param.Name: w.ids[param.Kind][1]},
		} {
			if _, err := (gate.Policy{}).Authorize(w.view, admin, o, path); outcome(err) != whose {
				t.Errorf("%s on %v: %v, want %s", op, path, err, whose)
			}
			if _, err := (gate.Policy{}).AuthorizeV1(w.view, admin, o, path); outcome(err) != whose {
				t.Errorf("v1 %s on %v: %v, want %s", op, path, err, whose)
			}
		}
	}
	for op, want := range map[string]string{"CreateUser": "ok", "CreateTeam": "ok", "CreateProject": "ok", "CreateOrganization": "403", "CreateRegion": "403", "CreateAgent": "403"} {
		if _, err := (gate.Policy{}).Authorize(w.view, admin, opOf(t, op), nil); outcome(err) != want {
			t.Errorf("%s: %v, want %s", op, err, want)
		}
		if _, err := (gate.Policy{}).Authorize(w.view, w.who[model.RoleProjectAdmin], opOf(t, op), nil); outcome(err) != "403" {
			t.Errorf("%s by who is no admin of it: %v", op, err)
		}
	}
	for i, want := range []string{"ok", "404"} {
		path := map[string]model.ID{"organizationId": w.ids[model.KindOrganization][i]}
		if _, err := (gate.Policy{}).Authorize(w.view, admin, opOf(t, "ReadOrganization"), path); outcome(err) != want {
			t.Errorf("ReadOrganization: %v, want %s", err, want)
		}
		if want == "ok" {
			want = "403" // its admins and its quotas are given to it
		}
		for _, op := range []string{"UpdateOrganization", "DeleteOrganization"} {
			if _, err := (gate.Policy{}).Authorize(w.view, admin, opOf(t, op), path); outcome(err) != want {
				t.Errorf("%s: %v, want %s", op, err, want)
			}
		}
	}
	// A superAdmin of the organization is nobody's to manage but superAdmins'.
	for _, op := range []string{"UpdateUser", "DeleteUser", "SetUserApiToken", "ResetUserPassword"} {
		path := map[string]model.ID{"userId": w.who[model.RoleSuperAdmin].User}
		if _, err := (gate.Policy{}).Authorize(w.view, admin, opOf(t, op), path); !fault.Is(err, fault.Denied) {
			t.Errorf("%s on a superAdmin: %v", op, err)
		}
	}
	// What is in the projects is for their members.
	volume := &model.Volume{Project: apart[model.KindProject]}
	if access.Visible(w.view, admin, volume) {
		t.Error("he sees what is in a project that he is no member of")
	}
	p, _ := w.view.Get(model.KindProject, apart[model.KindProject])
	if !access.ShowSecrets(w.view, admin, p) {
		t.Error("writing back a project would empty its secrets")
	}
}

// The deletion of a project is followed by who asked for it, though he was no member and it is gone.
func TestWhoDeletesAProjectFollowsThat(t *testing.T) {
	w, admin, apart := organized(t)
	op := &operation.Operation{Project: id(0x999), ActorID: admin.User, Target: operation.Target{Kind: model.KindProject, ID: apart[model.KindProject]}}
	other := &operation.Operation{Project: id(0x999), ActorID: admin.User, Target: operation.Target{Kind: model.KindVolume}}
	for _, c := range []struct {
		who  access.Identity
		op   *operation.Operation
		want bool
	}{{admin, op, true}, {admin, other, false}, {w.who[model.RoleProjectAdmin], op, false}, {w.who["nobody"], op, false}} {
		if access.Visible(w.view, c.who, c.op) != c.want {
			t.Errorf("%s of %s to %s: want %v", c.op.Target.Kind, c.op.ActorID, c.who.User, c.want)
		}
	}
}

// Field by field: what an admin of an organization may make and change.
func TestAdminsOfAnOrganizationStayInIt(t *testing.T) {
	w, admin, apart := organized(t)
	ours, theirs := w.ids[model.KindOrganization][0], w.ids[model.KindOrganization][1]
	check := func(what, op string, old, new model.Object, field string) {
		t.Helper()
		err := (gate.Policy{}).Check(w.view, admin, opOf(t, op), nil, gate.Sent{Old: old, New: new})
		if field == "" && err != nil || field != "" && (err == nil || fault.From(err).Field != field) {
			t.Errorf("%s: %v, want a refusal of %q", what, err, field)
		}
	}
	check("a user of his", "CreateUser", nil, &model.User{Role: model.RoleProjectAdmin, Organization: ours}, "")
	check("a user of nobody named", "CreateUser", nil, &model.User{Role: model.RoleUser}, "")
	check("a user of theirs", "CreateUser", nil, &model.User{Role: model.RoleUser, Organization: theirs}, "organization")
	check("another admin", "CreateUser", nil, &model.User{Role: model.RoleUser, Organization: ours, Head: true}, "organization_admin")
	check("a superAdmin", "CreateUser", nil, &model.User{Role: model.RoleSuperAdmin, Organization: ours}, "role")
	check("a team of his", "CreateTeam", nil, &model.Team{Organization: ours, Users: []model.ID{apart[model.KindUser]}}, "")
	check("a team with one of theirs", "CreateTeam", nil, &model.Team{Organization: ours, Users: []model.ID{w.ids[model.KindUser][1]}}, "users")
	check("a project of his", "CreateProject", nil, &model.Project{Organization: ours, Teams: []model.ID{apart[model.KindTeam]}}, "")
	check("a project with a team of theirs", "CreateProject", nil, &model.Project{Teams: []model.ID{w.ids[model.KindTeam][1]}}, "teams")
	check("a project of theirs", "CreateProject", nil, &model.Project{Organization: theirs}, "organization")

	change := func(kind model.Kind, edit func(model.Object)) (old, new model.Object) {
		old, _ = w.view.Get(kind, apart[kind])
		new = old.Clone()
		edit(new)
		return old, new
	}
	for _, c := range []struct {
		what, op string
		kind     model.Kind
		edit     func(model.Object)
		field    string
	}{
		{"quotas", "UpdateProject", model.KindProject, func(o model.Object) { o.(*model.Project).Quotas.VCPUs = 8 }, ""},
		{"a project's organization", "UpdateProject", model.KindProject, func(o model.Object) { o.(*model.Project).Organization = "" }, "organization"},
		{"a role", "UpdateUser", model.KindUser, func(o model.Object) { o.(*model.User).Role = model.RoleProjectAdmin }, ""},
		{"the highest role", "UpdateUser", model.KindUser, func(o model.Object) { o.(*model.User).Role = model.RoleSuperAdmin }, "role"},
		{"who is an admin", "UpdateUser", model.KindUser, func(o model.Object) { o.(*model.User).Head = true }, "organization_admin"},
		{"a user's organization", "UpdateUser", model.KindUser, func(o model.Object) { o.(*model.User).Organization = theirs }, "organization"},
		{"a team's organization", "UpdateTeam", model.KindTeam, func(o model.Object) { o.(*model.Team).Organization = "" }, "organization"},
	} {
		old, new := change(c.kind, c.edit)
		check(c.what, c.op, old, new, c.field)
		// Of who is not its admin nothing of this is taken.
		if err := (gate.Policy{}).Check(w.view, w.who[model.RoleProjectAdmin], opOf(t, c.op), nil, gate.Sent{Old: old, New: new}); err == nil && c.kind != model.KindTeam {
			t.Errorf("%s by a projectAdmin passes", c.what)
		}
	}
}

// Without an organization nobody is an admin of one, and nothing else changes.
func TestNobodyHeadsTheInstallation(t *testing.T) {
	w := newWorld(t)
	for name, who := range w.who {
		if access.Heads(w.view, who) != "" {
			t.Errorf("%s heads an organization", name)
		}
		for _, kind := range []model.Kind{model.KindUser, model.KindTeam, model.KindProject} {
			o, _ := w.view.Get(kind, w.ids[kind][0])
			if access.Governs(w.view, who, o) {
				t.Errorf("%s governs a %s", name, kind)
			}
		}
	}
}
