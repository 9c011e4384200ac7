//go:build lab

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kowabunga/roles/cli/client"
	"kowabunga/testdata/lab/browser"
)

// koala is a pair with a small cloud, and people who look at it.
type koala struct {
	*pair
	api      *client.Client // of the master key
	zone     string
	pool     string
	people   map[string]person
	projects map[string]string // by name
}

// mostProjects is how many projects there is room for: each has a subnet of its own.
const mostProjects = 3

// person is somebody who signs in.
type person struct{ id, email, password string }

// newKoala starts a pair whose agents are its witnesses, with a pool that can make machines.
func newKoala(t testing.TB) *koala {
	t.Helper()
	k := &koala{pair: newPair(t), people: map[string]person{}, projects: map[string]string{}}
	k.agents(3, 0)
	k.api = k.client()
	t.Cleanup(k.api.Close)
	zones := k.named("/zones")
	k.zone = zones["lab-0"]
	vnet := declared(t, k.api, "vnets", url.Values{"region": {k.region}}, `{"name":"lan","interface":"lan"}`)
	for i := range mostProjects {
		declared(t, k.api, "subnets", url.Values{"vnet": {vnet}}, fmt.Sprintf(`{"name":"lan-%d","cidr":"10.9.%[1]d.0/24","gateway":"10.9.%[1]d.1","gw_pool":[{"first":"10.9.%[1]d.2","last":"10.9.%[1]d.9"}]}`, i))
	}
	k.pool = declared(t, k.api, "pools", url.Values{"region": {k.region}}, fmt.Sprintf(`{"name":"disks","pool":"dir:disks","agents":[%q]}`, k.named("/agents")["host-0"]))
	eventually(t, "the host takes an image", func() error {
		_, err := k.api.Do(context.Background(), client.Request{Op: "import", Method: "POST", Path: "/templates", Query: url.Values{"pool": {k.pool}, "wait": {"true"}},
			Body: []byte(`{"name":"tiny","source":"file:///images/tiny.img"}`)})
		return err
	})
	eventually(t, "both are in sync with witnesses", func() error { return k.synced(3) })
	return k
}

// named are the ids of the objects of a kind, by name.
func (k *koala) named(path string) map[string]string {
	k.t.Helper()
	items, err := k.api.Items(context.Background(), "list", path, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	all := map[string]string{}
	for _, item := range items {
		var o struct{ ID, Name string }
		if err := json.Unmarshal(item, &o); err != nil {
			k.t.Fatal(err)
		}
		all[o.Name] = o.ID
	}
	return all
}

// person makes an account that can sign in.
func (k *koala) person(name, role string) person {
	k.t.Helper()
	who := person{email: name + "@example.net", password: "pw-" + strings.ToLower(rand.Text())}
	who.id = declared(k.t, k.api, "users", nil, fmt.Sprintf(`{"name":%q,"email":%q,"role":%q}`, name, who.email, role))
	if _, err := k.api.Do(context.Background(), client.Request{Op: "set a password", V1: true, Method: "PUT", Path: "/user/" + who.id + "/password", Body: body(map[string]any{"value": who.password})}); err != nil {
		k.t.Fatal(err)
	}
	k.people[name] = who
	return who
}

// project makes a project of some people.
func (k *koala) project(name string, members ...person) string {
	k.t.Helper()
	ids := []string{}
	for _, m := range members {
		ids = append(ids, m.id)
	}
	team := declared(k.t, k.api, "teams", nil, string(body(map[string]any{"name": name + "-team", "users": ids})))
	k.projects[name] = declared(k.t, k.api, "projects", url.Values{"subnetSize": {"24"}}, fmt.Sprintf(`{"name":%q,"teams":[%q],"regions":[%q],"root_password":%q}`, name, team, k.region, "root-"+strings.ToLower(rand.Text())))
	return k.projects[name]
}

// machine makes a running machine, as soon as a host is there for it, and returns its instance.
func (k *koala) machine(project, name string) (instance string) {
	k.t.Helper()
	r := client.Request{Op: "create a machine", Method: "POST", Path: "/komputes", Once: true,
		Query: url.Values{"project": {k.projects[project]}, "zone": {k.zone}, "poolId": {k.pool}, "wait": {"true"}},
		Body:  body(map[string]any{"name": name, "memory": 64 << 20, "vcpus": 1, "disk": 1 << 30})}
	eventually(k.t, name+" is made", func() error {
		_, err := k.api.Do(context.Background(), r)
		return err
	})
	if instance = k.named("/instances")[name]; instance == "" {
		k.t.Fatalf("%s has no instance", name)
	}
	return instance
}

// open starts a browser at a node and signs somebody in there.
func (k *koala) open(t testing.TB, at *node, who person) *browser.Browser {
	t.Helper()
	b := browser.Open(t, k.ca)
	b.Do("open Koala", chromedp.Navigate(at.url+"/"))
	signIn(b, who)
	return b
}

// tested finds what the page has for tests to find.
func tested(name string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf("[data-test=%q]", name)) }

func signIn(b *browser.Browser, who person) {
	b.Until("the page asks who it is, and one can type", `document.activeElement?.dataset.test === 'email'`)
	b.Do("sign in", chromedp.SendKeys(tested("email"), who.email), chromedp.SendKeys(tested("password"), who.password), chromedp.Click(tested("sign-in")))
	b.Until("the page knows who it is", `document.querySelector('[data-test=who]')`)
}
