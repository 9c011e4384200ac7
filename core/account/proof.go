package account

import (
	"crypto/subtle"
	"time"

	"kowabunga/core/access/credential"
	"kowabunga/core/model"
)

// secretLetters is the length of a link's secret: 32 letters of 5.8 bits, 186 bits.
const secretLetters = 32

// Paths of the pages that links lead to.
const (
	ConfirmPath = "/confirm"
	ResetPath   = "/confirmForgotPassword"
)

// prove puts a new proof in place of the one the user has for the same purpose, and gives the link that
// carries its secret.
func prove(d model.Draft, c Cause, u *model.User, purpose, address string, life time.Duration) (link string, p *model.Proof, err error) {
	if err := forget(d, u.ID, purpose); err != nil {
		return "", nil, err
	}
	secret := c.Draw.Token(secretLetters)
	p = &model.Proof{User: u.ID, Purpose: purpose, Address: address, Hash: credential.Kept(secret), Expires: c.Now.Add(life).UTC().Truncate(time.Second)}
	p.ID, p.Name = c.Draw.ID(), purpose+" of "+u.Name
	path := ConfirmPath
	if purpose == model.ProofPassword {
		path = ResetPath
	}
	return c.Terms.URL + path + "?user=" + string(u.ID) + "&token=" + secret, p, d.Put(p)
}

// pending is the proof a user has for a purpose, followed or not, expired or not.
func pending(v model.View, user model.ID, purpose string) (*model.Proof, bool) {
	return model.One[*model.Proof](v, "purpose", string(user)+"|"+purpose)
}

// Forget takes away every link a user was mailed: his address or password is another now.
func Forget(d model.Draft, user model.ID) error {
	return forget(d, user, model.ProofAccount, model.ProofPassword, model.ProofAddress)
}

func forget(d model.Draft, user model.ID, purposes ...string) error {
	for _, purpose := range purposes {
		if p, ok := pending(d, user, purpose); ok {
			if err := d.Delete(model.KindProof, p.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// Proved finds the proof that a link's secret is of, for one of the purposes. It does the same work
// whether there is such a user and such a proof or not, and no secret but a whole one will do. Proofs
// that are over are not found.
func Proved(v model.View, user model.ID, secret string, now time.Time, purposes ...string) (*model.Proof, bool) {
	sum := credential.Kept(secret).Reveal()
	var found *model.Proof
	for _, purpose := range purposes {
		p, ok := pending(v, user, purpose)
		if !ok {
			p = nothing
		}
		if subtle.ConstantTimeCompare([]byte(sum), []byte(p.Hash.Reveal())) == 1 {
			found = p
		}
	}
	if found == nil || len(secret) != secretLetters || !now.Before(found.Expires) {
		return nil, false
	}
	u, ok := model.Find[*model.User](v, found.User)
	return found, ok && !u.Disabled && !u.Bot
}

// nothing stands in for a proof that does not exist. No secret has this hash.
var nothing = &model.Proof{Hash: model.Secret("0000000000000000000000000000000000000000000000000000000000000000")}
