package gate_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// outcome is how a call ends, in the words of the tables.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return strconv.Itoa(fault.CodeOf(err).HTTPStatus())
}

// rights reads testdata/rights.txt: for every operation the seven outcomes.
func rights(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][]string{}
	var ops []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] != ' ':
			ops = nil
		case strings.Contains(line, "|"):
			cells := strings.Fields(strings.ReplaceAll(line, "|", " "))
			if len(cells) != 7 || len(ops) == 0 {
				t.Fatalf("not a row: %q", line)
			}
			for _, op := range ops {
				if table[op] != nil {
					t.Errorf("%s is in two rows", op)
				}
				table[op] = cells
			}
		default:
			ops = append(ops, strings.Fields(line)...)
		}
	}
	return table
}

// Every operation, called by everybody, on his own objects, on those of others and on ids that do not
// exist, ends as the table says; the table has every operation and no other.
func TestEveryCellOfTheTable(t *testing.T) {
	w := newWorld(t)
	table := rights(t)
	for _, op := range append(slices.Clone(catalogue.Ops()), &catalogue.ReadPair) {
		row := table[op.ID]
		if row == nil {
			t.Errorf("%s is not in the table", op.ID)
			continue
		}
		delete(table, op.ID)
		check := func(caller, whose, want string, path map[string]model.ID) {
			t.Helper()
			target, err := gate.Policy{}.Authorize(w.view, w.who[caller], op, path)
			if got := outcome(err); got != want {
				t.Errorf("%s by %s on %s objects: %s (%v), want %s", op.ID, caller, whose, got, err, want)
			}
			if param := op.Target(); err == nil && param != "" && (target == nil || target.Base().ID != path[param]) {
				t.Errorf("%s by %s: the target is %v, want %s", op.ID, caller, target, path[param])
			}
		}
		check("nobody", "own", row[0], w.path(op, w.who[model.RoleUser], false))
		for i, caller := range []string{model.RoleUser, model.RoleProjectAdmin, model.RoleSuperAdmin} {
			who := w.who[caller]
			check(caller, "own", row[1+2*i], w.path(op, who, false))
			check(caller, "foreign", row[2+2*i], w.path(op, who, true))
			for n := range op.Params {
				path := w.path(op, who, false)
				path[op.Params[n].Name] = id(0xffffff)
				check(caller, "unknown", "404", path)
				path[op.Params[n].Name] = "../../etc/passwd"
				check(caller, "malformed", "404", path)
				check("nobody", "unknown", row[0], path)
			}
		}
		check("master key", "own", row[5], w.path(op, w.who[model.RoleSuperAdmin], false))
		check("master key", "foreign", row[6], w.path(op, w.who[model.RoleSuperAdmin], true))
	}
	for name := range table {
		t.Errorf("the table has %s, which is no operation", name)
	}
}

// What exists for whom, one line a kind; lists, single reads and references in bodies follow from it.
func TestEveryKindIsVisibleToWhomTheTableSays(t *testing.T) {
	w := newWorld(t)
	raw, err := os.ReadFile("testdata/visible.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[model.Kind]bool{}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Fields(strings.ReplaceAll(line, "|", " "))
		if len(cells) == 0 || cells[0] == "#" {
			continue
		}
		kind := model.Kind(cells[0])
		seen[kind] = true
		// Nobody of this world is in an organization.
		if reserved := access.Reserved(kind); kind != model.KindOrganization && reserved != (cells[1] == "no") {
			t.Errorf("%s is for superAdmins alone: %v", kind, reserved)
		}
		check := func(caller string, foreign bool, want string) {
			t.Helper()
			who := w.who[caller]
			o, ok := w.view.Get(kind, w.own(who, kind, foreign))
			if !ok {
				t.Fatalf("the world has no %s", kind)
			}
			if got := access.Visible(w.view, who, o); got != (want == "yes") {
				t.Errorf("%s, foreign=%v, visible to %s: %v, want %s", kind, foreign, caller, got, want)
			}
			if got := access.NewScope(w.view, who).Visible(o); got != (want == "yes") {
				t.Errorf("%s, foreign=%v, in a list of %s: %v, want %s", kind, foreign, caller, got, want)
			}
		}
		for i, caller := range []string{model.RoleUser, model.RoleProjectAdmin} {
			check(caller, false, cells[1+2*i])
			check(caller, true, cells[2+2*i])
		}
		for _, foreign := range []bool{false, true} {
			check(model.RoleSuperAdmin, foreign, "yes")
			check("master key", foreign, "yes")
			check("nobody", foreign, "no")
		}
	}
	for kind := range w.ids {
		if !seen[kind] {
			t.Errorf("%s is not in the table", kind)
		}
	}
	for _, k := range catalogue.Kinds {
		if !seen[k.Name] {
			t.Errorf("%s is not in the table", k.Name)
		}
	}
}

// The installation's own settings hold signing keys; not even a superAdmin reads them.
func TestSettingsAreNobodys(t *testing.T) {
	w := newWorld(t)
	if access.Visible(w.view, w.who["master key"], &model.Setting{}) {
		t.Error("a setting is visible")
	}
}

// An object in a path must lie where the path says: the default pool of a region is one of its own.
func TestPathsHangTogether(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		op     string
		parent model.Kind
		child  model.Kind
	}{
		{"SetRegionDefaultStoragePool", model.KindRegion, model.KindPool},
		{"SetVNetDefaultSubnet", model.KindVNet, model.KindSubnet},
		{"SetStoragePoolDefaultTemplate", model.KindPool, model.KindTemplate},
	} {
		path := map[string]model.ID{string(c.parent) + "Id": w.ids[c.parent][0], string(c.child) + "Id": w.ids[c.child][1]}
		if _, err := (gate.Policy{}).Authorize(w.view, w.who["master key"], opOf(t, c.op), path); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s with a %s of another %s: %v", c.op, c.child, c.parent, err)
		}
	}
}

// An id that does not exist and one that the caller may not know of are refused in the same words.
func TestInvisibleIsAnsweredLikeUnknown(t *testing.T) {
	w := newWorld(t)
	op := opOf(t, "ReadInstance")
	_, foreign := (gate.Policy{}).Authorize(w.view, w.who[model.RoleUser], op, map[string]model.ID{"instanceId": w.ids[model.KindInstance][1]})
	_, unknown := (gate.Policy{}).Authorize(w.view, w.who[model.RoleUser], op, map[string]model.ID{"instanceId": id(0xabcdef)})
	if foreign == nil || unknown == nil || foreign.Error() != unknown.Error() {
		t.Errorf("foreign: %v; unknown: %v", foreign, unknown)
	}
}

// While it is created an object exists in v2, to be watched and cancelled, but not in v1.
func TestObjectsInTheMakingAreHiddenInV1(t *testing.T) {
	w := newWorld(t)
	v := w.with(t, func(d model.Draft) error {
		o, _ := model.Find[*model.Instance](d, w.ids[model.KindInstance][0])
		o = model.Edit(o)
		o.Phase = model.Creating
		return d.Put(o)
	})
	op, path := opOf(t, "DeleteInstance"), map[string]model.ID{"instanceId": w.ids[model.KindInstance][0]}
	if _, err := (gate.Policy{}).Authorize(v, w.who["master key"], op, path); err != nil {
		t.Errorf("v2: %v", err)
	}
	if _, err := (gate.Policy{}).AuthorizeV1(v, w.who["master key"], op, path); !fault.Is(err, fault.NotFound) {
		t.Errorf("v1: %v", err)
	}
}

// Membership counts as of the view: who left the team, or whose team left the project, is out with the
// next request.
func TestA29RevokedMembersLoseAccessAtOnce(t *testing.T) {
	w := newWorld(t)
	op := opOf(t, "ReadKompute")
	who := w.who[model.RoleProjectAdmin]
	path := w.path(op, who, false)
	for name, change := range map[string]func(d model.Draft) error{
		"left the team": func(d model.Draft) error {
			team, _ := model.Find[*model.Team](d, w.ids[model.KindTeam][0])
			team = model.Edit(team)
			team.Users = []model.ID{w.who[model.RoleUser].User}
			return d.Put(team)
		},
		"the team left the project": func(d model.Draft) error {
			p, _ := model.Find[*model.Project](d, w.ids[model.KindProject][0])
			p = model.Edit(p)
			p.Teams = []model.ID{w.ids[model.KindTeam][1]}
			return d.Put(p)
		},
	} {
		if _, err := (gate.Policy{}).Authorize(w.view, who, op, path); err != nil {
			t.Fatalf("%s: before: %v", name, err)
		}
		if _, err := (gate.Policy{}).Authorize(w.with(t, change), who, op, path); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: after: %v", name, err)
		}
	}
}

func TestSecretsAreShownToWhoManages(t *testing.T) {
	w := newWorld(t)
	project, _ := w.view.Get(model.KindProject, w.ids[model.KindProject][0])
	foreign, _ := w.view.Get(model.KindProject, w.ids[model.KindProject][1])
	pool, _ := w.view.Get(model.KindPool, w.ids[model.KindPool][0])
	for _, c := range []struct {
		caller string
		o      model.Object
		want   bool
	}{
		{model.RoleUser, project, false}, {model.RoleProjectAdmin, project, true}, {model.RoleProjectAdmin, foreign, false},
		{model.RoleProjectAdmin, pool, false}, {model.RoleSuperAdmin, pool, true}, {"master key", foreign, true}, {"nobody", project, false},
	} {
		if got := access.ShowSecrets(w.view, w.who[c.caller], c.o); got != c.want {
			t.Errorf("%s of %s shown to %s: %v", c.o.Kind(), c.o.Base().Name, c.caller, got)
		}
	}
}

func BenchmarkVisible(b *testing.B) {
	w := newWorld(b)
	o, _ := w.view.Get(model.KindKompute, w.ids[model.KindKompute][0])
	for _, caller := range []string{"master key", model.RoleUser} {
		who := w.who[caller]
		b.Run(caller, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !access.Visible(w.view, who, o) {
					b.Fatal("not visible")
				}
			}
		})
	}
}

// Reading costs no allocation for who may see everything, and none for members.
func TestVisibleDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	o, _ := w.view.Get(model.KindKompute, w.ids[model.KindKompute][0])
	for _, caller := range []string{"master key", model.RoleUser} {
		who := w.who[caller]
		if n := testing.AllocsPerRun(100, func() { access.Visible(w.view, who, o) }); n != 0 {
			t.Errorf("%s: %v allocations", caller, n)
		}
	}
}
