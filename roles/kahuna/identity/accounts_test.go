package identity

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kowabunga/core/account"
	"kowabunga/core/model"
)

// A bot has a key and no password, whoever tries to give it one.
func TestBotsHaveNoPassword(t *testing.T) {
	p := newPlace(t)
	id := p.must("POST", "/user?bot=true", `{"name":"bot","email":"bot@example.org","role":"user"}`)
	p.want(422, masterKey, "POST", "/user?bot=true&password=generated", `{"name":"b2","email":"b2@example.org","role":"user"}`)
	p.must("PATCH", "/user/"+id+"/token", "")
	p.want(200, p.keys["bot"], "GET", "/user/"+id, "")
	p.want(422, masterKey, "PUT", "/user/"+id+"/password", `{"value":"`+password+`"}`)
	p.want(422, masterKey, "PATCH", "/user/"+id+"/newPassword", "")
	if n := len(p.letters(account.Welcome)); n != 0 {
		t.Errorf("%d letters welcome a program", n)
	}
	p.edit(id, func(u *model.User) {
		u.Confirmed = true
		u.PasswordHash, _ = p.passwords.hash(t.Context(), password)
	})
	if code, _ := p.enter("bot"); code != 401 {
		t.Errorf("it logs in: %d", code)
	}
}

// Passwords that are drawn here are worth 100 bits at least, shown to who asked, and kept as a hash.
func TestPasswordsAreDrawn(t *testing.T) {
	p := newPlace(t)
	answer := p.must("POST", "/user?password=generated", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	id, first, _ := strings.Cut(answer, " ")
	if bits := strength(first, "eve"); bits < 100 {
		t.Errorf("%q is worth %.0f bits", first, bits)
	}
	if _, err := p.Login(t.Context(), "eve@example.org", first, "", ""); err != nil {
		t.Error(err)
	}
	second := p.must("PATCH", "/user/"+id+"/newPassword", "")
	if second == first || p.View().Len(model.KindSession) != 0 {
		t.Error("the password is as before, or logins live on")
	}
	if _, err := p.Login(t.Context(), "eve@example.org", second, "", ""); err != nil {
		t.Error(err)
	}
	for l := range model.All[*model.Letter](p.View()) {
		if strings.Contains(l.Data.Reveal(), first) || strings.Contains(l.Data.Reveal(), second) {
			t.Error("a password is in a letter")
		}
	}
	_, other := p.user("mal", model.RoleProjectAdmin)
	p.want(404, other, "PATCH", "/user/"+id+"/newPassword", "")
}

// Where passwords are only drawn nobody sets one, and everything else goes on.
func TestGeneratedPasswordsOnly(t *testing.T) {
	p := newPlace(t, func(c *Config) { c.Terms.Generated = true })
	answer := p.must("POST", "/user?password=generated", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	id, first, _ := strings.Cut(answer, " ")
	p.want(403, masterKey, "PUT", "/user/"+id+"/password", `{"value":"`+password+`"}`)
	if _, err := p.Login(t.Context(), "eve@example.org", first, "", ""); err != nil {
		t.Error(err)
	}
}

// A disabled account opens nothing, and its logins do not come back with it.
func TestAccountsAreShutAndOpened(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	_, login := p.enter("eve")
	p.want(403, key, "PATCH", "/user/"+id+"/disable", "")
	p.must("PATCH", "/user/"+id+"/disable", "")
	p.want(401, key, "GET", "/region", "")
	p.want(401, login, "GET", "/region", "")
	p.must("PATCH", "/user/"+id+"/enable", "")
	p.want(200, key, "GET", "/region", "")
	p.want(401, login, "GET", "/region", "")
	if code, _ := p.enter("eve"); code != 201 {
		t.Errorf("login afterwards: %d", code)
	}
}

// Everybody sees and ends his own logins, a superAdmin all of them.
func TestLoginsAreListedAndEnded(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	p.user("bob", model.RoleUser)
	_, eve := p.enter("eve")
	_, other := p.enter("eve")
	_, bob := p.enter("bob")
	me, err := p.Authenticate(&http.Request{Header: http.Header{"Authorization": {other}}})
	if err != nil {
		t.Fatal(err)
	}
	who := string(me.Session)
	if _, list := p.call(eve, "GET", "/session", ""); strings.Count(list, `"`) != 4 || !strings.Contains(list, who) {
		t.Errorf("eve sees %s", list)
	}
	p.want(404, bob, "DELETE", "/session/"+who, "")
	p.want(200, eve, "DELETE", "/session/"+who, "")
	p.want(401, other, "GET", "/region", "")
	p.want(200, eve, "GET", "/region", "")
	if _, list := p.call(masterKey, "GET", "/session", ""); strings.Count(list, `"`) != 4 {
		t.Errorf("the master key sees %s", list)
	}
}

// What is written to people is written with the change itself: a change that fails writes nothing.
func TestLettersComeWithTheirChange(t *testing.T) {
	p := newPlace(t)
	p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	before := p.View().Len(model.KindLetter)
	p.want(409, masterKey, "POST", "/user", `{"name":"eve","email":"other@example.org","role":"user"}`)
	p.want(409, masterKey, "POST", "/user", `{"name":"other","email":"EVE@example.org","role":"user"}`)
	p.want(422, masterKey, "POST", "/user", `{"name":"other","email":"eve","role":"user"}`)
	if n := p.View().Len(model.KindLetter); n != before {
		t.Errorf("%d letters instead of %d", n, before)
	}
	id := p.must("POST", "/user", `{"name":"bob","email":"bob@example.org","role":"user"}`)
	p.must("DELETE", "/user/"+id, "")
	if n := p.View().Len(model.KindLetter); n != before {
		t.Errorf("%d letters instead of %d after the user is gone", n, before)
	}
}

// Keys that API v1 issues are in a letter, to the user or to the administrator, and nowhere else.
func TestC1KeysOfAPIv1AreMailed(t *testing.T) {
	p := newPlace(t, func(c *Config) { c.Terms.AdminEmail = "admin@example.org" })
	id := p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	agent := p.must("POST", "/agent", `{"name":"host","type":"Kaktus"}`)
	p.must("PATCH", "/user/"+id+"/token?expire=true&expiration_date=2030-06-01", "")
	p.must("PATCH", "/agent/"+agent+"/token", "")
	for name, want := range map[string]struct{ to, key string }{
		account.UserKey: {"eve@example.org", p.keys["eve"]}, account.AgentKey: {"admin@example.org", p.keys["host"]},
	} {
		all := p.letters(name)
		if len(all) != 1 || all[0].To != want.to || !strings.Contains(all[0].Data.Reveal(), want.key) || want.key == "" {
			t.Errorf("%s: %v", name, all)
		}
	}
	if text := fmt.Sprintf("%+v", *p.letters(account.UserKey)[0]); strings.Contains(text, p.keys["eve"]) {
		t.Error("a printed letter shows the key")
	}
}

// The form of an address is all that is looked at: no name server is asked, so that users of domains
// without mail, or without a network, can be made.
func TestC2OnlyTheFormOfAnAddressCounts(t *testing.T) {
	p := newPlace(t)
	for n, address := range []string{"a@no-mail.invalid", "b@localhost", "c@mail.corp", "d+tag@xn--bcher-kva.example"} {
		p.want(201, masterKey, "POST", "/user", fmt.Sprintf(`{"name":"u%d","email":"%s","role":"user"}`, n, address))
	}
}
