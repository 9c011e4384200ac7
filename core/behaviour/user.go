package behaviour

import (
	"kowabunga/core/access/credential"
	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// A user begins without a password and unconfirmed: he cannot log in until he followed the link that is
// mailed to him and drew a password by another, or until a superAdmin handed him one. A bot has an API
// key and never a password. Login, logout and passwords that people choose are not here: they need
// time, chance and slow hashes, which roles have.
func init() {
	register(model.KindUser, catalogue.Create, "", createUser)
	register(model.KindUser, catalogue.Update, "", updateUser)
	register(model.KindUser, catalogue.Delete, "", remove(nil))
	register(model.KindUser, catalogue.Action, "token", issueUserKey)
	register(model.KindUser, catalogue.Action, "resetPassword", resetUserPassword)
	register(model.KindUser, catalogue.Action, "newPassword", newUserPassword)
	register(model.KindUser, catalogue.Action, "enable", enableUser)
	register(model.KindUser, catalogue.Action, "disable", disableUser)
	register(model.KindSession, catalogue.Delete, "", remove(nil))
}

func checkUser(u *model.User) error {
	if err := checkPeopleName(u.Name); err != nil {
		return err
	}
	return checkEmail(u.Email)
}

// createUser makes an account. With a password that is shown to its creator it is confirmed: who hands
// it over vouches for it.
func createUser(d model.Draft, r *Request) (Outcome, error) {
	u := begin(r).(*model.User)
	if err := checkUser(u); err != nil {
		return Outcome{}, err
	}
	belong(d, r, &u.Organization)
	if err := userWithin(d, &model.User{}, u); err != nil {
		return Outcome{}, err
	}
	u.Bot = r.Query.Bool("bot")
	if r.Hash != "" {
		if u.Bot {
			return Outcome{}, fault.Bad("password", "a bot has none; it gets an API key")
		}
		u.PasswordHash, u.Confirmed = r.Hash, true
	}
	if err := d.Put(u); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: u.ID}, account.Invite(d, r.account(), u)
}

// updateUser changes an account. A superAdmin changes addresses at once; everybody else only asks for
// his to be changed and proves that he reads the new one. Until then the old one stays.
func updateUser(d model.Draft, r *Request) (Outcome, error) {
	old, u := r.Target.(*model.User), r.Object.(*model.User)
	if err := checkUser(u); err != nil {
		return Outcome{}, err
	}
	if err := userWithin(d, old, u); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Object: u.ID}
	switch {
	case u.Email == old.Email:
		return out, d.Put(u)
	case !r.Who.SuperAdmin():
		wanted := u.Email
		u.Email = old.Email
		if err := account.AskAddress(d, r.account(), u, wanted); err != nil {
			return Outcome{}, err
		}
		return out, d.Put(u)
	}
	if err := account.GiveAddress(d, r.account(), u); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(u); err != nil || u.Confirmed {
		return out, err
	}
	return out, account.Invite(d, r.account(), u)
}

// issueUserKey makes the user's API key, in place of the one he had. The token is found by its owner,
// never by its name.
func issueUserKey(d model.Draft, r *Request) (Outcome, error) {
	owner := r.Target.(*model.User)
	t, ok := model.One[*model.Token](d, "user", owner.ID)
	if t = token(r, t, ok, owner.Name); !ok {
		t.User = owner.ID
	}
	key, prefix := credential.NewKey(r.Draw)
	t.Prefix, t.Hash = prefix, credential.Kept(key)
	return issue(d, r, t, key)
}

// resetUserPassword mails the user a link that draws him a new password.
func resetUserPassword(d model.Draft, r *Request) (Outcome, error) {
	return Outcome{}, account.AskReset(d, r.account(), r.Target.(*model.User), r.Who.SuperAdmin())
}

// newUserPassword gives the user the password that the caller is shown.
func newUserPassword(d model.Draft, r *Request) (Outcome, error) {
	if r.Hash == "" {
		return Outcome{}, fault.New(fault.Internal, "no password was drawn")
	}
	u := r.Target.(*model.User)
	return Outcome{}, account.SetPassword(d, r.account(), u, r.Hash, r.Who.SuperAdmin())
}

func enableUser(d model.Draft, r *Request) (Outcome, error) {
	u := model.Edit(r.Target.(*model.User))
	u.Disabled = false
	return Outcome{Object: u.ID}, d.Put(u)
}

// disableUser shuts an account: its logins and links end, its key opens nothing while it is disabled.
func disableUser(d model.Draft, r *Request) (Outcome, error) {
	u := model.Edit(r.Target.(*model.User))
	u.Disabled = true
	if err := account.Forget(d, u.ID); err != nil {
		return Outcome{}, err
	}
	if err := account.EndSessions(d, u.ID); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: u.ID}, d.Put(u)
}
