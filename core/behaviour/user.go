package behaviour

import (
	"kowabunga/core/access/credential"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// A user begins without a password and unconfirmed: he cannot log in until a superAdmin sets his
// password, which confirms the account. One who only ever gets an API key is a bot. Login, logout and
// passwords are not here: they need time, chance and slow hashes, which roles have.
func init() {
	register(model.KindUser, catalogue.Create, "", insert(checkUser))
	register(model.KindUser, catalogue.Update, "", replace(checkUser))
	register(model.KindUser, catalogue.Delete, "", remove(nil))
	register(model.KindUser, catalogue.Action, "token", issueUserKey)
}

func checkUser(_ model.Draft, _ *Request, o model.Object) error {
	u := o.(*model.User)
	if err := checkPeopleName(u.Name); err != nil {
		return err
	}
	return checkEmail(u.Email)
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
