package api_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestRouter(t *testing.T) {
	w := newWorld(t)
	id := w.id("/api/v1/region", `{"name":"eu"}`)
	for _, c := range []struct {
		method, path string
		want         int
		header, is   string
	}{
		{"GET", "/api/v1/region", 200, "", ""},
		{"HEAD", "/api/v1/region", 200, "Content-Type", "application/json"},
		{"GET", "/api/v1/region?unknown=1&x=%zz", 200, "", ""},
		{"GET", "/api/v1/region/", 301, "Location", "/api/v1/region"},
		{"POST", "/api/v1/region/", 301, "Location", "/api/v1/region"},
		{"GET", "/api/v1/region/" + id + "/?a=b", 301, "Location", "/api/v1/region/" + id + "?a=b"},
		{"GET", "//api/v1/region", 301, "Location", "/api/v1/region"},
		{"GET", "//evil.example/api", 301, "Location", "/evil.example/api"},
		{"GET", "/api//v1///region", 301, "Location", "/api/v1/region"},
		{"GET", "/api/v1/zone/../region", 301, "Location", "/api/v1/region"},
		{"GET", "/api/v1/zone/%2e%2e", 404, "", ""},
		{"GET", "/api/v1/region/%2F", 404, "", ""},
		{"GET", "/api/v1/region/" + id + "%2Fzones", 404, "", ""},
		{"GET", "/api/v1/region/" + id + "/nothing", 404, "", ""},
		{"GET", "/api/v1", 404, "", ""},
		{"GET", "/api/v3/region", 404, "", ""},
		{"GET", "/", 404, "", ""},
		{"PATCH", "/api/v1/region", 405, "Allow", "GET, HEAD, POST"},
		{"POST", "/api/v1/region/" + id, 405, "Allow", "DELETE, GET, HEAD, PUT"},
		{"OPTIONS", "/api/v1/region/" + id, 405, "Allow", "DELETE, GET, HEAD, PUT"},
		{"GET", "/api/v1/login", 405, "Allow", "POST"},
		{"DELETE", "/api/v1/kawaii", 405, "Allow", "GET, HEAD"},
		{"GET", "/api/v1/kawaii", 200, "", ""},
		{"POST", "/api/v2/pair", 405, "Allow", "GET, HEAD"},
		{"DELETE", "/api/v2/whoami", 405, "Allow", "GET, HEAD"},
	} {
		a := w.do(c.method, c.path, "")
		if a.status != c.want || c.header != "" && a.header.Get(c.header) != c.is {
			t.Errorf("%s %s: %d %s=%q, want %d %q: %s", c.method, c.path, a.status, c.header, a.header.Get(c.header), c.want, c.is, a.body)
		}
		if c.method != "HEAD" && a.status >= 300 && !strings.HasPrefix(a.header.Get("Content-Type"), "application/") {
			t.Errorf("%s %s: content type %q", c.method, c.path, a.header.Get("Content-Type"))
		}
	}
}

func TestRequestIDIsEchoedWhenSane(t *testing.T) {
	w := newWorld(t)
	if got := w.do("GET", "/api/v1/region", "", "X-Request-Id", "deploy-7.2:a_b").header.Get("X-Request-Id"); got != "deploy-7.2:a_b" {
		t.Errorf("got %q", got)
	}
	seen := map[string]bool{}
	for _, odd := range []string{"", "a b", "x\"y", strings.Repeat("a", 65)} {
		got := w.do("GET", "/api/v1/region", "", "X-Request-Id", odd).header.Get("X-Request-Id")
		if got == odd || got == "" || seen[got] {
			t.Errorf("for %q got %q", odd, got)
		}
		seen[got] = true
	}
	if !strings.Contains(w.log.String(), "deploy-7.2:a_b") {
		t.Error("the log does not have the request's id")
	}
}

func TestBodyLimits(t *testing.T) {
	w := newWorld(t)
	big := `{"name":"` + strings.Repeat("a", 1<<20) + `"}`
	if a := w.do("POST", "/api/v1/region", big); a.status != 400 || !strings.Contains(a.body, "1 MiB") {
		t.Errorf("%d %.200s", a.status, a.body)
	}
	// A body that does not say its length beforehand is cut off as well.
	r, err := http.NewRequest("POST", w.server.URL+"/api/v1/region", io.MultiReader(strings.NewReader(big)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", masterKey)
	if resp, err := w.server.Client().Do(r); err != nil || resp.StatusCode != 400 {
		t.Errorf("chunked: %v %v", resp, err)
	} else {
		raw, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(raw), "1 MiB") {
			t.Errorf("chunked: %s", raw)
		}
	}
	if a := w.do("POST", "/api/v1/region", ""); a.status != 400 {
		t.Errorf("without a body: %d %s", a.status, a.body)
	}
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	if a := w.do("POST", "/api/v1/region", deep); a.status != 400 {
		t.Errorf("nested: %d %s", a.status, a.body)
	}
}

func TestQueryIsChecked(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	for _, c := range []struct {
		method, path, field string
	}{
		{"POST", "/api/v1/project?subnetSize=big", "subnetSize"},
		{"GET", "/api/v1/project?subnetSize=2.5", "subnetSize"},
		{"POST", "/api/v1/subnet/" + ids["subnet"] + "/adapter?assignIP=maybe", "assignIP"},
		{"POST", "/api/v1/subnet/" + ids["subnet"] + "/adapter?assignIP=true&assignIP=false", "assignIP"},
		{"PATCH", "/api/v1/agent/" + ids["agent"] + "/token?expire=true&expiration_date=tomorrow", "expiration_date"},
		{"POST", "/api/v1/project/" + ids["project"] + "/zone/" + ids["zone"] + "/kompute?poolId=p1", "poolId"},
	} {
		if a := w.do(c.method, c.path, `{"name":"x"}`); a.status != 400 || !strings.Contains(a.body, c.field) {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	if a := w.do("POST", "/api/v1/subnet/"+ids["subnet"]+"/adapter?assignIP=True&poolId=", `{"name":"x"}`); a.status != 201 || strings.Contains(a.body, `"addresses":[]`) {
		t.Errorf("True is true, and an empty parameter is none: %d %s", a.status, a.body)
	}
}

// A list is of the parents in its path, all of them, and holds exactly what a read would return.
func TestListsAreOfTheirParentsAndTheCaller(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	zone := w.id("/api/v1/region/"+ids["region"]+"/zone", `{"name":"eu-b"}`)
	w.id("/api/v1/vnet/"+ids["vnet"]+"/subnet", `{"name":"s2","cidr":"10.202.0.0/24","gateway":"10.202.0.1","gw_pool":[{"first":"10.202.0.240","last":"10.202.0.249"}]}`)
	second := w.id("/api/v1/project", fmt.Sprintf(`{"name":"shop","teams":[],"regions":[%q]}`, ids["region"]))
	mine := w.kompute(ids, "m1")
	other := w.id("/api/v1/project/"+second+"/zone/"+ids["zone"]+"/kompute", `{"name":"m2","memory":1073741824,"vcpus":1,"disk":4294967296}`)
	list := func(of ...string) string {
		slices.Sort(of) // lists are in order of id
		return "[\"" + strings.Join(of, "\",\"") + "\"]"
	}
	member, stranger := w.key(ids["reader"]), w.key(ids["stranger"])
	for _, c := range []struct{ path, key, want string }{
		{"/kompute", masterKey, list(mine, other)},
		{"/kompute", member, list(mine)},
		{"/kompute", stranger, "[]"},
		{"/project/" + ids["project"] + "/zone/" + ids["zone"] + "/komputes", masterKey, list(mine)},
		{"/project/" + second + "/zone/" + ids["zone"] + "/komputes", masterKey, list(other)},
		{"/project/" + second + "/zone/" + zone + "/komputes", masterKey, "[]"},
		{"/project", member, list(ids["project"])},
		{"/kaktus", member, "[]"},
		{"/user", member, list(ids["reader"])},
	} {
		if a := w.do("GET", "/api/v1"+c.path, "", "X-API-Key", c.key); a.body != c.want {
			t.Errorf("%s: %d %s, want %s", c.path, a.status, a.body, c.want)
		}
	}
	for _, path := range []string{"/project/" + second + "/zone/" + zone + "/komputes", "/kompute/" + other, "/kaktus/" + ids["kaktus"] + "/instances", "/kaktus/" + ids["kaktus"] + "/caps", "/kompute/" + other + "/state"} {
		if a := w.do("GET", "/api/v1"+path, "", "X-API-Key", member); a.status != 404 {
			t.Errorf("a member reads %s: %d %s", path, a.status, a.body)
		}
	}
}
