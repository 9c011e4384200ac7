package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api"
)

// API v1 never shows a key: it goes out by mail. API v2 shows it once and mails nothing.
func TestKeysAreShownOnceInV2AndMailedInV1(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	for kind, id := range map[string]string{"agent": ids["agent"], "user": ids["user"]} {
		a := w.do("PATCH", "/api/v1/"+kind+"/"+id+"/token?expire=false", "")
		key := w.letters.keys[model.ID(id)]
		if a.status != 200 || key == "" || strings.Contains(a.body, key) {
			t.Errorf("%s in v1: %d %s", kind, a.status, a.body)
		}
		delete(w.letters.keys, model.ID(id))
		shown := w.must("PATCH", "/api/v2/"+kind+"/"+id+"/token", "")
		if len(shown) != 2 || shown["id"] != id || shown["key"] == "" || shown["key"] == key {
			t.Errorf("%s in v2: %v", kind, shown)
		}
		if len(w.letters.keys) != 0 {
			t.Errorf("%s in v2 was mailed", kind)
		}
		if kind == "user" {
			if got := w.must("GET", "/api/v2/whoami", "", "X-API-Key", shown["key"].(string)); got["user"] != id {
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
	if len(w.letters.welcomed) != 3 {
		t.Errorf("%d new users were written to", len(w.letters.welcomed))
	}
	w.letters.err = fault.New(fault.Unavailable, "the mail cannot be written")
	if a := w.do("PATCH", "/api/v1/user/"+ids["user"]+"/token", ""); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a key that reached nobody: %d %s", a.status, a.body)
	}
	if a := w.do("POST", "/api/v1/user", `{"name":"new","email":"new@eu.test","role":"user"}`); a.status != 201 {
		t.Errorf("a user who could not be written to: %d %s", a.status, a.body)
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
	login func(email, password, from string) (string, error)
}

func (s sessions) Login(_ context.Context, email, password, from string) (string, error) {
	return s.login(email, password, from)
}
func (s sessions) Logout(context.Context, access.Identity) error { return nil }
func (s sessions) SetPassword(context.Context, access.Identity, model.ID, string) error {
	return errors.New("no password is set here")
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
		c.Sessions = sessions{func(email, password, from string) (string, error) {
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
