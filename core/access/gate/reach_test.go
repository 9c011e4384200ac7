package gate_test

import (
	"slices"
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// What a member sees of the shared ground: the storage of his regions before anything of his is on it,
// and the public segment once a machine of his has a card there, but nobody else's card.
func TestMembersSeeTheSharedGroundTheyStandOn(t *testing.T) {
	w := newWorld(t)
	who := w.who[model.RoleUser]
	var pool, template, net, subnet, card, other model.ID
	add := func(d model.Draft, n int, o model.Object) model.ID {
		t.Helper()
		o.Base().ID, o.Base().Name = id(0x900+n), string(o.Kind())+"-shared-"+string(rune('a'+n))
		if err := d.Put(o); err != nil {
			t.Fatal(err)
		}
		return o.Base().ID
	}
	attach := func(attached bool) model.View {
		return w.with(t, func(d model.Draft) error {
			pool = add(d, 0, &model.Pool{Region: w.ids[model.KindRegion][0]})
			template = add(d, 1, &model.Template{Pool: pool})
			net = add(d, 2, &model.VNet{Region: w.ids[model.KindRegion][0]})
			subnet = add(d, 3, &model.Subnet{VNet: net})
			card = add(d, 4, &model.Adapter{Subnet: subnet, MAC: "da:1e:70:00:00:f0"})
			other = add(d, 5, &model.Adapter{Subnet: subnet, MAC: "da:1e:70:00:00:f1"})
			i, _ := model.Find[*model.Instance](d, w.ids[model.KindInstance][0])
			i = model.Edit(i)
			if attached {
				i.Adapters = append([]model.ID{card}, i.Adapters...)
			}
			return d.Put(i)
		})
	}
	for _, attached := range []bool{false, true} {
		v := attach(attached)
		scope := access.NewScope(v, who)
		for _, c := range []struct {
			kind model.Kind
			id   model.ID
			want bool
		}{
			{model.KindPool, pool, true}, {model.KindTemplate, template, true},
			{model.KindVNet, net, attached}, {model.KindSubnet, subnet, attached}, {model.KindAdapter, card, attached}, {model.KindAdapter, other, false},
		} {
			o, _ := v.Get(c.kind, c.id)
			if access.Visible(v, who, o) != c.want || scope.Visible(o) != c.want {
				t.Errorf("attached=%v: the %s is visible: %v, in lists: %v", attached, c.kind, access.Visible(v, who, o), scope.Visible(o))
			}
		}
		if !attached {
			continue
		}
		// Seeing the card and the segment is not managing them.
		for op, path := range map[string]map[string]model.ID{
			"DeleteAdapter": {"adapterId": card}, "CreateAdapter": {"subnetId": subnet}, "UpdateSubnet": {"subnetId": subnet},
		} {
			if _, err := (gate.Policy{}).Authorize(v, w.who[model.RoleProjectAdmin], opOf(t, op), path); !fault.Is(err, fault.Denied) {
				t.Errorf("%s on the public segment: %v", op, err)
			}
		}
	}
}

// A user of two teams of one project is in it once.
func TestProjectsAreCountedOnce(t *testing.T) {
	w := newWorld(t)
	who := w.who[model.RoleUser]
	v := w.with(t, func(d model.Draft) error {
		team := &model.Team{Users: []model.ID{who.User}}
		team.ID, team.Name = id(0x900), "second"
		if err := d.Put(team); err != nil {
			return err
		}
		p, _ := model.Find[*model.Project](d, w.ids[model.KindProject][0])
		p = model.Edit(p)
		p.Teams = []model.ID{team.ID, w.ids[model.KindTeam][0]}
		return d.Put(p)
	})
	var got []model.ID
	for p := range access.Projects(v, who) {
		got = append(got, p.ID)
	}
	if !slices.Equal(got, []model.ID{w.ids[model.KindProject][0]}) {
		t.Errorf("projects: %v", got)
	}
	for range access.Projects(v, w.who["master key"]) {
		t.Error("the master key is a member of a project")
	}
}

// People of one team know each other's names, in v2; strangers do not.
func TestTeamMatesAreAcquainted(t *testing.T) {
	w := newWorld(t)
	user, admin := w.who[model.RoleUser], w.who[model.RoleProjectAdmin]
	if !access.Acquainted(w.view, user, admin.User) || access.Acquainted(w.view, user, w.ids[model.KindUser][1]) || access.Acquainted(w.view, access.Identity{}, admin.User) {
		t.Error("who knows whom is wrong")
	}
	o, _ := w.view.Get(model.KindUser, admin.User)
	if access.Visible(w.view, user, o) {
		t.Error("a team mate's account is visible")
	}
}
