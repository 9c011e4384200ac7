package api_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api/openapi"
)

// fields of a planned or recorded change, by name: before -> after.
func fieldsOf(change map[string]any) map[string]string {
	out := map[string]string{}
	for _, f := range change["fields"].([]any) {
		f := f.(map[string]any)
		out[f["field"].(string)] = fmt.Sprintf("%v -> %v", f["before"], f["after"])
	}
	return out
}

// changesOf lists the changes as "action kind name".
func changesOf(answer map[string]any) []string {
	var out []string
	for _, c := range answer["changes"].([]any) {
		c := c.(map[string]any)
		out = append(out, fmt.Sprintf("%v %v %v", c["action"], c["kind"], c["name"]))
	}
	slices.Sort(out)
	return out
}

func (w *world) change(answer map[string]any, kind string) map[string]any {
	w.t.Helper()
	for _, c := range answer["changes"].([]any) {
		if c := c.(map[string]any); c["kind"] == kind {
			return c
		}
	}
	w.t.Fatalf("nothing of kind %s in %v", kind, answer["changes"])
	return nil
}

const machine = `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`

// A plan says what the write then does, and changes nothing.
func TestC11DryRun(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	const path = "/api/v2/komputes?project=web&zone=eu-a"
	p := w.must("POST", path+"&plan=true", machine)
	if a := w.do("GET", "/api/v2/komputes", ""); strings.Contains(a.body, "m1") {
		t.Error("a plan made something")
	}
	want := []string{"create adapter m1-private-adapter", "create instance m1", "create kompute m1", "create volume m1-os"}
	if got := changesOf(p); !slices.Equal(got, want) {
		t.Errorf("changes %v", got)
	}
	instance := w.change(p, "instance")
	f := fieldsOf(instance)
	if instance["id"] != nil || f["memory"] != "<nil> -> 1.073741824e+09" || f["kaktus_id"] != "<nil> -> "+ids["kaktus"] || f["volumes"] != "<nil> -> [[new volume m1-os]]" || f["run"] != "<nil> -> true" {
		t.Errorf("%v", instance)
	}
	if f := fieldsOf(w.change(p, "adapter")); f["mac"] != "<nil> -> [new]" || !strings.HasPrefix(f["addresses"], "<nil> -> [10.201.0.") {
		t.Errorf("%v", f)
	}
	op := p["operation"].(map[string]any)
	if op["name"] != "create kompute m1" || len(op["steps"].([]any)) < 3 {
		t.Errorf("%v", op)
	}
	if d := p["downtime"].(map[string]any); d["expected"] != false || d["reason"] != "" {
		t.Errorf("%v", d)
	}
	q := p["quota"].(map[string]any)
	if used := q["used"].(map[string]any); q["project"] != ids["project"] || used["memory"] != 1073741824.0 || used["instances"] != 1.0 || used["storage"] != 4294967296.0 || q["limits"].(map[string]any)["memory"] != 0.0 {
		t.Errorf("%v", q)
	}
	if facts := p["trace"].(map[string]any)["facts"].([]any); len(facts) == 0 {
		t.Error("the plan does not say why")
	}
	// The same request on the same state is the same plan, whatever is drawn.
	if again := w.must("POST", path+"&plan=true", machine); again["hash"] != p["hash"] || !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(p["hash"].(string)) {
		t.Errorf("%v, then %v", p["hash"], again["hash"])
	}
	if other := w.must("POST", path+"&plan=true", strings.Replace(machine, `"vcpus":1`, `"vcpus":2`, 1)); other["hash"] == p["hash"] {
		t.Error("another request has the same hash")
	}
	made := w.must("POST", path+"&wait=true&pin="+p["hash"].(string), machine)
	if got := w.must("GET", "/api/v2/instances/m1", ""); got["memory"] != 1073741824.0 || made["phase"] != "ready" {
		t.Errorf("%v", got)
	}

	// A change of a machine that runs says that it stops.
	const bigger = `{"memory":2147483648,"vcpus":1,"disk":4294967296}`
	p = w.must("PUT", "/api/v2/komputes/m1?plan=true", bigger)
	if d := p["downtime"].(map[string]any); d["expected"] != true || !strings.Contains(d["reason"].(string), "m1") {
		t.Errorf("%v", d)
	}
	if f := fieldsOf(w.change(p, "kompute")); len(f) != 1 || f["memory"] != "1.073741824e+09 -> 2.147483648e+09" {
		t.Errorf("%v", f)
	}
	if p["quota"].(map[string]any)["used"].(map[string]any)["memory"] != 2147483648.0 {
		t.Errorf("%v", p["quota"])
	}
	if p = w.must("PATCH", "/api/v2/komputes/m1/stop?plan=true", ""); p["downtime"].(map[string]any)["expected"] != true {
		t.Errorf("%v", p["downtime"])
	}
	if f := fieldsOf(w.change(p, "instance")); len(f) != 1 || f["run"] != "true -> false" {
		t.Errorf("%v", f)
	}
	p = w.must("DELETE", "/api/v2/komputes/m1?plan=true", "")
	if got := changesOf(p); len(got) != 4 || got[0] != "delete adapter m1-private-adapter" || p["downtime"].(map[string]any)["expected"] != true {
		t.Errorf("%v %v", got, p["downtime"])
	}
	// Nothing to do is a plan of nothing; what would be refused is refused.
	if p = w.must("PUT", "/api/v2/regions/eu?plan=true", `{"name":"eu","domain":"eu.test"}`); len(p["changes"].([]any)) != 0 || p["operation"] != nil || p["quota"] != nil {
		t.Errorf("%v", p)
	}
	for path, status := range map[string]int{"POST /api/v2/regions?plan=true {\"name\":\"eu\"}": 409, "DELETE /api/v2/regions/eu?plan=true": 409, "DELETE /api/v2/regions/none?plan=true": 404,
		"POST /api/v2/komputes?project=web&zone=eu-a&plan=true {\"name\":\"m2\",\"memory\":1125899906842624,\"vcpus\":1,\"disk\":4294967296}": 507} {
		part := strings.SplitN(path+" ", " ", 3)
		if a := w.do(part[0], part[1], part[2]); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if got := w.must("GET", "/api/v2/komputes/m1", ""); got["memory"] != 1073741824.0 {
		t.Errorf("after all those plans: %v", got)
	}
}

// Whatever write is asked for, a plan of it writes nothing and says nothing that only the write may say.
func TestPlansOfEveryWriteWriteNothing(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.kompute(ids, "m1")
	w.services(ids)
	ids["instance"] = w.must("GET", "/api/v2/instances/m1", "")["id"].(string)
	ids["kompute"] = w.must("GET", "/api/v2/komputes/m1", "")["id"].(string)
	wrote := func(after uint64) (what []string) {
		records, err := w.store.Journal(after+1, 256)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Cause.What != "note answer" { // of what was done before
				what = append(what, r.Cause.What)
			}
		}
		return what
	}
	planned := 0
	for _, op := range catalogue.Ops() {
		suffix, served := openapi.Below(op)
		if !served || op.Method == "GET" {
			continue
		}
		k := catalogue.Of(op.Kind)
		q := "?plan=true&wait=true"
		for _, p := range k.Parents {
			if id := ids[string(p.Kind)]; id != "" {
				q += "&" + string(p.Kind) + "=" + id
			}
		}
		ref := ids[string(k.Name)]
		if ref == "" {
			ref = "nothing"
		}
		body := `{"name":"planned","value":"a long and odd pass phrase, 7 words"}`
		if op.Verb == catalogue.Update && ref != "nothing" {
			body = w.do("GET", "/api/v2/"+k.Plural+"/"+ref, "").body
			body = strings.Replace(body, `"description":"`, `"description":"planned`, 1)
		}
		if op.Action == "password" {
			q = "?plan=true"
		}
		before := w.store.View().Index()
		a := w.do(op.Method, "/api/v2/"+k.Plural+strings.Replace(suffix, "{ref}", ref, 1)+q, body)
		if what := wrote(before); len(what) > 0 {
			t.Errorf("%s as a plan wrote %v: %d %s", op.ID, what, a.status, a.body)
		}
		if a.status < 300 {
			planned++
			if !strings.HasPrefix(a.body, `{"hash":"sha256:`) || strings.Contains(a.body, `"password":"`) || strings.Contains(a.body, "pass phrase") {
				t.Errorf("%s: %d %s", op.ID, a.status, a.body)
			}
		} else if a.status >= 500 && a.status != 507 {
			t.Errorf("%s: %d %s", op.ID, a.status, a.body)
		}
	}
	if planned < 30 {
		t.Errorf("only %d plans came to something", planned)
	}
	gate := make(chan struct{})
	w.hosts.hold.Store(&gate)
	defer close(gate)
	running := w.must("POST", "/api/v2/komputes?project=web&zone=eu-a", strings.Replace(machine, "m1", "m2", 1))["id"].(string)
	p := w.must("DELETE", "/api/v2/operations/"+running+"?plan=true", "")
	if got := changesOf(p); len(got) == 0 || got[0] != "delete adapter m2-private-adapter" {
		t.Errorf("calling off: %v", got)
	}
	if op := w.must("GET", "/api/v2/operations/"+running, ""); op["cancel"] != false {
		t.Errorf("a plan called off %v", op)
	}
}

// A pinned write is done when it still is what was planned, and refused when it is not.
func TestPinnedWrites(t *testing.T) {
	w := newWorld(t)
	w.topology()
	plan := w.must("PUT", "/api/v2/regions/eu?plan=true", `{"description":"new"}`)["hash"].(string)
	w.must("PUT", "/api/v2/zones/eu-a", `{"description":"of no concern"}`)
	if a := w.do("PUT", "/api/v2/regions/eu?pin="+plan, `{"description":"new"}`); a.status != 200 {
		t.Errorf("what else changed does not matter: %d %s", a.status, a.body)
	}
	a := w.do("PUT", "/api/v2/regions/eu?pin="+plan, `{"description":"new"}`)
	if p := decode(t, a.body); a.status != 409 || p["code"] != "conflict" || p["parameter"] != "pin" {
		t.Errorf("planned on another state: %d %s", a.status, a.body)
	}
	if a := w.do("POST", "/api/v2/regions?pin=sha256:00", `{"name":"us"}`); a.status != 409 {
		t.Errorf("pinned to nonsense: %d %s", a.status, a.body)
	}
	if a := w.do("GET", "/api/v2/regions/us", ""); a.status != 404 {
		t.Errorf("a refused write left something: %d", a.status)
	}
	const path = "/api/v2/komputes?project=web&zone=eu-a"
	plan = w.must("POST", path+"&plan=true", machine)["hash"].(string)
	w.must("POST", path+"&wait=true", strings.Replace(machine, "m1", "m0", 1)) // takes the address that was planned
	if a := w.do("POST", path+"&pin="+plan, machine); a.status != 409 {
		t.Errorf("another address than planned: %d %s", a.status, a.body)
	}
	plan = w.must("POST", path+"&plan=true", machine)["hash"].(string)
	first := w.do("POST", path+"&wait=true&pin="+plan, machine, "Idempotency-Key", "k")
	again := w.do("POST", path+"&wait=true&pin="+plan, machine, "Idempotency-Key", "k")
	if first.status != 201 || again.status != 201 || decodeID(first.body) != decodeID(again.body) {
		t.Errorf("a repeat under a key gets the first answer: %d %s, %d %s", first.status, first.body, again.status, again.body)
	}
}

// Plans show no secret, not even that of what the caller may change; they show a member no host.
func TestPlansKeepSecrets(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	body := fmt.Sprintf(`{"name":"web","root_password":"correct-horse-battery","teams":[%q],"regions":[%q]}`, ids["team"], ids["region"])
	a := w.do("PUT", "/api/v2/projects/web?plan=true", body)
	if strings.Contains(a.body, "correct-horse") || strings.Contains(a.body, "hunter-2") {
		t.Errorf("%s", a.body)
	}
	if f := fieldsOf(w.change(decode(t, a.body), "project")); f["root_password"] != model.SecretMask+" -> "+model.SecretMask {
		t.Errorf("%v", f)
	}
	mine := w.do("POST", "/api/v2/komputes?project=web&zone=eu-a&plan=true", machine, "X-API-Key", w.key(ids["user"]))
	if mine.status != 200 || strings.Contains(mine.body, ids["kaktus"]) || strings.Contains(mine.body, "k1") || !strings.Contains(mine.body, `"create"`) {
		t.Errorf("%d %s", mine.status, mine.body)
	}
	if a := w.do("POST", "/api/v2/komputes?project=web&zone=eu-a&plan=true", machine, "X-API-Key", w.key(ids["reader"])); a.status != 403 {
		t.Errorf("who may not write may not plan: %d %s", a.status, a.body)
	}
	if a := w.do("DELETE", "/api/v2/projects/web?plan=true", "", "X-API-Key", w.key(ids["stranger"])); a.status != 404 {
		t.Errorf("a stranger plans: %d %s", a.status, a.body)
	}
	token := w.do("PATCH", "/api/v2/agents/a1/token?plan=true", "")
	if token.status != 200 || strings.Contains(token.body, `"key":"`) || !strings.Contains(token.body, model.SecretMask) {
		t.Errorf("%d %s", token.status, token.body)
	}
}
