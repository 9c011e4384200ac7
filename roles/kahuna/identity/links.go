package identity

import (
	"context"

	"kowabunga/core/access"
	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// resetQueue bounds the requests for a new password that wait for their letter. They are worked off
// beside their answers, which so take as long for an address that nobody has.
const resetQueue = 256

// nobody is who follows links and asks for a new password.
var nobody = access.Identity{Name: "nobody"}

// RequestReset asks for a letter with a link that draws a new password. It tells nobody whether there is
// an account with this address. Faults: Throttled after too many requests from the client's address.
func (a *Accounts) RequestReset(email, from string) error {
	now, name := a.now(), catalogue.FoldEmail(email)
	if _, ok := a.limits.resets.take(network(from), now); !ok {
		return fault.New(fault.Throttled, "too many requests for a new password from this address; wait a minute")
	}
	if len(name) > maxAddress {
		return nil
	}
	if _, ok := a.limits.letters.take(name, now); !ok {
		return nil // letters enough are on their way
	}
	select {
	case a.resets <- name:
	default:
		a.log.Warn("a request for a new password is dropped: too many wait", "from", from)
	}
	return nil
}

// maxAddress is the length of a mail address at most (RFC 5321 section 4.5.3.1).
const maxAddress = 254

// Run writes the letters that were asked for until ctx ends.
func (a *Accounts) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case name := <-a.resets:
			if err := a.reset(ctx, name); err != nil && ctx.Err() == nil {
				a.log.Warn("a link for a new password could not be written", "error", err)
			}
		}
	}
}

func (a *Accounts) reset(ctx context.Context, name string) error {
	able := func(v model.View) (*model.User, bool) {
		u, ok := model.One[*model.User](v, "email", name)
		return u, ok && !u.Disabled && !u.Bot
	}
	if _, ok := able(a.views.View()); !ok {
		return nil
	}
	return a.write(ctx, Cause{Who: nobody, What: "ask for a new password"}, func(d model.Draft) error {
		u, ok := able(d)
		if !ok {
			return nil
		}
		return account.AskReset(d, a.cause(), u, false)
	})
}

// Link is what a link that was mailed is for.
type Link struct {
	Purpose   string // one of the purposes of model.Proof
	Name      string // of the user
	Address   string // where it was mailed to
	Confirmed bool   // whether the user may log in, as far as that depends on him
}

// errLink is the answer to every link that is not good.
var errLink = fault.New(fault.Denied, "this link is not valid: it was used already, it is too old, or another one was mailed since")

// Link tells what a link is for and changes nothing. Faults: Denied for one that is not good, whatever
// the reason; Throttled after too many of those from an address.
func (a *Accounts) Link(user model.ID, secret, from string, purposes ...string) (Link, error) {
	return a.proved(a.views.View(), user, secret, from, purposes...)
}

func (a *Accounts) proved(v model.View, user model.ID, secret, from string, purposes ...string) (Link, error) {
	now, net := a.now(), network(from)
	if _, ok := a.limits.links.take(net, now); !ok {
		return Link{}, throttled()
	}
	p, ok := account.Proved(v, user, secret, now, purposes...)
	if !ok {
		return Link{}, errLink
	}
	a.limits.links.refund(net, now)
	u, _ := model.Find[*model.User](v, p.User)
	return Link{Purpose: p.Purpose, Name: u.Name, Address: p.Address, Confirmed: u.Confirmed}, nil
}

// Follow follows a link that confirms an account or an address. Faults: those of Link; Conflict when the
// address is somebody else's by now.
func (a *Accounts) Follow(ctx context.Context, user model.ID, secret, from string) (Link, error) {
	purposes := []string{model.ProofAccount, model.ProofAddress}
	link, err := a.Link(user, secret, from, purposes...)
	if err != nil {
		return Link{}, err
	}
	err = a.write(ctx, Cause{Who: nobody, From: from, What: "confirm " + link.Purpose}, func(d model.Draft) error {
		p, ok := account.Proved(d, user, secret, a.now(), purposes...)
		if !ok {
			return errLink
		}
		_, err := account.Follow(d, a.cause(), p)
		return err
	})
	return link, err
}

// DrawPassword follows a link that draws a new password, which ends all logins of the user. The password
// is shown to whoever followed the link, and kept nowhere. Faults: those of Link; Unavailable.
func (a *Accounts) DrawPassword(ctx context.Context, user model.ID, secret, from string) (string, Link, error) {
	link, err := a.Link(user, secret, from, model.ProofPassword)
	if err != nil {
		return "", Link{}, err
	}
	password, stored, err := a.NewPassword(ctx)
	if err != nil {
		return "", Link{}, err
	}
	err = a.write(ctx, Cause{Who: nobody, From: from, What: "draw a new password"}, func(d model.Draft) error {
		p, ok := account.Proved(d, user, secret, a.now(), model.ProofPassword)
		if !ok {
			return errLink
		}
		u, _ := model.Find[*model.User](d, p.User)
		return account.SetPassword(d, a.cause(), u, stored, false)
	})
	if err != nil {
		return "", Link{}, err
	}
	return password, link, nil
}
