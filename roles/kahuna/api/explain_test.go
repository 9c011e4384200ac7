package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/model"
	"kowabunga/store"
)

// fleet is the topology with a second and a third host, the third in another zone, and one machine.
func fleet(t *testing.T) (*world, map[string]string) {
	w := newWorld(t)
	ids := w.topology()
	w.kompute(ids, "m1")
	ids["other"] = w.id("/api/v1/region/"+ids["region"]+"/zone", `{"name":"eu-b"}`)
	for name, zone := range map[string]string{"k2": ids["zone"], "k3": ids["other"]} {
		agent := w.id("/api/v1/agent", `{"name":"agent-`+name+`","type":"Kaktus"}`)
		ids[name] = w.id("/api/v1/zone/"+zone+"/kaktus", fmt.Sprintf(`{"name":%q,"agents":[%q]}`, name, agent))
		w.report(ids[name])
	}
	return w, ids
}

// Why not there: what is against the host now, in the words of the decision; or, where nothing is, what
// is better. Hosts that the caller may not know of are not there for him.
func TestWhyNotThere(t *testing.T) {
	w, ids := fleet(t)
	ask := func(host string) map[string]any {
		t.Helper()
		return w.must("GET", "/api/v2/explain/kompute/m1?why_not="+host, "")["why_not"].(map[string]any)
	}
	if why := ask("k2"); why["verdict"] != "refused" || !strings.Contains(why["value"].(string), "without access to the pool") || why["here"] != false {
		t.Errorf("a host that does not reach the disks: %v", why)
	}
	if why := ask(ids["k3"]); why["verdict"] != "refused" || !strings.Contains(why["value"].(string), `in zone "eu-b"`) {
		t.Errorf("a host of another zone: %v", why)
	}
	if why := ask("k1"); why["verdict"] != "chosen" || why["here"] != true {
		t.Errorf("the host it is on: %v", why)
	}
	w.must("PUT", "/api/v2/kaktuses/k1?wait=true", fmt.Sprintf(`{"name":"k1","agents":[%q],"maintenance":true}`, ids["agent"]))
	if why := ask("k1"); why["verdict"] != "refused" || !strings.Contains(why["value"].(string), "in maintenance") || why["here"] != true {
		t.Errorf("the host it is on, in maintenance: %v", why)
	}
	for path, want := range map[string]int{"kompute/m1?why_not=nowhere": 404, "region/eu?why_not=k1": 400} {
		if a := w.do("GET", "/api/v2/explain/"+path, ""); a.status != want {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.body, want)
		}
	}
	if a := w.do("GET", "/api/v2/explain/kompute/m1?why_not=k1", "", "X-API-Key", w.key(ids["reader"])); a.status != 404 || strings.Contains(a.body, "maintenance") {
		t.Errorf("a member learns of a host: %d %s", a.status, a.body)
	}
}

// What would fit: the host for superAdmins, and for members of the project how many fit and what is
// short, without a word about hosts; for others the project does not exist.
func TestWhatWouldFit(t *testing.T) {
	w, ids := fleet(t)
	const path = "/api/v2/explain/placement"
	wish := func(more string) string {
		return `{"project":"web","zone":"eu-a","vcpus":4,"memory":1073741824` + more + `}`
	}
	got := w.must("POST", path, wish(""))
	host, _ := got["host"].(map[string]any)
	fits := got["fits"].(float64)
	if host["name"] != "k1" || host["id"] != ids["kaktus"] || fits < 1 || got["refused"] != nil || !strings.Contains(fmt.Sprint(got["facts"]), "1 without access to the pool") {
		t.Errorf("%v", got)
	}
	mine := w.do("POST", path, wish(""), "X-API-Key", w.key(ids["reader"]))
	if mine.status != 200 || !strings.Contains(mine.body, fmt.Sprintf(`"host":null,"fits":%v`, fits)) || !strings.Contains(mine.body, "1 without access to the pool") {
		t.Errorf("for a member: %d %s", mine.status, mine.body)
	}
	for _, secret := range []string{ids["kaktus"], ids["k2"], "k1", "k2"} {
		if strings.Contains(mine.body, `"`+secret) || strings.Contains(mine.body, secret+":") {
			t.Errorf("a member learns of host %s: %s", secret, mine.body)
		}
	}
	if got := w.must("POST", path, `{"project":"web","zone":"eu-a","vcpus":4000,"memory":1}`); got["host"] != nil || got["fits"] != 0.0 || !strings.Contains(got["refused"].(string), "short of CPUs") {
		t.Errorf("too large: %v", got)
	}
	w.must("PUT", "/api/v2/projects/web", fmt.Sprintf(`{"name":"web","teams":[%q],"regions":[%q],"quotas":{"vcpus":2}}`, ids["team"], ids["region"]))
	if got := w.must("POST", path, wish("")); got["fits"] != fits || !strings.Contains(got["refused"].(string), "quota of virtual CPUs") {
		t.Errorf("beyond the quota: %v", got)
	}
	for body, want := range map[string]int{`{`: 400, `[]`: 400, `{"zone":"eu-a","vcpus":1,"memory":1}`: 422, `{"project":"web","zone":"nowhere","vcpus":1,"memory":1}`: 422,
		`{"project":"web","zone":"eu-a","memory":1}`: 422, wish(`,"pool":"none"`): 422, wish(`,"kwarantine":"none"`): 422} {
		if a := w.do("POST", path, body); a.status != want {
			t.Errorf("%s: %d %s, want %d", body, a.status, a.body, want)
		}
	}
	if a := w.do("POST", path, wish(""), "X-API-Key", w.key(ids["stranger"])); a.status != 422 || !strings.Contains(a.body, `"field":"project"`) {
		t.Errorf("for a stranger: %d %s", a.status, a.body)
	}
}

// A machine that is together with others of a group that is to be apart says so until it is placed anew.
func TestTogetherShows(t *testing.T) {
	w, ids := fleet(t)
	w.kompute(ids, "m2")
	group := w.must("POST", "/api/v2/kwarantines?project=web", `{"name":"apart"}`)
	for _, name := range []string{"m1", "m2"} {
		w.must("PUT", "/api/v2/komputes/"+name, fmt.Sprintf(`{"name":%q,"memory":1073741824,"vcpus":1,"disk":4294967296,"kwarantine":%q}`, name, group["id"]))
	}
	if got := fmt.Sprint(w.must("GET", "/api/v2/explain/kompute/m1", "")["now"]); !strings.Contains(got, "apart: 1 more of its machines in the same host") || !strings.Contains(got, "refused") {
		t.Errorf("%s", got)
	}
	if got := w.must("GET", "/api/v2/kwarantines/apart", ""); len(got["komputes"].([]any)) != 2 || len(got["instances"].([]any)) != 0 {
		t.Errorf("its members: %v", got)
	}
	if got := w.must("POST", "/api/v2/explain/placement", `{"project":"web","zone":"eu-a","vcpus":1,"memory":1,"kwarantine":"apart"}`); got["fits"] != 0.0 ||
		!strings.Contains(got["refused"].(string), `of kwarantine "apart"`) {
		t.Errorf("a third one: %v", got)
	}
	// The operation may be forgotten; what is so now is told all the same.
	if _, err := w.store.Update(context.Background(), store.Cause{}, func(d model.Draft) error {
		for o := range d.All("operation") {
			if err := d.Delete("operation", o.Base().ID); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := w.must("GET", "/api/v2/explain/kompute/m1?why_not=k1", ""); got["operation"] != nil || got["why_not"] == nil {
		t.Errorf("%v", got)
	}
}
