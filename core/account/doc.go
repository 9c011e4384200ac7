// Package account is the life of accounts: links that prove who reads an address, the letters that
// carry them, and what ends a login. Its functions change a draft and touch nothing else, so that a
// letter is committed with the change it tells of or not at all.
package account

import (
	"strconv"
	"time"

	"kowabunga/core/model"
)

// Terms is what an installation sets for its accounts. Zero durations mean the defaults.
type Terms struct {
	URL         string        // public address, without a slash at its end; links begin with it
	AdminEmail  string        // who gets the keys of agents
	ConfirmLife time.Duration // how long a link that confirms an account or an address is good for
	ResetLife   time.Duration // how long a link that draws a new password is good for
	LetterLife  time.Duration // how long a letter is tried
	Generated   bool          // passwords are drawn here; nobody chooses one
}

// What holds where nothing is set. A link to confirm an account waits for somebody who may be away for a
// night, one to reset a password is followed by who asked for it a minute ago.
const (
	DefaultConfirmLife = 48 * time.Hour
	DefaultResetLife   = time.Hour
	DefaultLetterLife  = 5 * 24 * time.Hour // RFC 5321 section 4.5.4.1 asks for four to five days
)

func (t Terms) confirmLife() time.Duration { return or(t.ConfirmLife, DefaultConfirmLife) }
func (t Terms) resetLife() time.Duration   { return or(t.ResetLife, DefaultResetLife) }
func (t Terms) letterLife() time.Duration  { return or(t.LetterLife, DefaultLetterLife) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Cause is what every change here is made with.
type Cause struct {
	Now   time.Time
	Draw  *model.Draw
	Terms Terms
}

// EndSessions ends every login of a user.
func EndSessions(d model.Draft, user model.ID) error {
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

// Expire forgets a session or a proof that is over, and what a user hoped for with it.
func Expire(d model.Draft, o model.Object) error {
	if _, ok := d.Get(o.Kind(), o.Base().ID); !ok {
		return nil
	}
	if p, ok := o.(*model.Proof); ok && p.Purpose == model.ProofAddress {
		if u, ok := model.Find[*model.User](d, p.User); ok && u.PendingEmail == p.Address {
			u = model.Edit(u)
			u.PendingEmail = ""
			if err := d.Put(u); err != nil {
				return err
			}
		}
	}
	return d.Delete(o.Kind(), o.Base().ID)
}
