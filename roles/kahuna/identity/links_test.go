package identity

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kowabunga/core/account"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Somebody who is invited follows the link that confirms his account, then one that draws his password,
// and logs in with that; before either he cannot.
func TestAccountsBeginInTwoSteps(t *testing.T) {
	p := newPlace(t)
	id := p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	p.must("PATCH", "/user/"+id+"/resetPassword", "") // what the Terraform provider does next
	if w, r := p.letters(account.Welcome), p.letters(account.Reset); len(w) != 1 || len(r) != 1 || w[0].To != "eve@example.org" || r[0].To != "eve@example.org" {
		t.Fatalf("letters: %v, %v", w, r)
	}
	user, token := p.link(account.Reset)
	if got, _, err := p.DrawPassword(t.Context(), user, token, ""); err != nil || len(got) != drawnLetters {
		t.Fatalf("%d letters, %v", len(got), err)
	} else if _, err := p.Login(t.Context(), "eve@example.org", got, "", ""); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("before the account is confirmed: %v", err)
	} else {
		user, token := p.link(account.Welcome)
		if link, err := p.Follow(t.Context(), user, token, ""); err != nil || link.Name != "eve" {
			t.Fatalf("%+v, %v", link, err)
		}
		if _, err := p.Login(t.Context(), "Eve@Example.org", got, "", ""); err != nil {
			t.Error(err)
		}
	}
	if len(p.letters(account.Changed)) != 1 {
		t.Error("the user was not told that his password was replaced")
	}
	if p.View().Len(model.KindProof) != 0 {
		t.Error("links are left")
	}
}

// A link is good once, for its time, for its purpose, for its user and whole; and nothing says why one
// is not.
func TestA7LinksAreGoodOnce(t *testing.T) {
	setup := func(t *testing.T) (p *place, id model.ID, confirm, reset string) {
		p = newPlace(t)
		id = model.ID(p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`))
		p.must("PATCH", "/user/"+string(id)+"/resetPassword", "")
		_, confirm = p.link(account.Welcome)
		_, reset = p.link(account.Reset)
		return p, id, confirm, reset
	}
	for what, try := range map[string]func(p *place, id model.ID, confirm, reset string) (model.ID, string, string){
		"empty": func(p *place, id model.ID, _, _ string) (model.ID, string, string) { return id, "", "" },
		"of the other purpose": func(p *place, id model.ID, confirm, reset string) (model.ID, string, string) {
			return id, reset, confirm
		},
		"cut":       func(p *place, id model.ID, c, r string) (model.ID, string, string) { return id, c[:31], r[:31] },
		"with more": func(p *place, id model.ID, c, r string) (model.ID, string, string) { return id, c + "a", r + "a" },
		"of the hash that is kept": func(p *place, id model.ID, _, _ string) (model.ID, string, string) {
			return id, p.hash(id, model.ProofAccount), p.hash(id, model.ProofPassword)
		},
		"of nobody": func(p *place, _ model.ID, c, r string) (model.ID, string, string) { return "", c, r },
		"of another user": func(p *place, _ model.ID, c, r string) (model.ID, string, string) {
			other, _ := p.user("bob", model.RoleUser)
			return model.ID(other), c, r
		},
		"too old": func(p *place, id model.ID, c, r string) (model.ID, string, string) {
			p.pass(account.DefaultConfirmLife)
			return id, c, r
		},
		"of a user who was removed": func(p *place, id model.ID, c, r string) (model.ID, string, string) {
			p.must("DELETE", "/user/"+string(id), "")
			return id, c, r
		},
		"of a disabled user": func(p *place, id model.ID, c, r string) (model.ID, string, string) {
			p.edit(string(id), func(u *model.User) { u.Disabled = true })
			return id, c, r
		},
		"after a new address": func(p *place, id model.ID, c, r string) (model.ID, string, string) {
			p.must("PUT", "/user/"+string(id), `{"name":"eve","email":"new@example.org","role":"user"}`)
			return id, c, r
		},
		"after another password": func(p *place, id model.ID, c, r string) (model.ID, string, string) {
			p.must("PUT", "/user/"+string(id)+"/password", `{"value":"`+password+`"}`)
			return id, c, r
		},
		"used": func(p *place, id model.ID, c, r string) (model.ID, string, string) {
			if _, err := p.Follow(p.t.Context(), id, c, ""); err != nil {
				p.t.Error(err)
			}
			if _, _, err := p.DrawPassword(p.t.Context(), id, r, ""); err != nil {
				p.t.Error(err)
			}
			return id, c, r
		},
	} {
		t.Run(what, func(t *testing.T) {
			p, id, c, r := setup(t)
			user, confirm, reset := try(p, id, c, r)
			before, index := p.passwords.hashes.Load(), p.View().Index()
			_, err := p.Follow(t.Context(), user, confirm, "192.0.2.1:1")
			_, _, err2 := p.DrawPassword(t.Context(), user, reset, "192.0.2.1:1")
			if !fault.Is(err, fault.Denied) || !fault.Is(err2, fault.Denied) || err.Error() != err2.Error() || err.Error() != errLink.Error() {
				t.Errorf("%v; %v", err, err2)
			}
			if p.View().Index() != index || p.passwords.hashes.Load() != before {
				t.Error("it changed or cost something")
			}
		})
	}
	p, id, c, _ := setup(t)
	if _, err := p.Link(id, c, "", model.ProofAccount); err != nil {
		t.Error(err)
	}
	if u, _ := model.Find[*model.User](p.View(), id); u.Confirmed {
		t.Error("looking at a link confirms")
	}
	if _, err := p.Follow(t.Context(), id, c, ""); err != nil {
		t.Errorf("after it was looked at: %v", err)
	}
}

// hash is what is kept of a link.
func (p *place) hash(user model.ID, purpose string) string {
	o, _ := model.One[*model.Proof](p.View(), "purpose", string(user)+"|"+purpose)
	return o.Hash.Reveal()
}

// Two clicks at once draw one password.
func TestALinkFollowedTwiceAtOnceDrawsOnePassword(t *testing.T) {
	p := newPlace(t)
	id, _ := p.user("eve", model.RoleUser)
	p.must("PATCH", "/user/"+id+"/resetPassword", "")
	user, token := p.link(account.Reset)
	var first string
	p.first = func() {
		var err error
		if first, _, err = p.DrawPassword(t.Context(), user, token, ""); err != nil {
			t.Error(err)
		}
	}
	if second, _, err := p.DrawPassword(t.Context(), user, token, ""); !fault.Is(err, fault.Denied) || second != "" {
		t.Errorf("the second: %v", err)
	}
	if _, err := p.Login(t.Context(), "eve@example.org", first, "", ""); err != nil {
		t.Errorf("with the first: %v", err)
	}
}

// A new password ends every login, and the one before is over.
func TestResettingAPasswordEndsLogins(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	_, login := p.enter("eve")
	p.want(200, login, "PATCH", "/user/"+id+"/resetPassword", "")
	p.want(200, login, "GET", "/region", "")
	user, token := p.link(account.Reset)
	if _, _, err := p.DrawPassword(t.Context(), user, token, ""); err != nil {
		t.Fatal(err)
	}
	p.want(401, login, "GET", "/region", "")
	p.want(200, key, "GET", "/region", "")
	if code, _ := p.enter("eve"); code != 401 {
		t.Errorf("the old password: %d", code)
	}
}

// Who asks for a new password learns nothing, however he asks: one answer, no slow hash, no commit before
// the answer.
func TestA11ResettingTellsNothing(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	bot := p.must("POST", "/user?bot=true", `{"name":"bot","email":"bot@example.org","role":"user"}`)
	gone, _ := p.user("out", model.RoleUser)
	p.must("PATCH", "/user/"+gone+"/disable", "")
	before, index := p.passwords.hashes.Load(), p.View().Index()
	answers := map[string]bool{}
	for _, email := range []string{"eve@example.org", "nobody@example.org", "bot@example.org", "out@example.org", "no address", strings.Repeat("x", 5000)} {
		code, answer := p.call("", "PUT", "/resetPassword", `{"email":"`+email+`"}`)
		answers[fmt.Sprint(code, answer)] = true
	}
	if len(answers) != 1 || !answers["200"] {
		t.Errorf("answers: %v", answers)
	}
	if p.View().Index() != index || p.passwords.hashes.Load() != before {
		t.Error("the answer took work")
	}
	p.work()
	if all := p.letters(account.Reset); len(all) != 1 || all[0].To != "eve@example.org" {
		t.Errorf("letters: %v", all)
	}
	p.want(422, masterKey, "PATCH", "/user/"+bot+"/resetPassword", "")
	p.want(422, masterKey, "PATCH", "/user/"+gone+"/resetPassword", "")
}

// Nobody's mailbox is filled by asking for new passwords, and no address asks without end.
func TestA15NoMailBomb(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	for n := range 100 {
		if err := p.RequestReset("eve@example.org", fmt.Sprintf("10.0.%d.1:1", n)); err != nil {
			t.Fatal(err)
		}
		p.work()
		p.pass(time.Second)
	}
	if n := len(p.letters(account.Reset)); n == 0 || n > letterBurst {
		t.Errorf("%d letters", n)
	}
	refused := false
	for n := range resetBurst + 1 {
		err := p.RequestReset(fmt.Sprintf("u%d@example.org", n), "192.0.2.9:1")
		refused = fault.Is(err, fault.Throttled)
	}
	if !refused {
		t.Error("one address may ask without end")
	}
	for range linkBurst + 1 {
		_, err := p.Link("", "x", "192.0.2.10:1", model.ProofAccount)
		refused = fault.Is(err, fault.Throttled)
	}
	if !refused {
		t.Error("one address may guess links without end")
	}
}

// A user who waited too long for his invitation gets another with the link for his password.
func TestAnInvitationThatIsOverIsWrittenAgain(t *testing.T) {
	p := newPlace(t)
	p.must("POST", "/user", `{"name":"eve","email":"eve@example.org","role":"user"}`)
	p.pass(account.DefaultConfirmLife)
	if n, err := p.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d links, %v", n, err)
	}
	p.call("", "PUT", "/resetPassword", `{"email":"eve@example.org"}`)
	p.work()
	user, token := p.link(account.Welcome)
	if _, err := p.Follow(t.Context(), user, token, ""); err != nil || len(p.letters(account.Welcome)) != 2 || len(p.letters(account.Reset)) != 1 {
		t.Errorf("%v", err)
	}
}

// A user's address becomes the one he proved to read, not before, and nobody learns from asking whose it
// is already; a superAdmin's word is enough.
func TestA11AddressesAreProved(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	p.user("bob", model.RoleUser)
	get := func() *model.User { u, _ := model.Find[*model.User](p.View(), model.ID(id)); return u }
	put := func(email string) (int, string) {
		return p.call(key, "PUT", "/user/"+id, `{"name":"eve","email":"`+email+`","role":"user"}`)
	}
	if code, _ := put("new@example.org"); code != 200 || get().Email != "eve@example.org" || get().PendingEmail != "new@example.org" {
		t.Fatalf("%d: %+v", code, get())
	}
	if code, _ := put("other@example.org"); code != 429 {
		t.Errorf("another one at once: %d", code)
	}
	if all := p.letters(account.Address); len(all) != 1 || all[0].To != "new@example.org" {
		t.Fatalf("letters: %v", all)
	}
	p.must("PATCH", "/user/"+id+"/resetPassword", "")
	_, reset := p.link(account.Reset) // in the mailbox that is given up
	user, token := p.link(account.Address)
	if _, err := p.Follow(t.Context(), user, token, ""); err != nil || get().Email != "new@example.org" || get().PendingEmail != "" {
		t.Fatalf("%v: %+v", err, get())
	}
	if _, err := p.Follow(t.Context(), user, token, ""); !fault.Is(err, fault.Denied) {
		t.Errorf("a second time: %v", err)
	}
	if _, _, err := p.DrawPassword(t.Context(), user, reset, ""); !fault.Is(err, fault.Denied) {
		t.Errorf("a link that went to the old address: %v", err)
	}
	if all := p.letters(account.Moved); len(all) != 1 || all[0].To != "eve@example.org" {
		t.Errorf("the old address was not told: %v", all)
	}
	p.pass(time.Hour)
	free, _ := put("free@example.org")
	p.pass(time.Hour)
	taken, _ := put("BOB@example.org")
	if free != taken || len(p.letters(account.Address)) != 2 {
		t.Errorf("a free address %d, a taken one %d, %d letters", free, taken, len(p.letters(account.Address)))
	}
	p.pass(account.DefaultConfirmLife)
	if _, err := p.Sweep(t.Context()); err != nil || get().PendingEmail != "" {
		t.Errorf("after its time %q still waits, %v", get().PendingEmail, err)
	}
	p.must("PUT", "/user/"+id, `{"name":"eve","email":"boss@example.org","role":"user"}`)
	if u := get(); u.Email != "boss@example.org" || !u.Confirmed {
		t.Errorf("%+v", u)
	}
}

// An address that was free when it was asked for and is taken when the link is followed stays whose it is.
func TestAnAddressThatWasTakenMeanwhileStays(t *testing.T) {
	p := newPlace(t)
	id, key := p.user("eve", model.RoleUser)
	p.want(200, key, "PUT", "/user/"+id, `{"name":"eve","email":"new@example.org","role":"user"}`)
	p.must("POST", "/user", `{"name":"new","email":"new@example.org","role":"user"}`)
	user, token := p.link(account.Address)
	if _, err := p.Follow(t.Context(), user, token, ""); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
}
