package gate_test

import (
	"testing"

	"kowabunga/core/access/gate"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// find returns a clone of a tenant's object to change.
func find[O model.Object](w *world, tenant int) O {
	var zero O
	o, _ := model.Find[O](w.view, w.ids[zero.Kind()][tenant])
	return model.Edit(o)
}

func refused(t *testing.T, what string, err error, code fault.Code, field string) {
	t.Helper()
	f := fault.From(err)
	if f == nil || f.Code != code || f.Field != field {
		t.Errorf("%s: got %+v, want %s of %q", what, f, code, field)
	}
}

func TestA3NobodyChangesHisOwnRole(t *testing.T) {
	w := newWorld(t)
	op := opOf(t, "UpdateUser")
	for _, caller := range []string{model.RoleUser, model.RoleProjectAdmin} {
		who := w.who[caller]
		o, _ := model.Find[*model.User](w.view, who.User)
		promoted := model.Edit(o)
		promoted.Role = model.RoleSuperAdmin
		refused(t, caller, gate.Policy{}.Check(w.view, who, op, nil, gate.Sent{Old: o, New: promoted}), fault.Denied, "role")
		moved := model.Edit(o)
		moved.Email = "other@example.org"
		if err := (gate.Policy{}).Check(w.view, who, op, nil, gate.Sent{Old: o, New: moved}); err != nil {
			t.Errorf("%s asks for another address: %v", caller, err) // which is his once he proved it
		}
		for _, state := range []func(u *model.User){
			func(u *model.User) { u.Confirmed = !u.Confirmed }, func(u *model.User) { u.Bot = true }, func(u *model.User) { u.PendingEmail = "x@example.org" },
		} {
			changed := model.Edit(o)
			state(changed)
			refused(t, caller, gate.Policy{}.Check(w.view, who, op, nil, gate.Sent{Old: o, New: changed}), fault.Denied, "")
		}
		renamed := model.Edit(o)
		renamed.Name, renamed.Description, renamed.Notifications = "new", "text", true
		if err := (gate.Policy{}).Check(w.view, who, op, nil, gate.Sent{Old: o, New: renamed}); err != nil {
			t.Errorf("%s changes his name: %v", caller, err)
		}
		if err := (gate.Policy{}).Check(w.view, w.who["master key"], op, nil, gate.Sent{Old: o, New: promoted}); err != nil {
			t.Errorf("the master key changes a role: %v", err)
		}
	}
}

func TestA8ProjectAdminsDoNotChangeTheirOwnLimits(t *testing.T) {
	w := newWorld(t)
	op, who := opOf(t, "UpdateProject"), w.who[model.RoleProjectAdmin]
	old := find[*model.Project](w, 0)
	for field, change := range map[string]func(p *model.Project){
		"name":    func(p *model.Project) { p.Name = "x" },
		"quotas":  func(p *model.Project) { p.Quotas.VCPUs = 1000 },
		"teams":   func(p *model.Project) { p.Teams = append([]model.ID{}, w.ids[model.KindTeam][1]) },
		"regions": func(p *model.Project) { p.Regions = append([]model.ID{}, w.ids[model.KindRegion][1]) },
	} {
		changed := find[*model.Project](w, 0)
		change(changed)
		refused(t, field, gate.Policy{}.Check(w.view, who, op, nil, gate.Sent{Old: old, New: changed}), fault.Denied, field)
		if err := (gate.Policy{}).Check(w.view, w.who["master key"], op, nil, gate.Sent{Old: old, New: changed}); err != nil {
			t.Errorf("the master key changes %s: %v", field, err)
		}
	}
	changed := find[*model.Project](w, 0)
	changed.Domain, changed.Tags, changed.RootPassword, changed.Description = "acme.org", []string{"a"}, "new", "d"
	changed.BootstrapUser, changed.BootstrapPubkey, changed.Metadatas = "ops", "ssh-ed25519 AAAA", []model.Metadata{{Key: "k"}}
	if err := (gate.Policy{}).Check(w.view, who, op, nil, gate.Sent{Old: old, New: changed}); err != nil {
		t.Errorf("what a projectAdmin may change: %v", err)
	}
}

// A team that the caller is not in has to be repeated in every PUT of the project; that is not asking
// for it.
func TestReferencesThatWereThereStay(t *testing.T) {
	w := newWorld(t)
	both := find[*model.Project](w, 0)
	both.Teams = []model.ID{w.ids[model.KindTeam][0], w.ids[model.KindTeam][1]}
	v := w.with(t, func(d model.Draft) error { return d.Put(both) })
	same := model.Edit(both)
	same.Description = "new"
	if err := (gate.Policy{}).Check(v, w.who[model.RoleProjectAdmin], opOf(t, "UpdateProject"), nil, gate.Sent{Old: both, New: same}); err != nil {
		t.Error(err)
	}
}

func TestA19ReferencesStayInsideTheProject(t *testing.T) {
	w := newWorld(t)
	create := func(op, field string, value model.ID) error {
		path := w.path(opOf(t, op), w.who[model.RoleProjectAdmin], false)
		s := gate.Sent{Query: map[string]string{}}
		switch field {
		case "adapters":
			s.New = &model.Instance{Adapters: []model.ID{value}}
		case "volumes":
			s.New = &model.Instance{Volumes: []model.ID{value}}
		default:
			s.New = catalogue.Of(opOf(t, op).Kind).Table.New()
			s.Query[field] = string(value)
		}
		return gate.Policy{}.Check(w.view, w.who[model.RoleProjectAdmin], opOf(t, op), path, s)
	}
	for _, c := range []struct {
		op, field string
		kind      model.Kind
	}{
		{"CreateProjectRegionVolume", "poolId", model.KindPool},
		{"CreateProjectRegionVolume", "templateId", model.KindTemplate},
		{"CreateProjectZoneKompute", "poolId", model.KindPool},
		{"CreateProjectZoneKompute", "templateId", model.KindTemplate},
		{"CreateProjectZoneInstance", "adapters", model.KindAdapter},
		{"CreateProjectZoneInstance", "volumes", model.KindVolume},
	} {
		if err := create(c.op, c.field, w.ids[c.kind][0]); err != nil {
			t.Errorf("%s with an own %s: %v", c.op, c.kind, err)
		}
		foreign, unknown := create(c.op, c.field, w.ids[c.kind][1]), create(c.op, c.field, id(0xfffff))
		refused(t, c.op+" with a foreign "+string(c.kind), foreign, fault.Invalid, c.field)
		refused(t, c.op+" with an unknown "+string(c.kind), unknown, fault.Invalid, c.field)
		if foreign != nil && unknown != nil && foreign.Error() != unknown.Error() {
			t.Errorf("%s: foreign %q and unknown %q can be told apart", c.op, foreign, unknown)
		}
	}
}

// A superAdmin sees everything, and still cannot mix what belongs to different projects and regions.
func TestA19AlsoForSuperAdmins(t *testing.T) {
	w := newWorld(t)
	who := w.who["master key"]
	for _, c := range []struct {
		op, field string
		sent      gate.Sent
	}{
		{"CreateProjectRegionVolume", "poolId", gate.Sent{Query: map[string]string{"poolId": string(w.ids[model.KindPool][1])}}},
		{"CreateProjectZoneKompute", "templateId", gate.Sent{Query: map[string]string{"templateId": string(w.ids[model.KindTemplate][1])}}},
		{"CreateProjectZoneInstance", "volumes", gate.Sent{New: &model.Instance{Volumes: []model.ID{w.ids[model.KindVolume][1]}}}},
		{"CreateProjectZoneInstance", "adapters", gate.Sent{New: &model.Instance{Adapters: []model.ID{w.ids[model.KindAdapter][1]}}}},
	} {
		op := opOf(t, c.op)
		refused(t, c.op, gate.Policy{}.Check(w.view, who, op, w.path(op, w.who[model.RoleUser], false), c.sent), fault.Invalid, c.field)
	}
	op := opOf(t, "CreateProjectRegionVolume")
	path := map[string]model.ID{"projectId": w.ids[model.KindProject][0], "regionId": w.ids[model.KindRegion][1]}
	refused(t, "a region the project does not use", gate.Policy{}.Check(w.view, who, op, path, gate.Sent{}), fault.Invalid, "region")

	old := find[*model.Instance](w, 0)
	changed := find[*model.Instance](w, 0)
	changed.Volumes = append([]model.ID{w.ids[model.KindVolume][1]}, old.Volumes...)
	refused(t, "an update", gate.Policy{}.Check(w.view, who, opOf(t, "UpdateInstance"), nil, gate.Sent{Old: old, New: changed}), fault.Invalid, "volumes")
}

// A card on a public subnet may serve any project of the region; one on an unassigned private subnet
// may not.
func TestPublicAdaptersServeEveryProject(t *testing.T) {
	w := newWorld(t)
	for _, private := range []bool{false, true} {
		var adapter model.ID
		v := w.with(t, func(d model.Draft) error {
			net := &model.VNet{Region: w.ids[model.KindRegion][0], Private: private}
			net.ID, net.Name = id(0x900), "shared"
			sub := &model.Subnet{VNet: net.ID}
			sub.ID, sub.Name = id(0x901), "shared"
			card := &model.Adapter{Subnet: sub.ID, MAC: "da:1e:70:ff:ff:ff"}
			card.ID, card.Name = id(0x902), "shared"
			adapter = card.ID
			for _, o := range []model.Object{net, sub, card} {
				if err := d.Put(o); err != nil {
					return err
				}
			}
			return nil
		})
		op := opOf(t, "CreateProjectZoneInstance")
		err := gate.Policy{}.Check(v, w.who["master key"], op, w.path(op, w.who[model.RoleUser], false), gate.Sent{New: &model.Instance{Adapters: []model.ID{adapter}}})
		if private {
			refused(t, "private", err, fault.Invalid, "adapters")
		} else if err != nil {
			t.Errorf("public: %v", err)
		}
	}
}

func TestProjectAdminsCreateProjectsWhereTheyMay(t *testing.T) {
	w := newWorld(t)
	op, who := opOf(t, "CreateProject"), w.who[model.RoleProjectAdmin]
	open := gate.Policy{ProjectAdminsCreateProjects: true}
	if _, err := open.Authorize(w.view, who, op, nil); err != nil {
		t.Errorf("where it is allowed: %v", err)
	}
	if _, err := open.Authorize(w.view, w.who[model.RoleUser], op, nil); !fault.Is(err, fault.Denied) {
		t.Errorf("a user where projectAdmins may: %v", err)
	}
	for _, c := range []struct {
		what  string
		teams []model.ID
		code  fault.Code
	}{
		{"own team", []model.ID{w.ids[model.KindTeam][0]}, ""},
		{"no team", nil, fault.Denied},
		{"foreign team", []model.ID{w.ids[model.KindTeam][1]}, fault.Denied},
		{"own and foreign team", []model.ID{w.ids[model.KindTeam][0], w.ids[model.KindTeam][1]}, fault.Invalid},
	} {
		err := open.Check(w.view, who, op, nil, gate.Sent{New: &model.Project{Teams: c.teams}})
		if fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", c.what, err, c.code)
		}
	}
}
