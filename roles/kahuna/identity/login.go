package identity

import (
	"context"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// maxSessions is how many logins one user may have at a time; the oldest gives way.
const maxSessions = 64

// Login checks a password, begins a session and returns its token. from is the client's address.
//
// Faults: Unauthenticated, in the same words and after the same work for an unknown address, a wrong
// password, an account that is not confirmed, is disabled or has no password; Throttled after too many
// failures from the address or for the account; Unavailable when too many log in at once.
func (a *Accounts) Login(ctx context.Context, email, password, from string) (string, error) {
	const op = "log in"
	now, net, name := a.now(), network(from), catalogue.FoldEmail(email)
	if _, ok := a.addresses.take(net, now); !ok {
		return "", throttled(op)
	}
	if _, ok := a.names.take(name, now); !ok {
		a.addresses.refund(net, now)
		return "", throttled(op)
	}
	token, err := a.login(ctx, name, password, from, now)
	if err == nil || !fault.Is(err, fault.Unauthenticated) {
		a.addresses.refund(net, now)
		a.names.refund(name, now)
	}
	return token, fault.Wrap(err, fault.Internal, op)
}

// Allow tells whether an address may try to log in, and otherwise after how long.
func (a *Accounts) Allow(address string) (wait time.Duration, ok bool) {
	return a.addresses.peek(network(address), a.now())
}

func throttled(op string) error {
	return &fault.Error{Code: fault.Throttled, Op: op, Message: "too many failed attempts; wait a minute"}
}

func (a *Accounts) login(ctx context.Context, name, password, from string, now time.Time) (string, error) {
	refused := fault.New(fault.Unauthenticated, "e-mail address or password is not valid, or the account is not confirmed yet")
	u, known := model.One[*model.User](a.views.View(), "email", name)
	var stored model.Secret
	if known {
		stored = u.PasswordHash
	}
	ok, err := a.passwords.matches(ctx, stored, password)
	if err != nil {
		return "", err
	}
	if !ok || !known || !mayLogIn(u) {
		a.log.Info("login refused", "from", from)
		return "", refused
	}
	s := &model.Session{User: u.ID, Expires: now.Add(a.life).UTC().Truncate(time.Second), From: from}
	s.ID = newID(now)
	who := access.Identity{User: u.ID, Name: u.Name, Role: u.Role, Session: s.ID}
	err = a.write(ctx, Cause{Who: who, From: from, What: "begin session"}, func(d model.Draft) error {
		// The hash took time: the password may have been changed or the account closed meanwhile.
		if u, ok = model.Find[*model.User](d, u.ID); !ok || !mayLogIn(u) || u.PasswordHash != stored {
			return refused
		}
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

func mayLogIn(u *model.User) bool { return u.Confirmed && !u.Disabled && u.PasswordHash != "" }

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

// Sweep forgets the sessions that are over, at most a thousand at once, and tells how many those were.
// Sessions that are over are refused whether swept or not.
func (a *Accounts) Sweep(ctx context.Context) (int, error) {
	const most = 1000
	now := a.now()
	var over []model.ID
	for s := range model.All[*model.Session](a.views.View()) {
		if len(over) < most && !now.Before(s.Expires) {
			over = append(over, s.ID)
		}
	}
	if len(over) == 0 {
		return 0, nil
	}
	return len(over), a.write(ctx, Cause{Who: LocalRoot, What: "forget sessions that are over"}, func(d model.Draft) error {
		for _, id := range over {
			if _, ok := d.Get(model.KindSession, id); !ok {
				continue
			}
			if err := d.Delete(model.KindSession, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetPassword gives a user a password and ends all his sessions. A superAdmin may do it for everybody,
// which confirms the account; everybody else for himself. Faults: NotFound for an account the caller may
// not know of, Invalid (field "value") for a password that is too easy to guess.
func (a *Accounts) SetPassword(ctx context.Context, who access.Identity, user model.ID, value string) error {
	const op = "set password"
	unknown := &fault.Error{Code: fault.NotFound, Op: op, Message: "no such user"}
	u, ok := model.Find[*model.User](a.views.View(), user)
	if !ok || !access.Visible(a.views.View(), who, u) {
		return unknown
	}
	if err := CheckPassword(value, u); err != nil {
		return fault.Wrap(err, fault.Invalid, op)
	}
	stored, err := a.passwords.hash(ctx, value)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	return a.write(ctx, Cause{Who: who, What: op}, func(d model.Draft) error {
		u, ok := model.Find[*model.User](d, user)
		if !ok {
			return unknown
		}
		u = model.Edit(u)
		u.PasswordHash = stored
		if who.SuperAdmin() {
			u.Confirmed = true
		}
		if err := d.Put(u); err != nil {
			return err
		}
		return endSessions(d, user)
	})
}

func endSessions(d model.Draft, user model.ID) error {
	var ids []model.ID
	for s := range model.By[*model.Session](d, "user", user) {
		ids = append(ids, s.ID)
	}
	for _, id := range ids {
		if err := d.Delete(model.KindSession, id); err != nil {
			return err
		}
	}
	return nil
}
