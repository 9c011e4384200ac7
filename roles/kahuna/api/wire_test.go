package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "github.com/kowabunga-cloud/kowabunga-go"
)

// The twelve rules of the contract that break clients when they are broken.

func TestWire01NoUndeclaredKeys(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	id := w.kompute(ids, "m1")
	body := w.do("GET", "/api/v1/kompute/"+id, "").body
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&sdk.Kompute{}); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	for _, a := range []answer{w.do("GET", "/api/v1/kompute/"+strings.Repeat("0", 24), ""), w.do("GET", "/api/v1/team", "", "X-API-Key", ""),
		w.do("POST", "/api/v1/region", "{"), w.do("POST", "/api/v1/region", "{}"), w.do("POST", "/api/v1/region", `{"name":"eu","domain":""}`),
		w.do("PATCH", "/api/v1/region", ""), w.do("GET", "/api/v1/nothing", "")} {
		if keys := slices.Sorted(mapKeys(decode(t, a.body))); !slices.Equal(keys, []string{"error", "reason", "status"}) {
			t.Errorf("an error has the keys %v: %s", keys, a.body)
		}
	}
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestWire02RequiredKeysAlwaysStand(t *testing.T) {
	w := newWorld(t)
	id := w.id("/api/v1/region", `{"name":"eu"}`)
	if body := w.do("GET", "/api/v1/region/"+id, "").body; !strings.Contains(body, `"domain":""`) {
		t.Errorf("a region without a domain is answered as %s", body)
	}
	team := w.id("/api/v1/team", `{"name":"t","users":[]}`)
	if body := w.do("GET", "/api/v1/team/"+team, "").body; !strings.Contains(body, `"users":[]`) {
		t.Errorf("a team without users is answered as %s", body)
	}
}

func TestWire03ListsAreNeverNull(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/adapter", "/agent", "/instance", "/kompute", "/pool", "/project", "/region", "/subnet", "/team", "/template", "/token", "/user", "/vnet", "/volume", "/zone", "/kaktus"} {
		if a := w.do("GET", "/api/v1"+path, ""); a.status != 200 || a.body != "[]" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	region := w.id("/api/v1/region", `{"name":"eu"}`)
	if a := w.do("GET", "/api/v1/region/"+region+"/zones", ""); a.body != "[]" {
		t.Errorf("zones of a new region: %s", a.body)
	}
	ids := newWorld(t).topologyWithInstance()
	if body := ids.body; !strings.Contains(body, `"adapters":[]`) {
		t.Errorf("an instance without adapters: %s", body)
	}
}

// topologyWithInstance makes an instance that has a disk and no adapter and returns its answer.
func (w *world) topologyWithInstance() answer {
	w.t.Helper()
	ids := w.topology()
	volume := w.id("/api/v1/project/"+ids["project"]+"/region/"+ids["region"]+"/volume", `{"name":"d","type":"os","size":4294967296}`)
	return w.do("POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/instance", fmt.Sprintf(`{"name":"i","memory":1073741824,"vcpus":1,"volumes":[%q]}`, volume))
}

func TestWire04ExactSuccessCodes(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/api/v1/region", `{"name":"eu"}`)
	id, _ := decode(t, a.body)["id"].(string)
	for _, step := range []struct {
		method, path, body string
		want               int
	}{{"GET", "/region/" + id, "", 200}, {"PUT", "/region/" + id, `{"name":"eu2"}`, 200}, {"GET", "/region", "", 200}, {"DELETE", "/region/" + id, "", 200}, {"POST", "/logout", "", 204}} {
		if got := w.do(step.method, "/api/v1"+step.path, step.body); got.status != step.want {
			t.Errorf("%s %s: %d %s", step.method, step.path, got.status, got.body)
		}
	}
	if a.status != 201 {
		t.Errorf("create: %d", a.status)
	}
}

func TestWire05BodiesAreJSON(t *testing.T) {
	w := newWorld(t)
	id := w.id("/api/v1/region", `{"name":"eu"}`)
	for _, a := range []answer{w.do("GET", "/api/v1/region", ""), w.do("GET", "/api/v1/region/x", ""), w.do("GET", "/api/v1/region", "", "X-API-Key", ""), w.do("GET", "/api/v1/nothing", ""),
		w.do("TRACE", "/api/v1/region", ""), w.do("DELETE", "/api/v1/region/"+id, "")} {
		if ct := a.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%d %s has the content type %q", a.status, a.body, ct)
		}
	}
}

func TestWire06WhatTerraformDereferencesStands(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	for _, c := range []struct{ path, want string }{
		{"/vnet/" + ids["public"], `"private":false`},
		{"/kaktus/" + ids["kaktus"], `"cpu_cost":{"price":0,"currency":`},
		{"/kaktus/" + ids["kaktus"], `"memory_cost":{`},
		{"/pool/" + ids["pool"], `"cost":{`},
		{"/project/" + ids["project"], `"quotas":{`},
		{"/project/" + ids["project"], `"private_subnets":[{"key":"eu","value":"` + ids["subnet"] + `"}]`},
		{"/project/" + ids["project"], `"id":"` + ids["project"] + `"`},
	} {
		if body := w.do("GET", "/api/v1"+c.path, "").body; !strings.Contains(body, c.want) {
			t.Errorf("%s lacks %s: %s", c.path, c.want, body)
		}
	}
}

func TestWire07EnumsAndNumbersAreExact(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	body := w.do("GET", "/api/v1/kompute/"+w.kompute(ids, "m1"), "").body
	if !strings.Contains(body, `"memory":1073741824,`) {
		t.Errorf("sizes must be whole numbers: %s", body)
	}
	token := w.do("PATCH", "/api/v1/agent/"+ids["agent"]+"/token?expire=false", "")
	if token.status != 200 || strings.Contains(token.body, "expiration_date") {
		t.Errorf("a key without end must have no date: %d %s", token.status, token.body)
	}
	if strings.Contains(w.do("GET", "/api/v1/template/"+ids["template"], "").body, `"os":""`) {
		t.Error("an empty enumerator is answered")
	}
}

func TestWire08UnknownIdsAreErrors(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/region/ffffffffffffffffffffffff", "/region/eu", "/region/eu%20west%2F1", "/pool/templates", "/region/FFFFFFFFFFFFFFFFFFFFFFFF", "/region/%00"} {
		if a := w.do("GET", "/api/v1"+path, ""); a.status != 404 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.do("DELETE", "/api/v1/region/ffffffffffffffffffffffff", ""); a.status != 404 {
		t.Errorf("DELETE of an unknown region: %d", a.status)
	}
	for path, to := range map[string]string{"/api/v1/region/": "/api/v1/region", "/api/v1/pool//templates": "/api/v1/pool/templates"} {
		if a := w.do("GET", path, ""); a.status != http.StatusMovedPermanently || a.header.Get("Location") != to {
			t.Errorf("%s: %d to %q", path, a.status, a.header.Get("Location"))
		}
	}
}

func TestWire09SizesAreBytes(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	got := w.must("GET", "/api/v1/kompute/"+w.kompute(ids, "m1"), "")
	if got["disk"] != float64(4294967296) || got["data_disk"] != float64(0) {
		t.Errorf("%v", got)
	}
}

func TestWire10WhatWasSentIsEchoed(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	second := w.id("/api/v1/team", `{"name":"t0","users":[]}`)
	sent := fmt.Sprintf(`{"name":"web","description":"","domain":"web.test","tags":["z","a","m"],"metadatas":[{"key":"b","value":"2"},{"key":"a","value":""}],"teams":[%q,%q],"regions":[%q]}`, second, ids["team"], ids["region"])
	got := w.do("PUT", "/api/v1/project/"+ids["project"], sent)
	for _, want := range []string{`"tags":["z","a","m"]`, `"metadatas":[{"key":"b","value":"2"},{"key":"a","value":""}]`, `"teams":["` + second + `","` + ids["team"] + `"]`, `"description":""`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%s is not in %d %s", want, got.status, got.body)
		}
	}
}

func TestWire11ReadOnlyAndUnknownKeysAreIgnored(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	id := w.kompute(ids, "m1")
	before := w.must("GET", "/api/v1/kompute/"+id, "")
	a := w.do("PUT", "/api/v1/kompute/"+id, `{"id":"ffffffffffffffffffffffff","name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296,"ip":"1.2.3.4","kmotion":{"x":[1]},"kwarantine":7}`)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if after := decode(t, a.body); after["ip"] != before["ip"] || after["id"] != id {
		t.Errorf("read-only fields were taken: %s", a.body)
	}
	for _, key := range []string{"uefi", "kmotion", "kwarantine"} {
		if strings.Contains(a.body, key) {
			t.Errorf("an undeclared key is answered: %s", a.body)
		}
	}
}

// Fields of later releases are kept whoever sends them, shown in v2, and in v1 only to whoever shows that
// he knows them: by having sent them last.
func TestNewerFieldsAreShownInV1OnlyToWhoSentThem(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	id := w.kompute(ids, "m1")
	instance := w.must("GET", "/api/v2/komputes/m1", "")
	if instance["uefi"] != false || instance["kmotion_enabled"] != true || instance["kwarantine"] != "" {
		t.Errorf("made by a client that knows none of them: %v", instance)
	}
	same := func(more string) string {
		return `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296` + more + `}`
	}
	v1, v2 := "/api/v1/kompute/"+id, "/api/v2/komputes/"+id
	for _, c := range []struct{ path, body, v1, v2 string }{
		{v1, same(`,"uefi":true,"kmotion_enabled":false`), "true false", "true false"},
		{v1, same(""), "<nil> <nil>", "true false"}, // absent fields of a PUT keep their value
		{v1, same(`,"uefi":true`), "true <nil>", "true false"},
		{v2, same(`,"kmotion_enabled":true,"uefi":false`), "false <nil>", "false true"},
		{v1, same(`,"kmotion_enabled":true`), "<nil> true", "false true"},
	} {
		path := c.path
		if path == v2 {
			path += "?wait=true"
		}
		w.must("PUT", path, c.body)
		for path, want := range map[string]string{v1: c.v1, v2: c.v2} {
			got := w.must("GET", path, "")
			if shown := fmt.Sprint(got["uefi"], " ", got["kmotion_enabled"]); shown != want {
				t.Errorf("%s %s: %s shows %q, want %q", c.path, c.body, path, shown, want)
			}
		}
	}
	host := w.must("GET", "/api/v1/kaktus/"+ids["kaktus"], "")
	if _, shown := host["maintenance"]; shown {
		t.Errorf("v1 shows %v", host)
	}
	agents := fmt.Sprint(host["agents"])
	body := fmt.Sprintf(`{"name":%q,"agents":[%q],"maintenance":true}`, host["name"], agents[1:len(agents)-1])
	if got := w.must("PUT", "/api/v1/kaktus/"+ids["kaktus"], body); got["maintenance"] != true {
		t.Errorf("v1 does not repeat what it was sent: %v", got)
	}
	if got := w.do("POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"m2","memory":1073741824,"vcpus":1,"disk":4294967296}`); got.status != 503 || !strings.Contains(got.body, "in maintenance") {
		t.Errorf("a machine for a host in maintenance: %d %s", got.status, got.body)
	}
}

func TestWire12CreationAnswersTheFinishedObject(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	created := w.must("POST", "/api/v1/project/"+ids["project"]+"/zone/"+ids["zone"]+"/kompute", `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`)
	read := w.must("GET", "/api/v1/kompute/"+created["id"].(string), "")
	if a, b := fmt.Sprint(created), fmt.Sprint(read); a != b {
		t.Errorf("created %s, read %s", a, b)
	}
	if ip, _ := created["ip"].(string); !strings.HasPrefix(ip, "10.201.0.") {
		t.Errorf("no address: %v", created)
	}
	adapter := w.must("POST", "/api/v1/subnet/"+ids["subnet"]+"/adapter?assignIP=true", `{"name":"n1"}`)
	if mac, _ := adapter["mac"].(string); !strings.HasPrefix(mac, "da:1e:70:") || len(adapter["addresses"].([]any)) != 1 {
		t.Errorf("%v", adapter)
	}
}
