package identity

import (
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// A program is let in by somebody's credentials and the code it shows, once.
func TestProgramsAreLetIn(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	p.user("bob", model.RoleUser)
	begin := func() Device {
		d, err := p.BeginDevice("192.0.2.1:1", "kowabunga/1.0\x1b[31m")
		if err != nil || len(d.UserCode) != userLength+1 || len(d.DeviceCode) < 40 {
			t.Fatalf("%+v %v", d, err)
		}
		return d
	}
	ask := func(code string, want DeviceState) string {
		t.Helper()
		state, token, err := p.AskDevice(t.Context(), code, "192.0.2.1:1")
		if state != want || err != nil || (token != "") != (want == Granted) {
			t.Fatalf("%s, %v, want %s", state, err, want)
		}
		return token
	}
	decide := func(code, secret string, grant bool) error {
		_, err := p.DecideDevice(t.Context(), "eve@example.org", secret, code, "198.51.100.1:1", grant)
		return err
	}
	d := begin()
	ask(d.DeviceCode, Waiting)
	ask(d.DeviceCode, SlowDown)
	p.pass(deviceInterval)
	ask(d.DeviceCode, SlowDown) // it has to wait longer now
	p.pass(4 * deviceInterval)
	ask(d.DeviceCode, Waiting)
	if err := decide(d.UserCode, "wrong", true); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	if err := decide("BBBB-BBBB", password, true); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	p.pass(4 * deviceInterval)
	ask(d.DeviceCode, Waiting)
	if err := decide(" "+strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " ")), password, true); err != nil {
		t.Fatal(err)
	}
	token := ask(d.DeviceCode, Granted)
	if name, err := p.who("Bearer " + token); name != "eve" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	for s := range model.All[*model.Session](p.View()) {
		if s.Agent != "kowabunga/1.0[31m" || s.From != "192.0.2.1:1" {
			t.Errorf("the login is from %q by %q", s.From, s.Agent)
		}
	}
	ask(d.DeviceCode, Over)

	d = begin()
	if err := decide(d.UserCode, password, false); err != nil {
		t.Fatal(err)
	}
	ask(d.DeviceCode, Refused)

	d = begin()
	p.pass(deviceLife)
	ask(d.DeviceCode, Over)
	if err := decide(d.UserCode, password, true); !fault.Is(err, fault.Invalid) {
		t.Errorf("a code that is too old: %v", err)
	}

	d = begin() // who changes his password in between takes back what he granted
	if err := decide(d.UserCode, password, true); err != nil {
		t.Fatal(err)
	}
	u, _ := model.One[*model.User](p.View(), "email", "eve@example.org")
	p.must("PATCH", "/user/"+string(u.ID)+"/newPassword", "")
	if _, token, err := p.AskDevice(t.Context(), d.DeviceCode, ""); !fault.Is(err, fault.Unauthenticated) || token != "" {
		t.Error(err)
	}
	var err error
	for range linkBurst + 1 {
		_, err = p.DecideDevice(t.Context(), "bob@example.org", password, "BBBB-BBBB", "203.0.113.2:1", true)
	}
	if !fault.Is(err, fault.Throttled) {
		t.Errorf("codes are guessed without end: %v", err)
	}
	for range deviceBurst + 1 {
		_, err = p.BeginDevice("203.0.113.1:1", "")
	}
	if !fault.Is(err, fault.Throttled) {
		t.Errorf("an address asks without end: %v", err)
	}
}

// The key that signs logins is replaced when it is old, however long the logins it signed still last.
func TestSigningKeysTurnByAge(t *testing.T) {
	p := newPlace(t, func(c *Config) { c.SigningAge, c.SessionLife = 24*time.Hour, 100*24*time.Hour })
	p.user("eve", model.RoleUser)
	_, old := p.enter("eve")
	p.life = time.Hour // an installation that makes logins shorter keeps those it has
	for range 10 {
		if turned, err := p.RotateByAge(t.Context()); turned || err != nil {
			t.Fatalf("a young key turned: %v, %v", turned, err)
		}
		p.pass(24 * time.Hour)
		if turned, err := p.RotateByAge(t.Context()); !turned || err != nil {
			t.Fatalf("%v, %v", turned, err)
		}
		p.want(200, old, "GET", "/region", "")
	}
	if r, err := p.ring.of(p.View()); err != nil || len(r.Keys) != 2 {
		t.Errorf("%d keys are kept, want the current and the one of the login (%v)", len(r.Keys), err)
	}
	p.want(204, old, "POST", "/logout", "")
	p.pass(24 * time.Hour)
	if _, err := p.RotateByAge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, _ := p.ring.of(p.View()); len(r.Keys) != 1 {
		t.Errorf("%d keys are kept after the last login is over", len(r.Keys))
	}
}
