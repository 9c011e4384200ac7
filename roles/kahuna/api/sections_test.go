package api_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kowabunga/core/account"
	"kowabunga/core/model"
)

// The sections of the contract after its list of rules, one test each. Those on single clients are in
// clients_test.go, those on what is made and on later releases in creation_test.go.

func TestWireSection02Conventions(t *testing.T) {
	w := newWorld(t)
	began := time.Now().Unix()
	ids := w.topology()
	w.services(ids)
	ids["kompute"] = w.kompute(ids, "m1")
	for name, id := range ids {
		if !regexp.MustCompile(`^[0-9a-f]{24}$`).MatchString(id) {
			t.Errorf("the id of %s is %q", name, id)
			continue
		}
		if at, err := strconv.ParseInt(id[:8], 16, 64); err != nil || at < began || at > time.Now().Unix() {
			t.Errorf("the id of %s is not ordered by time: %q", name, id)
		}
	}
	// Objects name neither their parents nor times.
	for path, want := range map[string][]string{
		"/zone/" + ids["zone"]:       {"id", "name"},
		"/region/" + ids["region"]:   {"domain", "id", "name"},
		"/kompute/" + ids["kompute"]: {"data_disk", "disk", "id", "ip", "memory", "name", "vcpus"},
		"/record/" + ids["record"]:   {"addresses", "domain", "id", "name"},
	} {
		got := slices.DeleteFunc(slices.Sorted(mapKeys(w.must("GET", "/api/v1"+path, ""))), func(key string) bool { return key == "description" })
		if !slices.Equal(got, want) {
			t.Errorf("%s has the keys %v, want %v", path, got, want)
		}
	}
	// Text is UTF-8, and is given back as it was sent.
	if got := w.must("PUT", "/api/v1/zone/"+ids["zone"], `{"name":"eu-a","description":"Zürich ☃ \u0001 \"<&>"}`); got["description"] != "Zürich ☃ \u0001 \"<&>" {
		t.Errorf("%q", got["description"])
	}
	// All query parameters may be absent, and others than the declared ones lead nowhere.
	for _, query := range []string{"", "?expire=false", "?expire=true&expiration_date=2199-12-31"} {
		w.must("PATCH", "/api/v1/agent/"+ids["agent"]+"/token"+query, "")
	}
	for path, status := range map[string]int{"/api/v1/region/": 301, "/api/v1//region": 301, "/api/v1/nothing": 404, "/api/v1": 404, "/": 404} {
		if a := w.do("GET", path, ""); a.status != status {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.do("PATCH", "/api/v1/region", ""); a.status != 405 {
		t.Errorf("a wrong method: %d", a.status)
	}
	// Following a link of a letter changes nothing by itself.
	before := w.state()
	for _, path := range []string{"/confirm?user=" + ids["user"] + "&token=", "/confirmForgotPassword?user=" + ids["user"] + "&token=x"} {
		if a := w.do("GET", path, "", "X-API-Key", ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || w.state() != before {
			t.Errorf("GET %s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
}

// password is one that accounts of tests have.
const password = "seven Wombats juggle 93 lamps"

// login sets a user's password and logs him in.
func (w *world) login(user string) (jwt string) {
	w.t.Helper()
	email, _ := w.must("GET", "/api/v1/user/"+user, "")["email"].(string)
	w.must("PUT", "/api/v1/user/"+user+"/password", `{"value":"`+password+`"}`)
	jwt, _ = w.must("POST", "/api/v1/login", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), "X-API-Key", "")["jwt"].(string)
	return jwt
}

// claims are those of a JWT, unverified as browsers read them.
func claims(t testing.TB, jwt string) (head, body map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", jwt)
	}
	for i, into := range []*map[string]any{&head, &body} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		*into = decode(t, string(raw))
	}
	return head, body
}

func TestWireSection03Authentication(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	jwt := w.login(ids["user"])
	head, body := claims(t, jwt)
	if exp, _ := body["exp"].(float64); head["alg"] != "HS256" || body["iss"] != "Kowabunga" || body["uid"] != ids["user"] || body["email"] != "ann@eu.test" || body["role"] != "projectAdmin" || exp <= float64(time.Now().Unix()) {
		t.Errorf("%v %v", head, body)
	}
	bearer := "Bearer " + jwt
	key := w.key(ids["user"])
	agentKey := w.must("PATCH", "/api/v2/agent/"+ids["agent"]+"/token", "")["key"].(string)
	for _, c := range []struct {
		what, key, authorization string
		status                   int
	}{
		{"master key", masterKey, "", 200}, {"user's key", key, "", 200}, {"login", "", bearer, 200}, {"nothing", "", "", 401},
		{"a wrong key is not made good by a login", "wrong", bearer, 401}, {"a key wins over a broken login", key, "Bearer x", 200},
		{"an agent's key", agentKey, "", 401}, {"another scheme", "", "Basic " + jwt, 401}, {"a short header", "", "x", 401},
	} {
		if a := w.do("GET", "/api/v1/region", "", "X-API-Key", c.key, "Authorization", c.authorization); a.status != c.status {
			t.Errorf("%s: %d %s", c.what, a.status, a.body)
		}
	}
	// Keys leave by mail alone, of users and of agents.
	for path, want := range map[string]struct{ template, to string }{
		"/user/" + ids["reader"] + "/token": {account.UserKey, "rob@eu.test"}, "/agent/" + ids["agent"] + "/token": {account.AgentKey, terms.AdminEmail},
	} {
		a := w.do("PATCH", "/api/v1"+path, "")
		mailed, _ := w.mailed(want.template)[want.to]["Key"].(string)
		if a.status != 200 || mailed == "" || strings.Contains(a.body, mailed) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	token := w.must("PATCH", "/api/v1/agent/"+ids["agent"]+"/token?expire=true&expiration_date=2199-12-31", "")
	if token["name"] != "a1-api-key" || token["expire"] != true || token["expiration_date"] != "2199-12-31" {
		t.Errorf("an agent's token: %v", token)
	}
	ended := w.must("PUT", "/api/v1/token/"+w.token(ids["user"]), `{"name":"x","expire":true,"expiration_date":"2001-01-01"}`)
	if a := w.do("GET", "/api/v1/region", "", "X-API-Key", key); a.status != 401 {
		t.Errorf("a key that ended %v: %d", ended["expiration_date"], a.status)
	}
	for _, headers := range [][]string{nil, {"X-API-Key", "", "Authorization", bearer}} {
		if a := w.do("POST", "/api/v1/logout", "", headers...); a.status != 204 || a.body != "" {
			t.Errorf("logout: %d %s", a.status, a.body)
		}
	}
	if a := w.do("GET", "/api/v1/region", "", "X-API-Key", "", "Authorization", bearer); a.status != 401 {
		t.Errorf("after the logout: %d", a.status)
	}
	for body, want := range map[string]int{`{"email":"","password":"x"}`: 422, `{"email":"nobody@eu.test","password":"x"}`: 401, `{"email":"ann@eu.test","password":"x"}`: 401, `{"email":"eve@eu.test","password":"x"}`: 401} {
		if a := w.do("POST", "/api/v1/login", body, "X-API-Key", ""); a.status != want {
			t.Errorf("login with %s: %d %s", body, a.status, a.body)
		}
	}
	if a := w.do("PUT", "/api/v1/user/"+ids["user"]+"/password", `{"value":"abcdefgh"}`); a.status != 422 {
		t.Errorf("an easy password: %d %s", a.status, a.body)
	}
}

// token is the id of a user's API key.
func (w *world) token(user string) string {
	w.t.Helper()
	for o := range model.All[*model.Token](w.store.View()) {
		if string(o.User) == user {
			return string(o.ID)
		}
	}
	w.t.Fatalf("user %s has no key", user)
	return ""
}

func TestWireSection04Rights(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	kompute := w.kompute(ids, "m1")
	adapter := w.list("/api/v1/adapter")[0]
	key := map[string]string{"nobody": "x", "stranger": w.key(ids["stranger"]), "user": w.key(ids["reader"]), "admin": w.key(ids["user"]), "super": masterKey}
	project := "/project/" + ids["project"]
	again := fmt.Sprintf(`{"name":"web","domain":"web.test","teams":[%q],"regions":[%q],"quotas":{"vcpus":%%d}}`, ids["team"], ids["region"])
	for _, c := range []struct {
		method, path, body string
		want               string // nobody, stranger, user, admin, super
	}{
		{"GET", "/region/" + ids["region"], "", "401 200 200 200 200"},
		{"GET", "/region/" + ids["region"] + "?x=/api/v1/project", "", "401 200 200 200 200"},
		{"GET", project, "", "401 404 200 200 200"},
		{"GET", "/kompute/" + kompute, "", "401 404 200 200 200"},
		{"GET", "/kompute/" + kompute + "/state", "", "401 404 200 200 200"},
		{"GET", "/adapter/" + adapter, "", "401 404 200 200 200"},
		{"GET", "/subnet/" + ids["subnet"], "", "401 404 200 200 200"},
		{"GET", "/pool/" + ids["pool"], "", "401 404 200 200 200"},
		{"GET", "/template/" + ids["template"], "", "401 404 200 200 200"},
		{"GET", "/kaktus/" + ids["kaktus"], "", "401 404 404 404 200"},
		{"GET", "/agent/" + ids["agent"] + "?/api/v1/region", "", "401 404 404 404 200"},
		{"PATCH", "/kompute/" + kompute + "/reboot", "", "401 404 200 200 200"},
		{"PUT", "/kompute/" + kompute, `{"name":"m1","memory":1073741824,"vcpus":1,"disk":4294967296}`, "401 404 403 200 200"},
		{"PUT", project, fmt.Sprintf(again, 0), "401 404 403 200 200"},
		{"PUT", project, fmt.Sprintf(again, 9), "401 404 403 403 200"},
		{"POST", "/project?subnetSize=26", "[]", "401 403 403 403 400"},
		{"POST", "/team", "[]", "401 403 403 403 400"},
		{"DELETE", project, "", "401 404 403 403 409"},
		{"DELETE", "/region/" + ids["region"] + "?/api/v1/user/" + ids["reader"], "", "401 403 403 403 409"},
		{"PUT", "/user/" + ids["reader"], `{"name":"rob","email":"rob@eu.test","role":"superAdmin"}`, "401 404 403 404 200"},
	} {
		for i, caller := range []string{"nobody", "stranger", "user", "admin", "super"} {
			want := strings.Fields(c.want)[i]
			if a := w.do(c.method, "/api/v1"+c.path, c.body, "X-API-Key", key[caller]); strconv.Itoa(a.status) != want {
				t.Errorf("%s %s by %s: %d %s, want %s", c.method, c.path, caller, a.status, a.body, want)
			}
		}
	}
	for caller, want := range map[string]string{"stranger": "[]", "user": `["` + ids["project"] + `"]`, "super": `["` + ids["project"] + `"]`} {
		if a := w.do("GET", "/api/v1/project", "", "X-API-Key", key[caller]); a.body != want {
			t.Errorf("the projects of %s: %s", caller, a.body)
		}
	}
	// What a member has just made he may read with the next request.
	made := w.must("POST", "/api/v1"+project+"/record", `{"name":"www","addresses":["192.0.2.2"]}`, "X-API-Key", key["admin"])["id"].(string)
	w.must("GET", "/api/v1/record/"+made, "", "X-API-Key", key["admin"])
}
