package behaviour

import (
	"time"

	"kowabunga/core/account"
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

// issue sets when the key ends and stores its token. The answer of API v2 shows the key, this once; v1
// has no place for it in its answers, so that it is mailed to its owner, or to the administrator for an
// agent.
func issue(d model.Draft, r *Request, t *model.Token, key string) (Outcome, error) {
	var err error
	if t.Expire, t.Expiration, err = expiry(r.Query, r.Now); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(t); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Object: t.ID, Key: key}
	if !r.V1 {
		return out, nil
	}
	data := map[string]any{"Key": key, "Until": t.Expiration}
	switch owner := r.Target.(type) {
	case *model.Agent:
		data["Agent"], data["ID"], data["Type"] = owner.Name, string(owner.ID), owner.Type
		_, err = account.Post(d, r.account(), account.AgentKey, administrator(d, r), data, time.Time{})
	case *model.User:
		_, err = account.Post(d, r.account(), account.UserKey, account.To{User: owner.ID, Name: owner.Name, Address: owner.Email}, data, time.Time{})
	}
	return out, err
}

// administrator is who gets the keys of agents: the address that the installation names, else the caller.
func administrator(v model.View, r *Request) account.To {
	if address := r.Config.Accounts.AdminEmail; address != "" {
		return account.To{Address: address}
	}
	if u, ok := model.Find[*model.User](v, r.Who.User); ok {
		return account.To{User: u.ID, Name: u.Name, Address: u.Email}
	}
	return account.To{}
}
