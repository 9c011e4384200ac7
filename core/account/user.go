package account

import (
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// often is how soon a user may have another letter of the same sort.
const often = time.Minute

// Invite writes to a new user: with the link that confirms the account, or, where it is confirmed
// already, only that it exists. A bot reads no mail.
func Invite(d model.Draft, c Cause, u *model.User) error {
	if u.Bot {
		return nil
	}
	data := map[string]any{"Role": u.Role, "Email": u.Email, "Link": "", "Until": ""}
	var until time.Time
	if !u.Confirmed {
		link, p, err := prove(d, c, u, model.ProofAccount, u.Email, c.Terms.confirmLife())
		if err != nil {
			return err
		}
		data["Link"], data["Until"], until = link, moment(p.Expires), p.Expires
	}
	_, err := Post(d, c, Welcome, to(u), data, until)
	return err
}

// AskReset mails a user the link that draws a new password, and, where his account is not confirmed and
// the link for that is over, that one again. force is for who asks on behalf of others; otherwise a
// letter of a moment ago is enough. Faults: Invalid for accounts that have no password.
func AskReset(d model.Draft, c Cause, u *model.User, force bool) error {
	switch {
	case u.Bot:
		return fault.New(fault.Invalid, "user %q is a bot: it has an API key and no password", u.Name)
	case u.Disabled:
		return fault.New(fault.Invalid, "user %q is disabled; enable the account first", u.Name)
	}
	if p, ok := pending(d, u.ID, model.ProofPassword); ok && !force && c.Now.Sub(p.Created) < often {
		return nil
	}
	if p, ok := pending(d, u.ID, model.ProofAccount); !u.Confirmed && (!ok || !c.Now.Before(p.Expires)) {
		if err := Invite(d, c, u); err != nil {
			return err
		}
	}
	link, p, err := prove(d, c, u, model.ProofPassword, u.Email, c.Terms.resetLife())
	if err != nil {
		return err
	}
	_, err = Post(d, c, Reset, to(u), map[string]any{"Email": u.Email, "Link": link, "Until": moment(p.Expires)}, p.Expires)
	return err
}

// AskAddress begins the change of a user's address by himself: it becomes what he proves to read. The
// user, a copy of the stored one, is changed and not put. An address that is somebody else's is treated
// the same, except that nobody is written to: an answer would tell who has an account. Faults:
// Throttled when he asked for another one a moment ago.
func AskAddress(d model.Draft, c Cause, u *model.User, address string) error {
	if p, ok := pending(d, u.ID, model.ProofAddress); ok && c.Now.Sub(p.Created) < often {
		if p.Address == address {
			return nil
		}
		return &fault.Error{Code: fault.Throttled, Field: "email", Message: "another address waits for its confirmation since a moment ago; try again in a minute"}
	}
	u.PendingEmail = address
	link, p, err := prove(d, c, u, model.ProofAddress, address, c.Terms.confirmLife())
	if err != nil {
		return err
	}
	if _, taken := model.One[*model.User](d, "email", catalogue.FoldEmail(address)); taken {
		return nil
	}
	_, err = Post(d, c, Address, To{User: u.ID, Name: u.Name, Address: address}, map[string]any{"Old": u.Email, "Email": address, "Link": link, "Until": moment(p.Expires)}, p.Expires)
	return err
}

// GiveAddress is what follows when a superAdmin gave a user another address, which takes effect at once:
// links that went to the old one are worthless, and an account that is not confirmed yet is invited
// anew. u is as it will be and is not put.
func GiveAddress(d model.Draft, c Cause, u *model.User) error {
	u.PendingEmail = ""
	return Forget(d, u.ID)
}

// Follow does what a proof was for, if that needs no password: it confirms the account, or gives it the
// new address. The proof is used up. Faults: Conflict when the address is somebody else's by now.
func Follow(d model.Draft, c Cause, p *model.Proof) (*model.User, error) {
	u, ok := model.Find[*model.User](d, p.User)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no such user")
	}
	u = model.Edit(u)
	switch p.Purpose {
	case model.ProofAccount:
		u.Confirmed = true
		if err := forget(d, u.ID, model.ProofAccount); err != nil {
			return nil, err
		}
	case model.ProofAddress:
		old := to(u)
		u.Email, u.PendingEmail = p.Address, ""
		if err := Forget(d, u.ID); err != nil {
			return nil, err
		}
		if u.Confirmed {
			if _, err := Post(d, c, Moved, old, map[string]any{"Email": u.Email}, time.Time{}); err != nil {
				return nil, err
			}
		}
		u.Confirmed = true
	default:
		return nil, fault.New(fault.Internal, "a proof for %q is followed elsewhere", p.Purpose)
	}
	return u, d.Put(u)
}

// SetPassword gives a user a password by its stored form, ends his logins and tells him so by mail; links
// that were on their way to draw another are worthless. vouched confirms the account: a superAdmin hands
// the password over. Faults: Invalid for a bot.
func SetPassword(d model.Draft, c Cause, u *model.User, hash model.Secret, vouched bool) error {
	if u.Bot {
		return fault.New(fault.Invalid, "user %q is a bot: it has an API key and no password", u.Name)
	}
	if err := forget(d, u.ID, model.ProofPassword); err != nil {
		return err
	}
	u = model.Edit(u)
	u.PasswordHash = hash
	if vouched {
		u.Confirmed = true
		if err := forget(d, u.ID, model.ProofAccount); err != nil {
			return err
		}
	}
	if err := d.Put(u); err != nil {
		return err
	}
	if _, err := Post(d, c, Changed, to(u), nil, time.Time{}); err != nil {
		return err
	}
	return EndSessions(d, u.ID)
}
