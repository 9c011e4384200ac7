package gate_test

import (
	"fmt"
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store/tree"
)

// world is two tenants side by side, each with one object of every kind, as the real store would hold
// them. Tenant 0 has a user, a projectAdmin and a superAdmin in its team, tenant 1 a stranger.
type world struct {
	view model.View
	ids  map[model.Kind][2]model.ID
	who  map[string]access.Identity
}

func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

// members of tenant 0, and the one of tenant 1.
var members = []string{model.RoleUser, model.RoleProjectAdmin, model.RoleSuperAdmin}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{ids: map[model.Kind][2]model.ID{}, who: map[string]access.Identity{"nobody": {}}}
	e := tree.New(append(catalogue.Tables(), operation.Table)).Edit()
	next := 1
	put := func(tenant int, o model.Object) model.ID {
		t.Helper()
		m := o.Base()
		m.ID = id(next)
		if m.Name == "" {
			m.Name = fmt.Sprintf("%s-%d", o.Kind(), next)
		}
		next++
		if err := e.Put(o); err != nil {
			t.Fatal(err)
		}
		pair := w.ids[o.Kind()]
		if pair[tenant] == "" {
			pair[tenant] = m.ID
			w.ids[o.Kind()] = pair
		}
		return m.ID
	}
	for n := range 2 {
		var team []model.ID
		roles := members
		if n == 1 {
			roles = []string{model.RoleUser}
		}
		for _, role := range roles {
			u := put(n, &model.User{Email: fmt.Sprintf("%s-%d@example.org", role, n), Role: role, Confirmed: true})
			team = append(team, u)
			put(n, &model.Token{User: u, Prefix: string(u)})
			put(n, &model.Session{User: u})
			if n == 0 {
				w.who[role] = access.Identity{User: u, Role: role}
			}
		}
		teamID := put(n, &model.Team{Users: team})
		region := put(n, &model.Region{})
		zone := put(n, &model.Zone{Region: region})
		agent := put(n, &model.Agent{Type: "Kaktus"})
		kaktus := put(n, &model.Kaktus{Zone: zone, Agents: []model.ID{agent}})
		pool := put(n, &model.Pool{Region: region, Pool: "dir:main", Agents: []model.ID{agent}})
		template := put(n, &model.Template{Pool: pool})
		project := put(n, &model.Project{Teams: []model.ID{teamID}, Regions: []model.ID{region}, RootPassword: "hush"})
		vnet := put(n, &model.VNet{Region: region, Private: true})
		subnet := put(n, &model.Subnet{VNet: vnet, Project: project, CIDR: "10.0.0.0/24"})
		adapter := put(n, &model.Adapter{Subnet: subnet, MAC: fmt.Sprintf("da:1e:70:00:00:%02x", n)})
		volume := put(n, &model.Volume{Project: project, Region: region, Pool: pool, Template: template})
		instance := put(n, &model.Instance{Project: project, Zone: zone, Kaktus: kaktus, Adapters: []model.ID{adapter}, Volumes: []model.ID{volume}})
		put(n, &model.Kwarantine{Project: project, Policy: model.ApartByHost})
		put(n, &model.Kompute{Project: project, Zone: zone, Instance: instance})
		nfs := put(n, &model.NFS{Region: region, Pool: pool})
		put(n, &model.Kiwi{Region: region})
		put(n, &model.Organization{})
		put(n, &model.Kylo{Project: project, Region: region, NFS: nfs, ExportID: 1})
		put(n, &model.Record{Project: project})
		kawaii := put(n, &model.Kawaii{Project: project, Region: region})
		put(n, &model.IPsec{Kawaii: kawaii, XFRMID: 1, PreSharedKey: "hush"})
		konvey := put(n, &model.Konvey{Project: project, Region: region, Zone: zone})
		put(n, &model.Node{Project: project, Zone: zone, Kaktus: kaktus, Owner: konvey, Role: "konvey"})
		put(n, &operation.Operation{Project: project})
	}
	w.view = e.Publish(1)
	w.who["master key"] = access.Identity{Name: "master key", Role: model.RoleSuperAdmin}
	return w
}

// own is the id of the caller's own object of a kind, or of the stranger's.
func (w *world) own(who access.Identity, kind model.Kind, foreign bool) model.ID {
	if foreign {
		return w.ids[kind][1]
	}
	switch kind {
	case model.KindUser:
		if who.User != "" {
			return who.User
		}
	case model.KindToken:
		if t, ok := model.One[*model.Token](w.view, "user", who.User); ok {
			return t.ID
		}
	case model.KindSession:
		for s := range model.By[*model.Session](w.view, "user", who.User) {
			return s.ID
		}
	}
	return w.ids[kind][0]
}

// path names the caller's or the stranger's objects in every parameter.
func (w *world) path(op *catalogue.Op, who access.Identity, foreign bool) map[string]model.ID {
	path := map[string]model.ID{}
	for _, p := range op.Params {
		path[p.Name] = w.own(who, p.Kind, foreign)
	}
	return path
}

// with is the world after a change.
func (w *world) with(t testing.TB, f func(d model.Draft) error) model.View {
	t.Helper()
	e := w.view.(*tree.Root).Edit()
	if err := f(e); err != nil {
		t.Fatal(err)
	}
	return e.Publish(2)
}

func opOf(t testing.TB, name string) *catalogue.Op {
	t.Helper()
	for _, op := range catalogue.Ops() {
		if op.ID == name {
			return op
		}
	}
	t.Fatalf("there is no operation %q", name)
	return nil
}
