package operate_test

import (
	"encoding/json"
	"testing"

	"kowabunga/core/account"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

// The letter about a machine waits until the machine runs. It holds the root password only where that was
// drawn for this machine, and only for who confirmed his address.
func TestLettersAboutMachines(t *testing.T) {
	c := newCloud(t)
	c.must("bob", "CreateUser", nil, nil, `{"name":"bob","email":"bob@shop.example","role":"user","notifications":true}`)
	c.must("deaf", "CreateUser", nil, nil, `{"name":"deaf","email":"deaf@shop.example","role":"user"}`)
	c.must("more", "CreateTeam", nil, nil, `{"name":"more","users":["`+string(c.ids["eve"])+`","`+string(c.ids["bob"])+`","`+string(c.ids["deaf"])+`"]}`)
	edit(c, c.ids["eve"], func(u *model.User) { u.Confirmed = true })
	for _, p := range []struct {
		password string
		want     map[string]bool // by address: whether the letter holds a password
	}{
		{"set-by-the-project", map[string]bool{"eve@shop.example": false, "bob@shop.example": false}},
		{"", map[string]bool{"eve@shop.example": true, "bob@shop.example": false}},
	} {
		name := "web" + p.password
		project, _ := model.Find[*model.Project](c.store.View(), c.ids["shop"])
		project = model.Edit(project)
		project.RootPassword, project.Teams = model.Secret(p.password), []model.ID{c.ids["fans"], c.ids["more"]}
		put(c, project)
		before := map[model.ID]bool{}
		for l := range model.All[*model.Letter](c.store.View()) {
			before[l.ID] = true
		}
		c.kompute(name)
		got := map[string]bool{}
		for l := range model.All[*model.Letter](c.store.View()) {
			if before[l.ID] || l.Name != account.Instance {
				continue
			}
			var data struct{ Instance, RootPassword string }
			if err := json.Unmarshal([]byte(l.Data.Reveal()), &data); err != nil {
				t.Fatal(err)
			}
			if _, twice := got[l.To]; twice || data.Instance != name || l.Phase != model.Ready || data.RootPassword != "" && len(data.RootPassword) < 20 {
				t.Errorf("%s: %+v", l.To, l)
			}
			got[l.To] = data.RootPassword != ""
		}
		if len(got) != 2 || got["eve@shop.example"] != p.want["eve@shop.example"] || got["bob@shop.example"] != p.want["bob@shop.example"] {
			t.Errorf("with the project's password %q: %v", p.password, got)
		}
	}
	for op := range model.All[*operation.Operation](c.store.View()) {
		if !op.State.Final() {
			t.Errorf("%s is %s", op.Name, op.State)
		}
	}
}

func put(c *cloud, o model.Object) {
	c.t.Helper()
	if _, err := c.store.Update(c.t.Context(), store.Cause{What: "test"}, func(d model.Draft) error { return d.Put(o) }); err != nil {
		c.t.Fatal(err)
	}
}

func edit(c *cloud, id model.ID, f func(*model.User)) {
	u, _ := model.Find[*model.User](c.store.View(), id)
	u = model.Edit(u)
	f(u)
	put(c, u)
}
