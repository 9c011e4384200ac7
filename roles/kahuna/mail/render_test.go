package mail

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store/tree"
)

var update = flag.Bool("update", false, "rewrite the golden letters")

// cloud is a small installation whose every letter is written by the functions that write them.
type cloud struct {
	root *tree.Root
	at   time.Time
}

func (c *cloud) change(t testing.TB, f func(d model.Draft, cause account.Cause) error) {
	t.Helper()
	e := c.root.EditAt(c.root.Index()+1, c.at)
	cause := account.Cause{Now: c.at, Draw: model.NewDraw([32]byte{byte(c.root.Index())}, c.at), Terms: account.Terms{URL: "https://cloud.example.org", AdminEmail: "ops@example.org"}}
	if err := f(e, cause); err != nil {
		t.Fatal(err)
	}
	c.root = e.Publish(c.root.Index() + 1)
}

func id(n byte) model.ID { return model.MakeID(noon, [8]byte{n}) }

func put[O model.Object](o O, n byte, name string) O {
	o.Base().ID, o.Base().Name = id(n), name
	return o
}

// every is one letter of each template.
func every(t testing.TB) []*model.Letter {
	t.Helper()
	c := &cloud{root: tree.New(append(catalogue.Tables(), operation.Table)), at: noon}
	eve := put(&model.User{Email: "eve@example.org", Role: model.RoleUser, Notifications: true}, 1, "Eve <3")
	project := put(&model.Project{Teams: []model.ID{id(3), id(4)}, Domain: "web.example.org", BootstrapUser: "ops", Quotas: model.Resources{VCPUs: 8, Memory: 16 << 30}}, 5, "web")
	machine := put(&model.Instance{Project: id(5), Zone: id(7), OS: "linux", VCPUs: 2, Memory: 4 << 30, Adapters: []model.ID{id(10)}, Volumes: []model.ID{id(11)}}, 12, "web-1")
	c.change(t, func(d model.Draft, cause account.Cause) error {
		for _, o := range []model.Object{eve, put(&model.Team{Users: []model.ID{id(1)}}, 3, "a"), put(&model.Team{Users: []model.ID{id(1)}}, 4, "b"), put(&model.Region{}, 6, "eu"),
			put(&model.Zone{Region: id(6)}, 7, "eu-a"), put(&model.VNet{Region: id(6), Private: true}, 8, "private"), put(&model.Pool{Region: id(6)}, 13, "ssd"), project,
			put(&model.Subnet{VNet: id(8), Project: id(5), CIDR: "10.0.0.0/24", Gateway: "10.0.0.1", DNS: "10.0.0.2"}, 9, "net1"),
			put(&model.Adapter{Subnet: id(9), MAC: "da:1e:70:00:00:01", Addresses: []string{"10.0.0.7"}}, 10, "nic"),
			put(&model.Volume{Project: id(5), Region: id(6), Pool: id(13), Type: "os", Size: 20 << 30}, 11, "disk"), put(&model.Kaktus{Zone: id(7), CPUCost: model.Cost{Price: 5, Currency: "EUR"}}, 14, "k1")} {
			if err := d.Put(o); err != nil {
				return err
			}
		}
		machine.Kaktus = id(14)
		return d.Put(machine)
	})
	letters := func(f func(d model.Draft, cause account.Cause) error) { c.at = c.at.Add(time.Hour); c.change(t, f) }
	get := func(d model.View) *model.User { u, _ := model.Find[*model.User](d, id(1)); return u }
	letters(func(d model.Draft, cause account.Cause) error { return account.Invite(d, cause, get(d)) })
	letters(func(d model.Draft, cause account.Cause) error { return account.AskReset(d, cause, get(d), true) })
	letters(func(d model.Draft, cause account.Cause) error {
		u := model.Edit(get(d))
		u.Confirmed = true
		if err := d.Put(u); err != nil {
			return err
		}
		return account.AskAddress(d, cause, u, "eve@new.example.org")
	})
	letters(func(d model.Draft, cause account.Cause) error {
		p, _ := model.One[*model.Proof](d, "purpose", string(id(1))+"|"+model.ProofAddress)
		_, err := account.Follow(d, cause, p)
		return err
	})
	letters(func(d model.Draft, cause account.Cause) error {
		return account.SetPassword(d, cause, get(d), "$hash", true)
	})
	letters(func(d model.Draft, cause account.Cause) error {
		_, err := account.Post(d, cause, account.UserKey, account.To{User: id(1), Name: "Eve <3", Address: "eve@example.org"}, map[string]any{"Key": "kw_SECRET_KEY", "Until": "2030-12-31"}, time.Time{})
		return err
	})
	letters(func(d model.Draft, cause account.Cause) error {
		_, err := account.Post(d, cause, account.AgentKey, account.To{Address: "ops@example.org"}, map[string]any{"Key": "kwa_SECRET", "Until": "", "Agent": "k1", "ID": string(id(14)), "Type": "Kaktus"}, time.Time{})
		return err
	})
	letters(func(d model.Draft, cause account.Cause) error { return account.TellProject(d, cause, project) })
	letters(func(d model.Draft, cause account.Cause) error {
		_, err := account.TellInstance(d, cause, "", machine, "drawn-for-this-machine")
		return err
	})
	var out []*model.Letter
	for l := range model.All[*model.Letter](c.root) {
		out = append(out, l)
	}
	return out
}

// The letters as people read them.
func TestLettersRead(t *testing.T) {
	seen := map[string]int{}
	for _, l := range every(t) {
		seen[l.Name]++
		m, err := render(l)
		if err != nil {
			t.Errorf("%s: %v", l.Name, err)
			continue
		}
		path := filepath.Join("testdata", "letters", l.Name+".txt")
		got := "To: " + m.To.String() + "\nSubject: " + m.Subject + "\n\n" + m.Text + "\n---- HTML ----\n" + m.HTML
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || got != string(want) {
			t.Errorf("%s differs (%v); read the difference, then run with -update:\n%s", path, err, got)
		}
		if strings.Contains(m.HTML, "Eve <3") || strings.Contains(m.HTML, "ZgotmplZ") {
			t.Errorf("%s: HTML with markup from outside", l.Name)
		}
		if !strings.Contains(m.Text, "https://cloud.example.org") {
			t.Errorf("%s does not say where it is from", l.Name)
		}
	}
	for name := range own.htmls {
		if seen[name] != 1 {
			t.Errorf("%d letters of template %s, want one: a member of two teams gets one copy", seen[name], name)
		}
	}
}

// What stands in no template or cannot be read is refused without a word of what it says.
func TestBrokenLettersAreRefused(t *testing.T) {
	for what, l := range map[string]*model.Letter{
		"no template": {Meta: model.Meta{Name: "other"}, Data: `{"Key":"s3cret"}`},
		"the layout":  {Meta: model.Meta{Name: "layout"}, Data: `{"Key":"s3cret"}`},
		"no JSON":     {Meta: model.Meta{Name: account.UserKey}, Data: `{"Key":s3cret`},
		"no data":     {Meta: model.Meta{Name: account.UserKey}},
		"a lack":      {Meta: model.Meta{Name: account.UserKey}, Data: `{"Key":"s3cret","URL":"u"}`},
	} {
		if _, err := render(l); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", what, err)
		}
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(every(t)[0].Data.Reveal()), &data); err != nil || data["URL"] == nil {
		t.Error("the letters of this test are empty")
	}
}
