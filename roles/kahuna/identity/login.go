package identity

import (
	"context"
	"strings"
	"time"
	"unicode"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// maxSessions is how many logins one user may have at a time; the oldest gives way.
const maxSessions = 64

// Login checks a password, begins a session and returns its token. from is the client's address and
// agent what it says it is.
//
// Faults: Unauthenticated, in the same words and after the same work for an unknown address, a wrong
// password, an account that is not confirmed, is disabled or has no password; Throttled after too many
// failures from the address or for the account; Unavailable when too many log in at once.
func (a *Accounts) Login(ctx context.Context, email, password, from, agent string) (string, error) {
	const op = "log in"
	u, err := a.verify(ctx, email, password, from)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, op)
	}
	token, err := a.begin(ctx, u, from, agent)
	return token, fault.Wrap(err, fault.Internal, op)
}

// errLogin is the answer to every login that fails, whatever the reason.
var errLogin = fault.New(fault.Unauthenticated, "e-mail address or password is not valid, or the account is not confirmed yet")

// verify is the user whose password this is. Its faults are those of Login.
func (a *Accounts) verify(ctx context.Context, email, password, from string) (*model.User, error) {
	now, net, name := a.now(), network(from), catalogue.FoldEmail(email)
	if _, ok := a.limits.addresses.take(net, now); !ok {
		return nil, throttled()
	}
	if _, ok := a.limits.names.take(name, now); !ok {
		a.limits.addresses.refund(net, now)
		return nil, throttled()
	}
	u, known := model.One[*model.User](a.views.View(), "email", name)
	var stored model.Secret
	if known {
		stored = u.PasswordHash
	}
	ok, err := a.passwords.matches(ctx, stored, password)
	if err == nil && (!ok || !known || !mayLogIn(u)) {
		a.log.Info("login refused", "from", from)
		return nil, errLogin
	}
	a.limits.addresses.refund(net, now)
	a.limits.names.refund(name, now)
	return u, err
}

// Allow tells whether an address may try to log in, and otherwise after how long.
func (a *Accounts) Allow(address string) (wait time.Duration, ok bool) {
	return a.limits.addresses.peek(network(address), a.now())
}

func throttled() error {
	return fault.New(fault.Throttled, "too many failed attempts; wait a minute")
}

// begin begins a session of a user as he was verified.
func (a *Accounts) begin(ctx context.Context, u *model.User, from, agent string) (string, error) {
	now, stored := a.now(), u.PasswordHash
	s := &model.Session{User: u.ID, Expires: now.Add(a.life).UTC().Truncate(time.Second), From: from, Agent: printable(agent)}
	s.ID, s.Name = newID(now), "login of "+u.Name
	who := access.Identity{User: u.ID, Name: u.Name, Role: u.Role, Session: s.ID}
	err := a.write(ctx, Cause{Who: who, From: from, What: "begin session"}, func(d model.Draft) error {
		// The hash took time: the password may have been changed or the account closed meanwhile.
		var ok bool
		if u, ok = model.Find[*model.User](d, u.ID); !ok || !mayLogIn(u) || u.PasswordHash != stored {
			return errLogin
		}
		r, err := a.ring.of(d)
		if err != nil {
			return err
		}
		s.Signer = r.Current
		if err := makeRoom(d, u.ID, now); err != nil {
			return err
		}
		return d.Put(s)
	})
	if err != nil {
		return "", err
	}
	a.log.Info("login", "user", u.ID, "session", s.ID, "from", from)
	return a.sign(u, s, now)
}

// printable is what is kept of what a client says it is.
func printable(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(agent, ""))
	if len(agent) > 120 {
		agent = strings.ToValidUTF8(agent[:120], "")
	}
	return agent
}

func mayLogIn(u *model.User) bool {
	return u.Confirmed && !u.Disabled && !u.Bot && u.PasswordHash != ""
}

// makeRoom ends the user's sessions that are over, and his oldest ones when he has too many.
func makeRoom(d model.Draft, user model.ID, now time.Time) error {
	var live []model.ID // oldest first: ids begin with their time
	for s := range model.By[*model.Session](d, "user", user) {
		if now.Before(s.Expires) {
			live = append(live, s.ID)
		} else if err := d.Delete(model.KindSession, s.ID); err != nil {
			return err
		}
	}
	for len(live) >= maxSessions {
		if err := d.Delete(model.KindSession, live[0]); err != nil {
			return err
		}
		live = live[1:]
	}
	return nil
}

// Logout ends the session the caller used. Callers with an API key have none, and a session that is gone
// already is as it should be.
func (a *Accounts) Logout(ctx context.Context, who access.Identity) error {
	if who.Session == "" {
		return nil
	}
	return a.write(ctx, Cause{Who: who, What: "end session"}, func(d model.Draft) error {
		if _, ok := d.Get(model.KindSession, who.Session); !ok {
			return nil
		}
		return d.Delete(model.KindSession, who.Session)
	})
}
