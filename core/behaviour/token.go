package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// Tokens are made by giving their owner a key and never by themselves. Each owner has at most one, by a
// unique index on the owner; its name is for people.
func init() {
	register(model.KindToken, catalogue.Update, "", replace(checkToken))
	register(model.KindToken, catalogue.Delete, "", remove(nil))
}

// checkToken settles when a key ends. One that does not end has no last day, so saying that it does not
// end takes the day away.
func checkToken(_ model.Draft, _ *Request, o model.Object) error {
	t := o.(*model.Token)
	if err := checkPeopleName(t.Name); err != nil {
		return err
	}
	if !t.Expire {
		t.Expiration = ""
		return nil
	}
	return checkDay(t.Expiration)
}

// token is the token to write a new key into: the owner's present one, or a new one.
func token(r *Request, present *model.Token, exists bool, owner string) *model.Token {
	if exists {
		return model.Edit(present)
	}
	t := &model.Token{}
	t.ID, t.Name = r.Draw.ID(), owner+"-api-key"
	return t
}

// issue sets when the key ends and stores its token. The answer shows the token; the key is shown once.
func issue(d model.Draft, r *Request, t *model.Token, key string) (Outcome, error) {
	var err error
	if t.Expire, t.Expiration, err = expiry(r.Query, r.Now); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: t.ID, Key: key}, d.Put(t)
}
