package identity

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func (p *place) want(code int, credentials, method, target, body string) {
	p.t.Helper()
	if got, answer := p.call(credentials, method, target, body); got != code {
		p.t.Errorf("%s %s: %d %s, want %d", method, target, got, answer, code)
	}
}

func TestA1QueryDoesNotAuthorise(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	_, admin := p.user("pat", model.RoleProjectAdmin)
	region := p.must("POST", "/region", `{"name":"eu","domain":"eu.example.org"}`)
	agent := p.must("POST", "/agent", `{"name":"host","type":"Kaktus"}`)
	self := "?/api/v1/user/" + id
	p.want(403, key, "DELETE", "/region/"+region+self, "")
	p.want(403, key, "POST", "/team"+self, `{"name":"x","users":[]}`)
	p.want(404, key, "GET", "/agent/"+agent+"?/api/v1/region", "")
	p.want(403, admin, "DELETE", "/region/"+region+"?/api/v1/project", "")
	p.want(404, admin, "PATCH", "/agent/"+agent+"/token?x=/api/v1/project", "")
	if code, list := p.call(key, "GET", "/user?z=/api/v1/zone", ""); code != 200 || strings.Count(list, `"`) != 2 {
		t.Errorf("the list of users for a user: %d %s", code, list)
	}
}

func TestA2NamingAnOwnObjectDoesNotAuthorise(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleProjectAdmin)
	team := p.must("POST", "/team", `{"name":"eves","users":["`+id+`"]}`)
	region := p.must("POST", "/region", `{"name":"eu","domain":"eu.example.org"}`)
	p.want(403, key, "DELETE", "/region/"+region+"?x="+team, "")
	p.want(403, key, "PUT", "/team/"+team+"?x="+id, `{"name":"mine","users":[]}`)
}

func TestA3NobodyPromotesHimself(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	p.want(403, key, "PUT", "/user/"+id, `{"name":"eve","email":"eve@example.org","role":"superAdmin"}`)
	p.want(403, key, "DELETE", "/user/"+id, "")
	p.want(200, key, "PUT", "/user/"+id, `{"name":"eva","email":"eve@example.org","role":"user","description":"me"}`)
	if u, _ := model.Find[*model.User](p.View(), model.ID(id)); u.Role != model.RoleUser || u.Name != "eva" || u.Description != "me" {
		t.Errorf("after the updates: %+v", u)
	}
}

// What a superAdmin sets confirms, what the user sets does not.
func TestA7NobodyConfirmsHimself(t *testing.T) {
	p := newPlace(t)
	id := p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	p.must("PATCH", "/user/"+id+"/token", "")
	p.want(200, p.keys["eve"], "PUT", "/user/"+id+"/password", `{"value":"`+password+`"}`)
	if code, _ := p.enter("eve"); code != 401 {
		t.Errorf("an unconfirmed account logs in: %d", code)
	}
	p.must("PUT", "/user/"+id+"/password", `{"value":"`+password+`"}`)
	if code, _ := p.enter("eve"); code != 201 {
		t.Errorf("after a superAdmin set the password: %d", code)
	}
	_, other := p.user("mal", model.RoleProjectAdmin)
	p.want(404, other, "PUT", "/user/"+id+"/password", `{"value":"`+password+`"}`)
	p.want(404, other, "PATCH", "/user/"+id+"/resetPassword", "")
}

// Names lead nowhere: a user named like an agent, or like another user once was, gets a key of his own.
func TestA10TokensBelongToTheirOwner(t *testing.T) {
	p := newPlace(t)
	agent := p.must("POST", "/agent", `{"name":"host","type":"Kaktus"}`)
	agentToken := p.must("PATCH", "/agent/"+agent+"/token", "")
	before, ok := AgentCredential(p.View(), model.ID(agent))
	if !ok {
		t.Fatal("the agent has no credential")
	}
	id, key := p.user("eve", model.RoleUser)
	p.want(200, key, "PUT", "/user/"+id, `{"name":"host","email":"eve@example.org","role":"user"}`)
	code, userToken := p.call(key, "PATCH", "/user/"+id+"/token", "")
	if code != 200 || userToken == agentToken {
		t.Fatalf("the user's new key: %d %s", code, userToken)
	}
	if after, ok := AgentCredential(p.View(), model.ID(agent)); !ok || !after.Same(before) {
		t.Error("the agent's key was replaced")
	}
	p.want(401, key, "GET", "/region", "")
	p.want(200, p.keys["host"], "GET", "/region", "")
	if n := p.View().Len(model.KindToken); n != 2 {
		t.Errorf("%d tokens for two owners", n)
	}
}

func TestA11AddressesAreUniqueAndWellFormed(t *testing.T) {
	p := newPlace(t)
	id, _ := p.user("eve", model.RoleUser)
	p.user("bob", model.RoleUser)
	p.want(409, masterKey, "PUT", "/user/"+id, `{"name":"eve","email":"BOB@example.org","role":"user"}`)
	p.want(422, masterKey, "PUT", "/user/"+id, `{"name":"eve","email":"no address","role":"user"}`)
	if u, _ := model.Find[*model.User](p.View(), model.ID(id)); u.Email != "eve@example.org" {
		t.Errorf("the address became %q", u.Email)
	}
}

func TestA12LoginsAreRevokedAtOnce(t *testing.T) {
	for _, c := range []struct {
		by     string
		revoke func(p *place, id, login string)
	}{
		{"logout", func(p *place, id, login string) { p.want(204, login, "POST", "/logout", "") }},
		{"a new password", func(p *place, id, login string) {
			p.must("PUT", "/user/"+id+"/password", `{"value":"Xk3_mQ8-pL0.rS5!tU"}`)
		}},
		{"the user's own new password", func(p *place, id, login string) {
			p.want(200, login, "PUT", "/user/"+id+"/password", `{"value":"Xk3_mQ8-pL0.rS5!tU"}`)
		}},
		{"removing the user", func(p *place, id, login string) { p.must("DELETE", "/user/"+id, "") }},
		{"disabling the user", func(p *place, id, login string) {
			p.edit(id, func(u *model.User) { u.Disabled = true })
		}},
		{"withdrawing the confirmation", func(p *place, id, login string) {
			p.edit(id, func(u *model.User) { u.Confirmed = false })
		}},
		{"time", func(p *place, id, login string) { p.pass(DefaultSessionLife) }},
	} {
		t.Run(c.by, func(t *testing.T) {
			p := newPlace(t)
			id, _ := p.user("eve", model.RoleUser)
			_, bystander := p.user("bob", model.RoleUser)
			code, login := p.enter("eve")
			if code != 201 {
				t.Fatalf("login: %d", code)
			}
			p.want(200, login, "GET", "/region", "")
			c.revoke(p, id, login)
			p.want(401, login, "GET", "/region", "")
			p.want(200, bystander, "GET", "/region", "")
		})
	}
}

func TestA12KeysOfDisabledUsersAreRefused(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	p.want(200, key, "GET", "/region", "")
	p.edit(id, func(u *model.User) { u.Disabled = true })
	p.want(401, key, "GET", "/region", "")
}

// A login that was being checked while the password was replaced does not outlive that.
func TestA12LoginsDoNotOvertakeRevocation(t *testing.T) {
	for what, meanwhile := range map[string]func(p *place, id string){
		"new password": func(p *place, id string) { p.must("PUT", "/user/"+id+"/password", `{"value":"Xk3_mQ8-pL0.rS5!tU"}`) },
		"disabled":     func(p *place, id string) { p.edit(id, func(u *model.User) { u.Disabled = true }) },
		"removed":      func(p *place, id string) { p.must("DELETE", "/user/"+id, "") },
	} {
		p := newPlace(t)
		id, _ := p.user("eve", model.RoleUser)
		p.first = func() { meanwhile(p, id) }
		if code, answer := p.enter("eve"); code != 401 || p.View().Len(model.KindSession) != 0 {
			t.Errorf("%s: %d %s", what, code, answer)
		}
	}
}

// edit changes a user as an operator would on the machine itself.
func (p *place) edit(id string, f func(u *model.User)) {
	p.t.Helper()
	err := p.commit(p.t.Context(), Cause{}, func(d model.Draft) error {
		u, _ := model.Find[*model.User](d, model.ID(id))
		u = model.Edit(u)
		f(u)
		return d.Put(u)
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func TestA12OneLogoutLeavesOtherLoginsAlone(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	_, first := p.enter("eve")
	_, second := p.enter("eve")
	if first == second {
		t.Fatal("two logins share a token")
	}
	p.want(204, first, "POST", "/logout", "")
	p.want(401, first, "POST", "/logout", "")
	p.want(200, second, "GET", "/region", "")
}

// However many keys are tried, no slow hash runs, nothing grows with the number of users, and a good key
// from the same address is not turned away.
func TestA13KeysCostNoSlowHash(t *testing.T) {
	p := newPlace(t)
	_, key := p.user("eve", model.RoleUser)
	before := p.passwords.hashes.Load()
	for n := range keyBurst + 100 {
		want := 401
		if n >= keyBurst {
			want = 429
		}
		p.want(want, fmt.Sprintf("kw_aaaaaaaaaa_%032d", n), "GET", "/region", "")
	}
	p.want(200, key, "GET", "/region", "")
	if got := p.passwords.hashes.Load(); got != before {
		t.Errorf("%d slow hashes", got-before)
	}
}

func TestA14OddHeadersAreRefused(t *testing.T) {
	p := newPlace(t)
	_, key := p.user("eve", model.RoleUser)
	_, login := p.enter("eve")
	for _, c := range []struct {
		what   string
		header http.Header
	}{
		{"nothing", http.Header{}},
		{"one letter", http.Header{"Authorization": {"x"}}},
		{"only the scheme", http.Header{"Authorization": {"Bearer"}}},
		{"scheme and space", http.Header{"Authorization": {"Bearer "}}},
		{"another scheme", http.Header{"Authorization": {"Basic " + strings.TrimPrefix(login, "Bearer ")}}},
		{"two dots", http.Header{"Authorization": {"Bearer .."}}},
		{"twice", http.Header{"Authorization": {login, login}}},
		{"endless", http.Header{"Authorization": {"Bearer " + strings.Repeat("a.", 1<<16)}}},
		{"key as bearer", http.Header{"Authorization": {"Bearer " + key}}},
		{"two keys", http.Header{"X-Api-Key": {key, key}}},
		{"endless key", http.Header{"X-Api-Key": {strings.Repeat("k", 1<<16)}}},
		{"prefix alone", http.Header{"X-Api-Key": {key[:13]}}},
		{"key cut short", http.Header{"X-Api-Key": {key[:len(key)-1]}}},
		{"key with another last letter", http.Header{"X-Api-Key": {key[:len(key)-1] + "!"}}},
		{"known prefix with a made-up secret", http.Header{"X-Api-Key": {key[:14] + strings.Repeat("a", len(key)-14)}}},
		{"master key with another last letter", http.Header{"X-Api-Key": {masterKey[:len(masterKey)-1] + "!"}}},
		{"key with more", http.Header{"X-Api-Key": {key + "a"}}},
		{"a wrong key with a good login", http.Header{"X-Api-Key": {"wrong"}, "Authorization": {login}}},
	} {
		who, err := p.Authenticate(&http.Request{Header: c.header})
		if !fault.Is(err, fault.Unauthenticated) || who.Known() {
			t.Errorf("%s: %+v, %v", c.what, who, err)
		}
	}
	for what, header := range map[string]http.Header{
		"scheme in capitals":           {"Authorization": {"BEARER " + login[len("Bearer "):]}},
		"an empty key beside a login":  {"X-Api-Key": {""}, "Authorization": {login}},
		"a key beside a useless login": {"X-Api-Key": {key}, "Authorization": {"x"}},
	} {
		if who, err := p.Authenticate(&http.Request{Header: header}); err != nil || who.Name != "eve" {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
}

// What an agent is, its record says, not its header.
func TestA24TheRecordSaysWhatAnAgentIs(t *testing.T) {
	p := newPlace(t)
	agent := p.must("POST", "/agent", `{"name":"host","type":"Kiwi"}`)
	if _, ok := AgentCredential(p.View(), model.ID(agent)); ok {
		t.Error("an agent without a key has a credential")
	}
	p.must("PATCH", "/agent/"+agent+"/token", "")
	if c, ok := AgentCredential(p.View(), model.ID(agent)); !ok || c.Kind != "Kiwi" {
		t.Errorf("credential: %+v, %v", c, ok)
	}
	p.want(422, masterKey, "PUT", "/agent/"+agent, `{"name":"host","type":"Kaktus"}`)
	p.want(401, p.keys["host"], "GET", "/region", "")
}

// Whoever compares an agent's credential with the one its session began with sees every revocation.
func TestA25RevocationShowsInTheCredential(t *testing.T) {
	for by, revoke := range map[string]func(p *place, agent, token string){
		"a new key":          func(p *place, agent, token string) { p.must("PATCH", "/agent/"+agent+"/token", "") },
		"removing the token": func(p *place, agent, token string) { p.must("DELETE", "/token/"+token, "") },
		"removing the agent": func(p *place, agent, token string) { p.must("DELETE", "/agent/"+agent, "") },
		"a date that is past": func(p *place, agent, token string) {
			p.must("PUT", "/token/"+token, `{"name":"t","expire":true,"expiration_date":"2030-05-16"}`)
		},
	} {
		p := newPlace(t)
		agent := p.must("POST", "/agent", `{"name":"host","type":"Kaktus"}`)
		token := p.must("PATCH", "/agent/"+agent+"/token", "")
		before, ok := Agents{p}.Lookup(agent)
		if !ok || before.Expired(p.now()) {
			t.Fatalf("%s: before: %+v %v", by, before, ok)
		}
		revoke(p, agent, token)
		if after, ok := (Agents{p}).Lookup(agent); ok && after.Same(before) && !after.Expired(p.now()) {
			t.Errorf("%s: the credential is as before", by)
		}
	}
}

func TestA27ListsShowWhatOneMayRead(t *testing.T) {
	p := newPlace(t)
	eve, key := p.user("eve", model.RoleUser)
	bob, _ := p.user("bob", model.RoleUser)
	own := p.must("POST", "/team", `{"name":"eves","users":["`+eve+`"]}`)
	p.must("POST", "/team", `{"name":"bobs","users":["`+bob+`"]}`)
	p.must("POST", "/agent", `{"name":"host","type":"Kaktus"}`)
	for path, want := range map[string]string{"/user": `["` + eve + `"]`, "/team": `["` + own + `"]`, "/agent": `[]`, "/project": `[]`} {
		if _, got := p.call(key, "GET", path, ""); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if _, list := p.call(key, "GET", "/token", ""); strings.Count(list, `"`) != 2 {
		t.Errorf("tokens: %s", list)
	}
}

// A role is what the store says now, not what a login's token said then.
func TestA29RolesChangeWithTheNextRequest(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleSuperAdmin)
	_, login := p.enter("eve")
	for _, credentials := range []string{key, login} {
		p.want(200, credentials, "GET", "/user/"+id, "")
		p.want(422, credentials, "POST", "/team", `{"name":"","users":[]}`)
	}
	p.must("PUT", "/user/"+id, `{"name":"eve","email":"eve@example.org","role":"user"}`)
	for _, credentials := range []string{key, login} {
		p.want(403, credentials, "POST", "/team", `{"name":"","users":[]}`)
	}
	who, err := p.Authenticate(&http.Request{Header: http.Header{"X-Api-Key": {key}}})
	if err != nil || who.Role != model.RoleUser || who.SuperAdmin() {
		t.Errorf("%+v, %v", who, err)
	}
}

// The last superAdmin may go: the master key stays.
func TestTheMasterKeyOutlivesEverySuperAdmin(t *testing.T) {
	p := newPlace(t)
	id, _ := p.user("eve", model.RoleSuperAdmin)
	p.want(200, masterKey, "DELETE", "/user/"+id, "")
	who, err := p.Authenticate(&http.Request{Header: http.Header{"X-Api-Key": {masterKey}}})
	if err != nil || who != (access.Identity{Name: "master key", Role: model.RoleSuperAdmin}) {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestB20RemovingAUserTakesHisTokensSessionsAndMemberships(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	p.enter("eve")
	team := p.must("POST", "/team", `{"name":"t","users":["`+id+`"]}`)
	p.must("DELETE", "/user/"+id, "")
	v := p.View()
	if v.Len(model.KindToken)+v.Len(model.KindSession) != 0 {
		t.Error("tokens or sessions are left")
	}
	if o, _ := model.Find[*model.Team](v, model.ID(team)); len(o.Users) != 0 {
		t.Errorf("the team still lists %v", o.Users)
	}
	p.want(401, key, "GET", "/region", "")
}

func TestB25TokensEndAfterTheirLastDay(t *testing.T) {
	p := newPlace(t)
	id := p.must("POST", "/user", `{"name":"bot","email":"bot@example.org","role":"user"}`)
	p.want(422, masterKey, "PATCH", "/user/"+id+"/token?expire=true", "")
	p.want(422, masterKey, "PATCH", "/user/"+id+"/token?expire=true&expiration_date=2030-05-16", "")
	token := p.must("PATCH", "/user/"+id+"/token?expire=true&expiration_date=2030-05-17", "")
	key := p.keys["bot"]
	p.pass(11*time.Hour + 59*time.Minute)
	p.want(200, key, "GET", "/region", "")
	p.pass(time.Minute)
	p.want(401, key, "GET", "/region", "")
	p.want(422, masterKey, "PUT", "/token/"+token, `{"name":"t","expire":true,"expiration_date":""}`)
	p.must("PUT", "/token/"+token, `{"name":"t","expire":false,"expiration_date":"2030-05-17"}`)
	p.want(200, key, "GET", "/region", "")
	if o, _ := model.Find[*model.Token](p.View(), model.ID(token)); o.Expire || o.Expiration != "" {
		t.Errorf("expire=false left %+v", o)
	}
	// A last day without the switch means it.
	p.must("PATCH", "/user/"+id+"/token?expiration_date=2030-06-01", "")
	if o, _ := model.Find[*model.Token](p.View(), model.ID(token)); !o.Expire || o.Expiration != "2030-06-01" {
		t.Errorf("the last day is not kept: %+v", o)
	}
	p.want(401, key, "GET", "/region", "")
}
