package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// PUT by name makes true what it says: it creates, it updates, and the same again changes nothing.
func TestPutByNameIsDeclarative(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	made := w.do("PUT", "/api/v2/regions/us", `{"domain":"us.test","labels":{"a":"b"}}`)
	if o := decode(t, made.body); made.status != 201 || o["name"] != "us" || made.header.Get("Location") != "/api/v2/regions/"+o["id"].(string) || made.header.Get("ETag") == "" {
		t.Fatalf("%d %v %s", made.status, made.header, made.body)
	}
	again := w.do("PUT", "/api/v2/regions/us", `{"domain":"us.test"}`)
	if again.status != 200 || again.header.Get("ETag") != made.header.Get("ETag") || !strings.Contains(again.body, `"labels":{"a":"b"}`) {
		t.Errorf("the same again: %d %v %s", again.status, again.header, again.body)
	}
	changed := w.do("PUT", "/api/v2/regions/us", `{"name":"us","domain":"u.test"}`)
	if changed.status != 200 || changed.header.Get("ETag") == made.header.Get("ETag") {
		t.Errorf("a change: %d %s", changed.status, changed.body)
	}
	if a := w.do("PUT", "/api/v2/regions/us", `{"name":"usa","domain":"u.test"}`); a.status != 200 || decode(t, a.body)["id"] != decode(t, made.body)["id"] {
		t.Errorf("another name: %d %s", a.status, a.body)
	}
	zone := w.do("PUT", "/api/v2/zones/eu-z?region=eu", `{}`)
	if zone.status != 201 || decode(t, zone.body)["region_id"] != ids["region"] {
		t.Errorf("a zone: %d %s", zone.status, zone.body)
	}
	if a := w.do("PUT", "/api/v2/zones/eu-z", `{"description":"the last"}`); a.status != 200 {
		t.Errorf("a zone that is there needs no parents: %d %s", a.status, a.body)
	}
	for _, c := range []struct {
		path, body string
		status     int
		field      any
	}{
		{"/api/v2/zones/eu-y", `{}`, 404, nil},
		{"/api/v2/zones/eu-y?region=mars", `{}`, 404, nil},
		{"/api/v2/zones/eu-z?region=usa", `{}`, 409, "name"},
		{"/api/v2/zones/eu-y?region=eu", `{"name":"eu-x"}`, 422, "name"},
		{"/api/v2/zones/eu-y?region=eu", `{"name":null}`, 422, "name"},
		{"/api/v2/zones/eu-y?region=eu", `{"name":""}`, 422, "name"},
		{"/api/v2/zones/eu-y?region=eu", `[]`, 400, nil},
		{"/api/v2/zones/eu-y?region=eu", `{"Name":"eu-y"`, 400, nil},
		{"/api/v2/zones/" + strings.Repeat("f", 24) + "?region=eu", `{"name":"x"}`, 404, nil},
		{"/api/v2/tokens/t?", `{"expire":false}`, 404, nil},
	} {
		a := w.do("PUT", c.path, c.body)
		if p := decode(t, a.body); a.status != c.status || p["field"] != c.field {
			t.Errorf("%s %s: %d %s", c.path, c.body, a.status, a.body)
		}
	}
	// What the caller may not create stays uncreated, and what he may not see stays unseen.
	key := w.key(ids["reader"])
	if a := w.do("PUT", "/api/v2/regions/mine", `{}`, "X-API-Key", key); a.status != 403 {
		t.Errorf("a user creates a region: %d %s", a.status, a.body)
	}
	if a := w.do("PUT", "/api/v2/agents/a1", `{"type":"Kaktus"}`, "X-API-Key", key); a.status != 403 {
		t.Errorf("a user changes an agent he does not know of: %d %s", a.status, a.body)
	}
}

// Bodies refer to other objects by id or by name; what the caller may not know of has no name for him.
func TestBodiesNameOtherObjects(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.must("POST", "/api/v2/subnets?vnet=priv", `{"name":"s2","cidr":"10.202.0.0/24","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.240","last":"10.202.0.249"}]}`)
	made := w.must("PUT", "/api/v2/projects/shop", `{"teams":["t1"],"regions":["eu"]}`)
	if teams := fmt.Sprint(made["teams"], made["regions"]); teams != fmt.Sprintf("[%s] [%s]", ids["team"], ids["region"]) {
		t.Errorf("%v", made)
	}
	for _, c := range []struct{ body, pointer string }{
		{`{"teams":["t1","t2"],"regions":["eu"]}`, "/teams/1"},
		{`{"teams":["t1"],"regions":["t1"]}`, "/regions/0"},
	} {
		a := w.do("PUT", "/api/v2/projects/shop", c.body)
		if p := decode(t, a.body); a.status != 422 || p["pointer"] != c.pointer {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	if a := w.do("POST", "/api/v1/project", fmt.Sprintf(`{"name":"old","teams":["t1"],"regions":[%q]}`, ids["region"])); a.status != 422 {
		t.Errorf("v1 takes names: %d %s", a.status, a.body)
	}
	w.must("PUT", "/api/v2/teams/t2", `{"users":["eve"]}`)
	ann := w.key(ids["user"])
	a := w.do("PUT", "/api/v2/projects/shop", `{"name":"shop","teams":["t2"],"regions":["eu"]}`, "X-API-Key", ann)
	b := w.do("PUT", "/api/v2/projects/shop", `{"name":"shop","teams":["t9"],"regions":["eu"]}`, "X-API-Key", ann)
	if a.status != 422 || b.status != 422 || decode(t, a.body)["detail"] != decode(t, b.body)["detail"] {
		t.Errorf("a team she may not know of: %d %s; one that is not there: %d %s", a.status, a.body, b.status, b.body)
	}
}

// Machines, too: one that is being made is waited for, then changed.
func TestPutByNameOfMachines(t *testing.T) {
	w := newWorld(t)
	w.topology()
	const path = "/api/v2/komputes/m1?project=web&zone=eu-a"
	const body = `{"memory":1073741824,"vcpus":%d,"disk":4294967296}`
	gate := make(chan struct{})
	w.hosts.hold.Store(&gate)
	first := w.do("PUT", path, fmt.Sprintf(body, 1))
	same := w.do("PUT", path, fmt.Sprintf(body, 1))
	if first.status != 202 || same.status != 202 || decode(t, first.body)["id"] != decode(t, same.body)["id"] {
		t.Fatalf("%d %s, %d %s", first.status, first.body, same.status, same.body)
	}
	if a := w.do("PUT", path, fmt.Sprintf(body, 2)); a.status != 409 || !strings.Contains(a.body, "creating") {
		t.Errorf("another machine of this name, without waiting: %d %s", a.status, a.body)
	}
	var other answer
	var waiting sync.WaitGroup
	waiting.Go(func() { other = w.do("PUT", path+"&wait=true", fmt.Sprintf(body, 2)) })
	w.hosts.hold.Store(nil)
	close(gate)
	waiting.Wait()
	if o := decode(t, other.body); other.status != 200 || o["vcpus"] != 2.0 || o["phase"] != "ready" {
		t.Errorf("waited for, then changed: %d %s", other.status, other.body)
	}
	if a := w.do("PUT", path+"&wait=true&poolId=p1", fmt.Sprintf(body, 2)); a.status != 200 {
		t.Errorf("what only creations take is ignored by updates: %d %s", a.status, a.body)
	}
}

// Of parallel PUTs of a new name one creates and all others update: one 201, else 200, one object.
func TestParallelPutsOfANameCreateOneObject(t *testing.T) {
	w := newWorld(t)
	w.topology()
	n := 0
	chance.Check(t, func(t *rapid.T) {
		n++
		machines := rapid.Bool().Draw(t, "machines")
		path, body := fmt.Sprintf("/api/v2/regions/r%d", n), func(i int) string { return fmt.Sprintf(`{"description":"d%d"}`, i) }
		if machines {
			path, body = fmt.Sprintf("/api/v2/volumes/v%d?project=web&region=eu&wait=true", n), func(i int) string { return fmt.Sprintf(`{"type":"raw","size":1048576,"description":"d%d"}`, i) }
		}
		different := rapid.Bool().Draw(t, "different bodies")
		answers := make([]answer, rapid.IntRange(2, 6).Draw(t, "callers"))
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				text := body(0)
				if different {
					text = body(i)
				}
				answers[i] = w.do("PUT", path, text)
			})
		}
		all.Wait()
		var statuses []int
		seen := map[any]bool{}
		for _, a := range answers {
			statuses = append(statuses, a.status)
			if a.status >= 300 {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
			seen[decode(w.t, a.body)["id"]] = true
		}
		slices.Sort(statuses)
		if len(seen) != 1 || statuses[len(statuses)-1] != 201 || statuses[len(statuses)-2] != 200 || statuses[0] != 200 {
			t.Fatalf("%s: %v, %d objects", path, statuses, len(seen))
		}
	})
}

// A caller can say what he knows of an object; who was overtaken changes nothing.
func TestC11ConditionalUpdate(t *testing.T) {
	w := newWorld(t)
	w.topology()
	read := w.do("GET", "/api/v2/regions/eu", "")
	tag := read.header.Get("ETag")
	if tag != fmt.Sprintf(`"%v"`, decode(t, read.body)["version"]) {
		t.Fatalf("ETag %s of %s", tag, read.body)
	}
	if a := w.do("PUT", "/api/v2/regions/eu", `{"description":"mine"}`, "If-Match", `"1", `+tag); a.status != 200 || a.header.Get("ETag") == tag {
		t.Errorf("as it was read: %d %s", a.status, a.body)
	}
	for _, c := range [][]string{
		{"PUT", "/api/v2/regions/eu", `{"description":"theirs"}`, "If-Match", tag},
		{"PUT", "/api/v2/regions/eu", `{"description":"theirs"}`, "If-Match", `W/"999999"`},
		{"PUT", "/api/v2/regions/eu", `{"description":"theirs"}`, "If-Match", `"x"`},
		{"PUT", "/api/v2/regions/eu", `{"description":"theirs"}`, "If-None-Match", `*`},
		{"PUT", "/api/v2/regions/eu?plan=true", `{"description":"theirs"}`, "If-None-Match", `*`},
		{"PUT", "/api/v2/regions/us", `{}`, "If-Match", `*`},
		{"PUT", "/api/v2/regions/us", `{}`, "If-Match", `"5"`},
		{"DELETE", "/api/v2/templates/debian", "", "If-Match", tag},
		{"PATCH", "/api/v2/subnets/s1/default", "", "If-Match", tag},
	} {
		a := w.do(c[0], c[1], c[2], c[3:]...)
		if p := decode(t, a.body); a.status != 412 || p["code"] != "conflict" || p["status"] != 412.0 {
			t.Errorf("%v: %d %s", c, a.status, a.body)
		}
	}
	if got := w.must("GET", "/api/v2/regions/eu", ""); got["description"] != "mine" {
		t.Errorf("%v", got)
	}
	if a := w.do("PUT", "/api/v2/regions/us", `{}`, "If-None-Match", `*`); a.status != 201 {
		t.Errorf("only if there is none: %d %s", a.status, a.body)
	}
	if a := w.do("PUT", "/api/v2/regions/us", `{}`, "If-None-Match", `"7"`); a.status != 400 {
		t.Errorf("a condition without sense: %d %s", a.status, a.body)
	}
	if a := w.do("DELETE", "/api/v2/regions/us", "", "If-Match", "*"); a.status != 204 {
		t.Errorf("whatever its version: %d %s", a.status, a.body)
	}
}

// Of parallel updates from the same version exactly one is made.
func TestC11OvertakenUpdatesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.topology()
	tag := w.do("GET", "/api/v2/regions/eu", "").header.Get("ETag")
	statuses := make([]int, 8)
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() {
			statuses[i] = w.do("PUT", "/api/v2/regions/eu", fmt.Sprintf(`{"description":"d%d"}`, i), "If-Match", tag).status
		})
	}
	all.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 412 || statuses[7] != 412 {
		t.Errorf("%v", statuses)
	}
}

// A write under a key is done once, whatever kind of write it is and however often it is sent.
func TestC11IdempotencyKeys(t *testing.T) {
	w := newWorld(t)
	w.topology()
	for i, c := range [][]string{
		{"POST", "/api/v2/regions", `{"name":"us"}`},
		{"PUT", "/api/v2/regions/ca", `{}`},
		{"PUT", "/api/v2/regions/us", `{"description":"x"}`},
		{"POST", "/api/v2/komputes?project=web&zone=eu-a&wait=true", `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`},
		{"PATCH", "/api/v2/komputes/m1/reboot?wait=true", ``},
		{"DELETE", "/api/v2/komputes/m1?wait=true", ``},
		{"DELETE", "/api/v2/regions/us", ``},
	} {
		key := fmt.Sprintf("key-%d", i)
		first := w.do(c[0], c[1], c[2], "Idempotency-Key", key)
		index := w.store.View().Index()
		again := w.do(c[0], c[1], c[2], "Idempotency-Key", key)
		if first.status >= 300 || again.status >= 300 || decodeID(first.body) != decodeID(again.body) {
			t.Errorf("%v: %d %s, then %d %s", c, first.status, first.body, again.status, again.body)
		}
		if now := w.store.View().Index(); now > index+2 { // noting that both answers went out is all
			t.Errorf("%v: the repeat wrote %d records", c, now-index)
		}
	}
}

func decodeID(body string) any {
	_, rest, ok := strings.Cut(body, `"id":"`)
	if !ok {
		return nil
	}
	return rest[:24]
}
