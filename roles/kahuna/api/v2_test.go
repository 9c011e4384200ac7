package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestV2ListsWholeObjectsInPages(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.id("/api/v1/region", fmt.Sprintf(`{"name":"r%d","domain":"d%d"}`, i, i))
	}
	var names []string
	path := "/api/v2/regions?limit=2"
	for pages := 1; ; pages++ {
		got := w.must("GET", path, "")
		for _, item := range got["items"].([]any) {
			o := item.(map[string]any)
			names = append(names, o["name"].(string))
			if o["kind"] != "region" || o["phase"] != "ready" || o["version"] == nil || o["created"] == nil {
				t.Errorf("%v", o)
			}
		}
		next, more := got["next"].(string)
		if !more {
			if pages != 3 {
				t.Errorf("%d pages of two for five regions", pages)
			}
			break
		}
		path = "/api/v2/regions?limit=2&cursor=" + next
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"r0", "r1", "r2", "r3", "r4"}) {
		t.Errorf("%v", names)
	}
	if items := w.must("GET", "/api/v2/region?name=r3", "")["items"].([]any); len(items) != 1 || items[0].(map[string]any)["domain"] != "d3" {
		t.Errorf("by name: %v", items)
	}
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "cursor=zz"} {
		if a := w.do("GET", "/api/v2/regions?"+bad, ""); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
}

func TestV2NamesStandForIds(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	if got := w.must("GET", "/api/v2/zones/eu-a", ""); got["id"] != ids["zone"] || got["region_id"] != ids["region"] {
		t.Errorf("%v", got)
	}
	second := w.must("POST", "/api/v2/zones?region=eu", `{"name":"eu-b"}`)
	if a := w.do("GET", "/api/v1/zone/"+second["id"].(string), ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if items := w.must("GET", "/api/v2/zones?region=eu", "")["items"].([]any); len(items) != 2 {
		t.Errorf("zones of the region: %v", items)
	}
	if a := w.do("POST", "/api/v2/zones", `{"name":"eu-c"}`); a.status != 422 || decode(t, a.body)["field"] != "region" {
		t.Errorf("without a parent: %d %s", a.status, a.body)
	}
	if a := w.do("POST", "/api/v2/zones?region=mars", `{"name":"eu-c"}`); a.status != 404 {
		t.Errorf("with an unknown parent: %d %s", a.status, a.body)
	}
	// Templates have their names within a pool only.
	pool := w.id("/api/v1/region/"+ids["region"]+"/pool", fmt.Sprintf(`{"name":"p2","pool":"dir:two","agents":[%q]}`, ids["agent"]))
	twin := w.id("/api/v1/pool/"+pool+"/template", `{"name":"debian","source":"http://127.0.0.1/debian.img"}`)
	if a := w.do("GET", "/api/v2/templates/debian", ""); a.status != 409 {
		t.Errorf("an ambiguous name: %d %s", a.status, a.body)
	}
	if got := w.must("PUT", "/api/v2/templates/debian?pool=p2&wait=true", `{"name":"debian","source":"http://127.0.0.1/debian.img","description":"twin"}`); got["id"] != twin {
		t.Errorf("%v", got)
	}
	made := w.must("POST", "/api/v2/komputes?project=web&zone=eu-a&poolId=p2&templateId=debian&wait=true", `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`)
	volumes := w.must("GET", "/api/v2/volumes?project=web", "")["items"].([]any)
	if made["phase"] != "ready" || len(volumes) == 0 {
		t.Errorf("%v, volumes %v", made, volumes)
	}
	if got := w.must("GET", "/api/v2/kompute/m1/state", ""); got["state"] != "Running" {
		t.Errorf("%v", got)
	}
	if a := w.do("PATCH", "/api/v2/subnet/s1/default", ""); a.status != 204 {
		t.Errorf("default: %d %s", a.status, a.body)
	}
	if a := w.do("DELETE", "/api/v2/zones/eu-b", ""); a.status != 204 || a.body != "" {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
}

// While a machine is made, v1 does not know it and v2 shows it as creating, with its operation.
func TestCreatingIsHiddenInV1(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	gate := make(chan struct{})
	w.hosts.hold.Store(&gate)
	a := w.do("POST", "/api/v2/komputes?project=web&zone=eu-a", `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`)
	op := decode(t, a.body)
	if a.status != 202 || a.header.Get("Location") != "/api/v2/operations/"+op["id"].(string) || op["state"] != "running" || op["what"] != "kompute.create" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	seen := w.must("GET", "/api/v2/komputes/m1", "")
	if seen["phase"] != "creating" || seen["operation"] != op["id"] || seen["project_id"] != ids["project"] {
		t.Errorf("%v", seen)
	}
	id := seen["id"].(string)
	if got := w.do("GET", "/api/v1/kompute/"+id, ""); got.status != 404 {
		t.Errorf("v1 reads it: %d", got.status)
	}
	for _, list := range []string{"/kompute", "/project/" + ids["project"] + "/zone/" + ids["zone"] + "/komputes", "/instance", "/volume"} {
		if got := w.do("GET", "/api/v1"+list, ""); got.body != "[]" {
			t.Errorf("v1 lists %s: %s", list, got.body)
		}
	}
	if steps := w.must("GET", "/api/v2/operations/"+op["id"].(string), "")["steps"].([]any); len(steps) == 0 {
		t.Error("the operation shows no steps")
	}
	close(gate)
	done := w.must("GET", "/api/v2/operations/"+op["id"].(string)+"?wait=true", "")
	if done["state"] != "succeeded" || done["finished"] == nil {
		t.Errorf("%v", done)
	}
	if got := w.do("GET", "/api/v1/kompute/"+id, ""); got.status != 200 {
		t.Errorf("v1 afterwards: %d", got.status)
	}
	why := w.must("GET", "/api/v2/explain/kompute/m1", "")
	facts := why["operation"].(map[string]any)["trace"].(map[string]any)["facts"].([]any)
	if len(facts) == 0 || !strings.Contains(fmt.Sprint(facts), ids["kaktus"]) {
		t.Errorf("the host is not explained: %v", why)
	}
	// Of the same decision a member sees what concerns him.
	mine := w.must("GET", "/api/v2/explain/kompute/m1", "", "X-API-Key", w.key(ids["reader"]))
	if s := fmt.Sprint(mine); strings.Contains(s, ids["kaktus"]) || strings.Contains(s, "hidden:0") {
		t.Errorf("a member is told of hosts: %s", s)
	}
	if a := w.do("GET", "/api/v2/explain/region/eu", ""); a.status != 404 {
		t.Errorf("a region without a decision: %d %s", a.status, a.body)
	}
}

func TestOperationsAreListedAndCancelled(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	gate := make(chan struct{})
	w.hosts.hold.Store(&gate)
	defer close(gate)
	op := w.must("POST", "/api/v2/komputes?project=web&zone=eu-a", `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`)
	id := op["id"].(string)
	for query, want := range map[string]int{"state=running": 1, "state=failed": 0, "project=" + ids["project"]: 1, "target=" + op["target"].(map[string]any)["id"].(string): 1, "target=" + ids["region"]: 0} {
		if items := w.must("GET", "/api/v2/operations?"+query, "")["items"].([]any); len(items) != want {
			t.Errorf("%s: %d operations instead of %d", query, len(items), want)
		}
	}
	w.newestFirst()
	for _, who := range []string{ids["stranger"]} {
		key := w.key(who)
		if a := w.do("GET", "/api/v2/operations/"+id, "", "X-API-Key", key); a.status != 404 {
			t.Errorf("a stranger reads it: %d", a.status)
		}
		if a := w.do("DELETE", "/api/v2/operations/"+id, "", "X-API-Key", key); a.status != 404 {
			t.Errorf("a stranger cancels it: %d", a.status)
		}
		if items := w.must("GET", "/api/v2/operations", "", "X-API-Key", key)["items"].([]any); len(items) != 0 {
			t.Errorf("a stranger sees %v", items)
		}
	}
	a := w.do("DELETE", "/api/v2/operations/"+id, "")
	if a.status != 202 || decode(t, a.body)["cancel"] != true {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// newestFirst reads all operations page by page from the newest on, which are those of the other order.
func (w *world) newestFirst() {
	w.t.Helper()
	read := func(sort string) (all []string) {
		next := ""
		for {
			page := w.must("GET", "/api/v2/operations?limit=1&sort="+sort+next, "")
			for _, o := range page["items"].([]any) {
				all = append(all, o.(map[string]any)["id"].(string))
			}
			cursor, more := page["next"].(string)
			if !more {
				return all
			}
			next = "&cursor=" + cursor
			if a := w.do("GET", "/api/v2/operations?sort="+map[string]string{"id": "-id", "-id": "id"}[sort]+next, ""); a.status != 400 {
				w.t.Errorf("a cursor of the other order: %d", a.status)
			}
		}
	}
	up, down := read("id"), read("-id")
	slices.Reverse(down)
	if len(up) < 2 || !slices.Equal(up, down) {
		w.t.Errorf("%q in one order, %q in the other", up, down)
	}
	if a := w.do("GET", "/api/v2/operations?sort=name", ""); a.status != 400 {
		w.t.Errorf("sorted by name: %d", a.status)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	w.topology()
	body := `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`
	const path = "/api/v2/komputes?project=web&zone=eu-a&wait=true"
	first := w.must("POST", path, body, "Idempotency-Key", "k-1")
	again := w.must("POST", path, body, "Idempotency-Key", "k-1")
	if first["id"] != again["id"] {
		t.Errorf("%v and %v", first["id"], again["id"])
	}
	if a := w.do("POST", path, body, "Idempotency-Key", "k-2"); a.status != 409 {
		t.Errorf("under another key: %d %s", a.status, a.body)
	}
	if a := w.do("POST", path, body, "Idempotency-Key", "a b"); a.status != 400 {
		t.Errorf("an odd key: %d %s", a.status, a.body)
	}
}

func TestV2Problems(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/api/v2/vnets?region=none", `{}`, "X-Request-Id", "r-1")
	p := decode(t, a.body)
	if a.header.Get("Content-Type") != "application/problem+json" || p["code"] != "not_found" || p["status"] != float64(404) || p["request"] != "r-1" || p["type"] != "about:blank" || p["title"] != "Not Found" || p["detail"] == "" {
		t.Errorf("%s: %s", a.header.Get("Content-Type"), a.body)
	}
	w.id("/api/v1/region", `{"name":"eu"}`)
	if p := decode(t, w.do("POST", "/api/v2/vnets?region=eu", `{"name":"n","interface":"br0","vlan":9999}`).body); p["code"] != "invalid" || p["field"] != "vlan" {
		t.Errorf("%v", p)
	}
	if p := decode(t, w.do("POST", "/api/v2/regions", `{"name":"eu"}`).body); p["code"] != "conflict" {
		t.Errorf("%v", p)
	}
	if a := w.do("GET", "/api/v2/whoami", "", "X-API-Key", "nobody"); a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// In v2 a user knows the names of those he shares a team with, and nothing else of them.
func TestV2TeamMatesHaveNames(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	key := w.key(ids["reader"])
	if a := w.do("GET", "/api/v2/users/ann", "", "X-API-Key", key); a.status != 200 || strings.Contains(a.body, "@") || decode(t, a.body)["id"] != ids["user"] {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.do("GET", "/api/v2/users/eve", "", "X-API-Key", key); a.status != 404 {
		t.Errorf("a stranger: %d %s", a.status, a.body)
	}
	if a := w.do("GET", "/api/v1/user/"+ids["user"], "", "X-API-Key", key); a.status != 404 {
		t.Errorf("in v1: %d %s", a.status, a.body)
	}
	list := w.do("GET", "/api/v2/users", "", "X-API-Key", key).body
	if strings.Contains(list, "ann@") || !strings.Contains(list, `"ann"`) || !strings.Contains(list, "rob@") || strings.Contains(list, "eve") {
		t.Errorf("%s", list)
	}
	if who := w.must("GET", "/api/v2/whoami", "", "X-API-Key", key); who["user"] != ids["reader"] || who["name"] != "rob" || who["role"] != "user" {
		t.Errorf("%v", who)
	}
}
