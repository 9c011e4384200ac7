package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"kowabunga/core/account"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api"
)

// API v1 never shows a key: it goes out by mail. API v2 shows it once and mails nothing.
func TestKeysAreShownOnceInV2AndMailedInV1(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	user, _ := model.Find[*model.User](w.store.View(), model.ID(ids["user"]))
	for kind, c := range map[string]struct{ id, template, to string }{
		"agent": {ids["agent"], account.AgentKey, terms.AdminEmail}, "user": {ids["user"], account.UserKey, user.Email},
	} {
		a := w.do("PATCH", "/api/v1/"+kind+"/"+c.id+"/token?expire=false", "")
		key, _ := w.mailed(c.template)[c.to]["Key"].(string)
		if a.status != 200 || key == "" || strings.Contains(a.body, key) {
			t.Errorf("%s in v1: %d %s", kind, a.status, a.body)
		}
		letters := w.store.View().Len(model.KindLetter)
		shown := w.must("PATCH", "/api/v2/"+kind+"/"+c.id+"/token", "")
		if len(shown) != 2 || shown["id"] != c.id || shown["key"] == "" || shown["key"] == key {
			t.Errorf("%s in v2: %v", kind, shown)
		}
		if w.store.View().Len(model.KindLetter) != letters {
			t.Errorf("%s in v2 was mailed", kind)
		}
		if kind == "user" {
			if got := w.must("GET", "/api/v2/whoami", "", "X-API-Key", shown["key"].(string)); got["user"] != c.id {
				t.Errorf("%v", got)
			}
			if a := w.do("GET", "/api/v2/whoami", "", "X-API-Key", key); a.status != 401 {
				t.Errorf("the replaced key still works: %d", a.status)
			}
		}
		if strings.Contains(w.log.String(), shown["key"].(string)) || strings.Contains(w.log.String(), key) {
			t.Error("a key is in the log")
		}
	}
	if n := len(w.mailed(account.Welcome)); n != 3 {
		t.Errorf("%d new users were written to", n)
	}
}

// API v2 shows the password it draws to whoever asked for it, this once, and the account can be used.
func TestPasswordsAreShownOnceInV2(t *testing.T) {
	w := newWorld(t)
	made := w.must("POST", "/api/v2/users?password=generated", `{"name":"ann","email":"ann@eu.test","role":"user","notifications":true}`)
	password, _ := made["password"].(string)
	if len(password) != 24 || made["confirmed"] != true || made["notifications"] != true || made["bot"] != false {
		t.Fatalf("made %v", made)
	}
	login := func(password string) int {
		return w.do("POST", "/api/v1/login", `{"email":"ann@eu.test","password":"`+password+`"}`, "X-API-Key", "").status
	}
	if got := login(password); got != 201 {
		t.Errorf("login: %d", got)
	}
	if again := w.must("GET", "/api/v2/users/ann", ""); again["password"] != nil {
		t.Errorf("it is shown again: %v", again)
	}
	shown := w.must("PATCH", "/api/v2/users/ann/newPassword", "")
	if len(shown) != 2 || shown["id"] != made["id"] || login(password) != 401 || login(shown["password"].(string)) != 201 {
		t.Errorf("%v", shown)
	}
	id := made["id"].(string)
	mal := w.id("/api/v1/user", `{"name":"mal","email":"mal@eu.test","role":"projectAdmin"}`)
	key := w.key(mal)
	for path, want := range map[string]int{"/api/v2/users/ann/newPassword": 404, "/api/v2/users/" + id + "/newPassword": 404, "/api/v2/users/mal/newPassword": 200} {
		if a := w.do("PATCH", path, "", "X-API-Key", key); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.do("POST", "/api/v2/users?password=generated", `{"name":"x","email":"x@eu.test","role":"user"}`, "X-API-Key", key); a.status != 403 || strings.Contains(a.body, "password\":") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.do("POST", "/api/v2/users?password=mine", `{"name":"x","email":"x@eu.test","role":"user"}`); a.status != 400 {
		t.Errorf("a chosen password: %d %s", a.status, a.body)
	}
	// API v1 knows neither parameter.
	v1 := w.must("POST", "/api/v1/user?password=generated&bot=true", `{"name":"v1","email":"v1@eu.test","role":"user"}`)
	if len(v1) != 5 {
		t.Errorf("v1 answers %v", v1)
	}
	if log := w.log.String(); strings.Contains(log, password) || strings.Contains(log, shown["password"].(string)) {
		t.Error("a password is in the log")
	}
}

func TestSecretsAreForThoseWhoManage(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	for who, want := range map[string]string{"": "hunter-2-rabbits", ids["user"]: "hunter-2-rabbits", ids["reader"]: ""} {
		var headers []string
		if who != "" {
			headers = []string{"X-API-Key", w.key(who)}
		}
		for _, path := range []string{"/api/v1/project/" + ids["project"], "/api/v2/projects/web"} {
			if got := w.must("GET", path, "", headers...); got["root_password"] != want {
				t.Errorf("%s as %q: %v", path, who, got["root_password"])
			}
		}
	}
	if log := w.log.String(); strings.Contains(log, "hunter-2") || strings.Contains(log, masterKey) || strings.Contains(log, "s3cret-uuid") {
		t.Error("a secret is in the log")
	}
}

// sessions is a fake of logins.
type sessions struct {
	api.Sessions
	login func(email, password, from string) (string, error)
}

func (s sessions) Login(_ context.Context, email, password, from, _ string) (string, error) {
	return s.login(email, password, from)
}

type limiter struct{ left int }

func (l *limiter) Allow(string) (time.Duration, bool) {
	l.left--
	return 1500 * time.Millisecond, l.left >= 0
}

func TestLogin(t *testing.T) {
	var asked string
	w := newWorld(t, func(c *api.Config) {
		c.Limit = &limiter{left: 8}
		c.Sessions = sessions{login: func(email, password, from string) (string, error) {
			asked = fmt.Sprint(email, " ", from)
			if password != "right" {
				return "", fault.New(fault.Unauthenticated, "wrong")
			}
			return "a.b.c", nil
		}}
	})
	a := w.do("POST", "/api/v1/login", `{"email":"a\"@b","password":"right","extra":1}`, "X-API-Key", "")
	if a.status != 201 || a.body != `{"email":"a\"@b","password":"","jwt":"a.b.c"}` || asked != `a"@b 127.0.0.1` {
		t.Errorf("%d %s (%s)", a.status, a.body, asked)
	}
	for body, want := range map[string]int{`{"email":"a","password":"wrong"}`: 401, `{"email":"","password":"x"}`: 422, `{"email":"x"}`: 422, `{"email":1}`: 400, `[`: 400, ``: 400, `null`: 422} {
		if a := w.do("POST", "/api/v1/login", body, "X-API-Key", ""); a.status != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := w.do("POST", "/api/v1/login", `{"email":"a","password":"right"}`); a.status != 429 || a.header.Get("Retry-After") != "2" {
		t.Errorf("%d %s after %s s", a.status, a.body, a.header.Get("Retry-After"))
	}
	if strings.Contains(w.log.String(), "right") {
		t.Error("a password is in the log")
	}
}
