package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api"
)

func (w *world) audit(query string, headers ...string) []map[string]any {
	w.t.Helper()
	var out []map[string]any
	for cursor := ""; ; {
		got := w.must("GET", "/api/v2/audit?"+query+cursor, "", headers...)
		for _, item := range got["items"].([]any) {
			out = append(out, item.(map[string]any))
		}
		next, more := got["next"].(string)
		if !more {
			return out
		}
		cursor = "&cursor=" + next
	}
}

// Every change says who made it, when, from where, by which request, and what was before and after.
func TestAuditSaysWhoChangedWhat(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	ann := w.key(ids["user"])
	w.must("PUT", "/api/v2/regions/eu", `{"name":"eu","domain":"e.test","labels":{"a":"b"}}`, "X-Request-Id", "r-7")
	entry := w.audit("kind=region&limit=1")[0]
	if entry["actor"] != "master key" || entry["actor_id"] != "" || entry["request"] != "r-7" || entry["from"] != "127.0.0.1" || entry["what"] != "PutRegion" {
		t.Errorf("%v", entry)
	}
	if at, err := time.Parse(time.RFC3339, entry["time"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("%v", entry["time"])
	}
	change := w.change(entry, "region")
	if f := fieldsOf(change); change["action"] != "update" || change["id"] != ids["region"] || len(f) != 2 || f["domain"] != "eu.test -> e.test" || f["labels"] != "map[] -> map[a:b]" {
		t.Errorf("%v", change)
	}
	made := w.do("POST", "/api/v2/komputes?project=web&zone=eu-a&wait=true", machine, "X-API-Key", ann)
	if made.status != 201 {
		t.Fatal(made.body)
	}
	w.must("PUT", "/api/v2/projects/web", fmt.Sprintf(`{"root_password":"another-password","teams":[%q],"regions":[%q]}`, ids["team"], ids["region"]))
	w.must("DELETE", "/api/v2/komputes/m1?wait=true", "", "X-API-Key", ann)

	hers := w.audit("actor=ann")
	if byID := w.audit("actor=" + ids["user"]); len(hers) == 0 || len(byID) != len(hers) {
		t.Errorf("%d entries of ann, %d of her id", len(hers), len(byID))
	}
	for _, e := range hers {
		if e["actor"] != "ann" || e["actor_id"] != ids["user"] || e["from"] != "127.0.0.1" || e["request"] == "" {
			t.Errorf("%v", e)
		}
	}
	var kinds []string
	for _, e := range w.audit("object=m1") {
		kinds = append(kinds, changesOf(e)...)
	}
	slices.Sort(kinds)
	if want := []string{"create instance m1", "create kompute m1", "delete instance m1", "delete kompute m1"}; !slices.Equal(slices.DeleteFunc(kinds, func(s string) bool { return strings.HasPrefix(s, "update") }), want) {
		t.Errorf("%v", kinds)
	}
	// That a secret changed is told; what it was and is, is not.
	project := w.audit("kind=project")
	if f := fieldsOf(w.change(project[0], "project")); len(f) != 1 || f["root_password"] != model.SecretMask+" -> "+model.SecretMask {
		t.Errorf("%v", project[0])
	}
	if all := w.do("GET", "/api/v2/audit?limit=1000", "").body; strings.Contains(all, "another-password") || strings.Contains(all, "hunter-2") || strings.Contains(all, "s3cret-uuid") || strings.Contains(all, masterKey) {
		t.Error("the audit shows a secret")
	}
}

func TestAuditIsQueried(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	all := w.audit("limit=1000")
	for i := 1; i < len(all); i++ {
		if all[i]["index"].(float64) >= all[i-1]["index"].(float64) {
			t.Fatalf("entry %d is not older than the one before it", i)
		}
	}
	if paged := w.audit("limit=3"); fmt.Sprint(paged) != fmt.Sprint(all) {
		t.Errorf("%d entries in pages, %d at once", len(paged), len(all))
	}
	// What a filter leaves is what a reader of everything would have left.
	middle := uint64(all[len(all)/2]["index"].(float64))
	at := all[len(all)/2]["time"].(string)
	for query, keep := range map[string]func(entry, change map[string]any) bool{
		"kind=volumes":          func(_, c map[string]any) bool { return c["kind"] == "volume" },
		"kind=User":             func(_, c map[string]any) bool { return c["kind"] == "user" },
		"id=" + ids["zone"]:     func(_, c map[string]any) bool { return c["id"] == ids["zone"] },
		"object=p1":             func(_, c map[string]any) bool { return c["name"] == "p1" },
		"object=p1&kind=region": func(_, c map[string]any) bool { return false },
		"actor=nobody":          func(_, c map[string]any) bool { return false },
		"project=web": func(_, c map[string]any) bool {
			return c["kind"] == "project" || c["kind"] == "subnet" && c["name"] == "s1"
		},
		"project=" + ids["project"]: func(_, c map[string]any) bool {
			return c["kind"] == "project" || c["kind"] == "subnet" && c["name"] == "s1"
		},
		"since=24h":                              func(_, c map[string]any) bool { return true },
		"until=24h":                              func(_, c map[string]any) bool { return false },
		"since=0s":                               func(_, c map[string]any) bool { return false },
		"since=2001-01-01T00:00:00Z":             func(_, c map[string]any) bool { return true },
		"until=7d&since=8d":                      func(_, c map[string]any) bool { return false },
		fmt.Sprintf("from_index=%d", middle):     func(e, c map[string]any) bool { return uint64(e["index"].(float64)) >= middle },
		"until=" + url.QueryEscape(late(at)):     func(e, c map[string]any) bool { return e["time"].(string) <= at },
		"since=" + url.QueryEscape(at):           func(e, c map[string]any) bool { return e["time"].(string) >= at },
		fmt.Sprintf("cursor=%d&limit=1", middle): nil,
	} {
		if keep == nil {
			continue
		}
		want := 0
		for _, e := range all {
			for _, c := range e["changes"].([]any) {
				if c := c.(map[string]any); keep(e, c) && (!strings.HasPrefix(query, "project=") || projectsSubnet(c, ids)) {
					want++
				}
			}
		}
		got := 0
		for _, e := range w.audit(query + "&limit=7") {
			got += len(e["changes"].([]any))
		}
		if got != want {
			t.Errorf("%s: %d changes, want %d", query, got, want)
		}
	}
	for query, field := range map[string]string{"kind=unicorn": "kind", "id=x": "id", "since=yesterday": "since", "until=-1h": "until", "from_index=x": "from_index", "cursor=x": "cursor", "limit=0": "limit", "who=ann": "who"} {
		if a := w.do("GET", "/api/v2/audit?"+query, ""); a.status != 400 || decode(t, a.body)["parameter"] != field {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := w.do("GET", "/api/v2/audit?project=none", ""); a.status != 404 {
		t.Errorf("of a project that is not there: %d %s", a.status, a.body)
	}
}

// late is the end of the millisecond that a time was written with.
func late(at string) string { return strings.Replace(at, "Z", "999Z", 1) }

// projectsSubnet tells whether a change of a subnet is the one that gave it to the project.
func projectsSubnet(c map[string]any, ids map[string]string) bool {
	return c["kind"] != "subnet" || strings.Contains(fmt.Sprint(c["fields"]), ids["project"])
}

// A page that looks at no more records comes back short, or empty, with where to go on; nothing is lost.
func TestAuditPagesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.topology()
	all := w.audit("kind=region&limit=1000")
	w.api.LimitAudit(3)
	first := w.must("GET", "/api/v2/audit?kind=region&limit=1000", "")
	if first["next"] == nil || len(first["items"].([]any)) != 0 {
		t.Errorf("the first page: %v", first)
	}
	if got := w.audit("kind=region&limit=1000"); fmt.Sprint(got) != fmt.Sprint(all) || len(all) == 0 {
		t.Errorf("%v, want %v", got, all)
	}
}

// everybody is whoever a header says; nobody has to be believed in a test.
type everybody struct{ api.Authenticator }

func (e everybody) Authenticate(r *http.Request) (access.Identity, error) {
	if r.RemoteAddr == "@" {
		return access.Identity{Name: "local root", Role: model.RoleSuperAdmin}, nil
	}
	return e.Authenticator.Authenticate(r)
}

// Who has no account is named all the same: local root came through the socket.
func TestAuditNamesLocalRoot(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Auth = everybody{c.Auth} })
	r := httptest.NewRequest("POST", "/api/v2/regions", strings.NewReader(`{"name":"eu"}`))
	r.RemoteAddr = "@" // what net/http says of unnamed peers of a unix socket
	answer := httptest.NewRecorder()
	w.api.ServeHTTP(answer, r)
	entry := w.audit("kind=region")[0]
	if answer.Code != 201 || entry["actor"] != "local root" || entry["from"] != "local socket" || entry["actor_id"] != "" {
		t.Errorf("%d %s: %v", answer.Code, answer.Body, entry)
	}
	w.must("DELETE", "/api/v2/regions/eu", "")
	if entry := w.audit("kind=region")[0]; entry["actor"] != "master key" {
		t.Errorf("%v", entry)
	}
}

// Whoever calls an operation off is named with it.
func TestAuditTellsWhoCalledOff(t *testing.T) {
	w := newWorld(t)
	w.topology()
	gate := make(chan struct{})
	w.hosts.hold.Store(&gate)
	op := w.must("POST", "/api/v2/komputes?project=web&zone=eu-a", machine)["id"].(string)
	if a := w.do("DELETE", "/api/v2/operations/"+op, "", "X-Request-Id", "off-1"); a.status != 202 {
		t.Fatal(a.body)
	}
	w.hosts.hold.Store(nil)
	close(gate)
	w.must("GET", "/api/v2/operations/"+op+"?wait=true", "")
	entries := w.audit("kind=operation&id=" + op)
	if len(entries) == 0 {
		t.Fatal("nothing is told")
	}
	last := entries[len(entries)-1]
	if f := fieldsOf(w.change(last, "operation")); last["what"] != "cancel operation" || last["request"] != "off-1" || last["from"] != "127.0.0.1" || f["cancel"] != "false -> true" {
		t.Errorf("%v", last)
	}
	if f := fieldsOf(w.change(entries[0], "operation")); !strings.HasSuffix(f["state"], "-> cancelled") {
		t.Errorf("%v", entries[0])
	}
}

// A caller sees what happened to what he may know of, also once it is gone; nothing else.
func TestAuditIsForWhomItConcerns(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	reader, stranger := w.key(ids["reader"]), w.key(ids["stranger"])
	w.must("POST", "/api/v2/komputes?project=web&zone=eu-a&wait=true", machine)
	w.must("DELETE", "/api/v2/komputes/m1?wait=true", "")
	mine := fmt.Sprint(w.audit("kind=kompute&limit=1000", "X-API-Key", reader))
	if !strings.Contains(mine, "action:create") || !strings.Contains(mine, "action:delete") {
		t.Errorf("a member does not see what was in his project: %s", mine)
	}
	all := fmt.Sprint(w.audit("limit=1000", "X-API-Key", reader))
	for name, hidden := range map[string]string{"hosts": ids["kaktus"], "other users": ids["stranger"]} {
		if strings.Contains(all, hidden) {
			t.Errorf("a member is told of %s: %s", name, all)
		}
	}
	for _, e := range w.audit("limit=1000", "X-API-Key", stranger) {
		for _, c := range e["changes"].([]any) {
			switch kind := c.(map[string]any)["kind"]; kind {
			case "region", "zone":
			case "user", "token":
				if !strings.Contains(fmt.Sprint(c), ids["stranger"]) {
					t.Errorf("a stranger is told of %v", c)
				}
			default:
				t.Errorf("a stranger is told of a %s", kind)
			}
		}
	}
	// Who leaves a team leaves its past.
	w.must("PUT", "/api/v2/teams/t1", fmt.Sprintf(`{"users":[%q]}`, ids["user"]))
	if left := w.audit("kind=kompute&limit=1000", "X-API-Key", reader); len(left) != 0 {
		t.Errorf("who left the team still sees %v", left)
	}
}

// Any object and list can be read as it was, at an index or a moment.
func TestReadingAsItWas(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	reader := w.key(ids["reader"])
	w.must("POST", "/api/v2/komputes?project=web&zone=eu-a&wait=true", machine)
	then := w.store.View().Index()
	before := map[string]string{}
	paths := []string{"/api/v2/komputes/m1", "/api/v2/regions/eu", "/api/v2/komputes?project=web", "/api/v2/volumes?sort=-size&filter=" + url.QueryEscape("size>=1GiB"), "/api/v2/projects/web", "/api/v2/adapters"}
	for _, path := range paths {
		before[path] = w.do("GET", path, "", "X-API-Key", reader).body
	}
	moment := time.Now().UTC().Format(time.RFC3339Nano)
	w.must("DELETE", "/api/v2/komputes/m1?wait=true", "")
	w.must("PUT", "/api/v2/regions/eu", `{"domain":"later.test"}`)
	w.must("PUT", "/api/v2/regions/eu", `{"name":"europe"}`)
	w.must("POST", "/api/v2/regions", `{"name":"eu"}`) // another one of the name
	for _, path := range paths {
		for _, at := range []string{fmt.Sprintf("as_of=%d", then), fmt.Sprintf("as-of=%d", then), "as_of=" + moment} {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			if got := w.do("GET", path+sep+at, "", "X-API-Key", reader); got.status != 200 || got.body != before[path] {
				t.Errorf("%s %s: %d %s\nwas %s", path, at, got.status, got.body, before[path])
			}
		}
	}
	if got := w.must("GET", "/api/v2/regions/eu?as_of="+moment, ""); got["domain"] != "eu.test" || got["id"] != ids["region"] {
		t.Errorf("%v", got)
	}
	if ops := w.must("GET", fmt.Sprintf("/api/v2/operations?as_of=%d&project=%s", then, ids["project"]), "")["items"].([]any); len(ops) != 1 {
		t.Errorf("operations then: %v", ops)
	}
	if a := w.do("GET", "/api/v2/komputes/m1", ""); a.status != 404 {
		t.Errorf("looking back brought it back: %d", a.status)
	}
	// Secrets of the past are nobody's.
	if a := w.do("GET", fmt.Sprintf("/api/v2/projects/web?as_of=%d", then), ""); !strings.Contains(a.body, `"root_password":""`) || strings.Contains(a.body, "hunter") {
		t.Errorf("%s", a.body)
	}
	w.must("PUT", "/api/v2/projects/web", fmt.Sprintf(`{"root_password":"another-password","teams":[%q],"regions":[%q]}`, ids["team"], ids["region"]))
	if a := w.do("GET", fmt.Sprintf("/api/v2/projects?as_of=%d", then), ""); !strings.Contains(a.body, `"root_password":""`) || strings.Contains(a.body, "hunter") {
		t.Errorf("%s", a.body)
	}
	// Rights are those of now.
	if a := w.do("GET", fmt.Sprintf("/api/v2/komputes/m1?as_of=%d", then), "", "X-API-Key", w.key(ids["stranger"])); a.status != 404 {
		t.Errorf("a stranger looks back: %d %s", a.status, a.body)
	}
	w.must("PUT", "/api/v2/teams/t1", fmt.Sprintf(`{"users":[%q]}`, ids["user"]))
	if a := w.do("GET", fmt.Sprintf("/api/v2/komputes/m1?as_of=%d", then), "", "X-API-Key", reader); a.status != 404 {
		t.Errorf("who left the team looks back: %d %s", a.status, a.body)
	}
	for at, status := range map[string]int{"999999": 400, "tomorrow": 400, "2001-01-01T00:00:00Z": 404, "-1": 400, "100d": 404, "5&as-of=6": 400} {
		a := w.do("GET", "/api/v2/regions?as_of="+at, "")
		if p := decode(t, a.body); a.status != status || !strings.HasPrefix(p["parameter"].(string), "as") {
			t.Errorf("as of %s: %d %s", at, a.status, a.body)
		}
	}
	if a := w.do("PUT", "/api/v2/regions/eu?as_of=5", `{}`); a.status != 400 {
		t.Errorf("the past is changed: %d %s", a.status, a.body)
	}
}

// BenchmarkAudit is a page of 100 found among the last 10,000 records, and a search that finds nothing.
func BenchmarkAudit(b *testing.B) {
	w := quiet(b)
	w.topology()
	region := w.must("GET", "/api/v2/regions/eu", "")["id"].(string)
	for i := range 10_000 {
		w.put(func(d model.Draft) error {
			o, _ := model.Find[*model.Region](d, model.ID(region))
			o = model.Edit(o)
			o.Description = fmt.Sprint(i)
			return d.Put(o)
		})
	}
	for name, query := range map[string]string{"newest": "kind=region", "nothing": "actor=nobody"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/api/v2/audit?"+query, nil)
			r.Header.Set("X-API-Key", masterKey)
			for b.Loop() {
				a := recorder{header: make(http.Header, 8)}
				w.api.ServeHTTP(&a, r)
				if a.status != 200 {
					b.Fatal(a.status)
				}
			}
		})
	}
}
