package identity

import (
	"fmt"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestA15LoginTellsNothing(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	botID := p.must("POST", "/user", `{"name":"bot","email":"bot@example.org","role":"user"}`)
	p.must("PATCH", "/user/"+botID+"/token", "")
	disabled, _ := p.user("out", model.RoleUser)
	p.edit(disabled, func(u *model.User) { u.Disabled = true })
	waiting, _ := p.user("new", model.RoleUser)
	p.edit(waiting, func(u *model.User) { u.Confirmed = false })
	answers := map[string]bool{}
	for _, c := range []struct{ who, password string }{
		{"eve", "wrong"}, {"nobody", password}, {"bot", ""}, {"bot", password}, {"out", password}, {"new", password}, {"eve", strings.Repeat("long", 2000)},
	} {
		before := p.passwords.hashes.Load()
		code, answer := p.call("", "POST", "/login", `{"email":"`+c.who+`@example.org","password":"`+c.password+`"}`)
		answers[fmt.Sprint(code, answer)] = true
		if code != 401 {
			t.Errorf("%s: %d", c.who, code)
		}
		if n := p.passwords.hashes.Load() - before; n != 1 {
			t.Errorf("%s: %d slow hashes instead of one", c.who, n)
		}
	}
	if len(answers) != 1 {
		t.Errorf("failures can be told apart: %v", answers)
	}
	p.want(200, p.keys["bot"], "GET", "/region", "")
}

func TestA15GuessingIsSlowedDown(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	attempt := func(name, password, from string) error {
		_, err := p.Login(t.Context(), name+"@example.org", password, from, "")
		return err
	}
	for n := range addressBurst {
		if err := attempt("eve", "wrong", "192.0.2.7:1000"); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("attempt %d: %v", n, err)
		}
	}
	if err := attempt("eve", password, "192.0.2.7:2000"); !fault.Is(err, fault.Throttled) {
		t.Errorf("after %d failures: %v", addressBurst, err)
	}
	if wait, ok := p.Allow("192.0.2.7"); ok || wait <= 0 || wait > addressEvery {
		t.Errorf("allowed %v in %v", ok, wait)
	}
	if err := attempt("eve", password, "198.51.100.1:1"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	p.pass(addressEvery)
	if err := attempt("eve", password, "192.0.2.7:1000"); err != nil {
		t.Errorf("after a pause: %v", err)
	}
	for n := range addressBurst * 3 { // successes cost nothing
		if err := attempt("eve", password, "203.0.113.9:1"); err != nil {
			t.Fatalf("login %d: %v", n, err)
		}
	}
	for n := range nameBurst + 1 { // many addresses, one account
		err := attempt("ann", "wrong", fmt.Sprintf("10.%d.0.1:1", n))
		if want := n >= nameBurst; fault.Is(err, fault.Throttled) != want {
			t.Fatalf("attempt %d on one account: %v", n, err)
		}
	}
}

func TestA16WeakMasterKeysAreRefused(t *testing.T) {
	for _, key := range []string{"", "API_KEY", "SECURE_TOKEN", "changeme", strings.Repeat("a", 100), "correct horse", "kowabunga-kowabunga-kowabunga"} {
		if _, err := New(Config{MasterKey: key}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", key, err)
		} else if key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("the refusal shows the key: %v", err)
		}
	}
	for range 50 {
		if err := checkMasterKey(NewMasterKey().Reveal()); err != nil {
			t.Error(err)
		}
	}
}

// Nothing that logs in reaches logs or errors.
func TestA17NoSecretIsLogged(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	_, login := p.enter("eve")
	p.call("", "POST", "/login", `{"email":"eve@example.org","password":"my-other-`+password+`"}`)
	_, weak := p.call(key, "PUT", "/user/"+id+"/password", `{"value":"hunter2"}`)
	_, bad := p.call(key+"x", "GET", "/region", "")
	u, _ := model.Find[*model.User](p.View(), model.ID(id))
	token, _ := model.One[*model.Token](p.View(), "user", u.ID)
	setting, _ := model.One[*model.Setting](p.View(), "name", ringName)
	everything := p.logs.String() + weak + bad + fmt.Sprintf("%v %+v %#v %v %+v", u, *u, *u, *token, *setting)
	if !strings.Contains(everything, `"msg":"login"`) {
		t.Error("a login is not logged")
	}
	for what, secret := range map[string]string{
		"password": password, "weak password": "hunter2", "API key": key, "key's secret": key[14:], "token": login[len("Bearer "):],
		"password hash": u.PasswordHash.Reveal(), "key hash": token.Hash.Reveal(), "signing key": setting.Value.Reveal(), "master key": masterKey,
	} {
		if strings.Contains(everything, secret) {
			t.Errorf("the %s appears", what)
		}
	}
}
