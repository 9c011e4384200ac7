package identity

import (
	"context"

	"kowabunga/core/access"
	"kowabunga/core/account"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// drawnLetters is the length of passwords that are drawn here: 24 letters and digits of 5.8 bits, 139
// bits.
const drawnLetters = 24

// NewPassword draws a password, and gives its stored form besides. Faults: Unavailable when too many
// passwords are being hashed.
func (a *Accounts) NewPassword(ctx context.Context) (password string, stored model.Secret, err error) {
	password = draw(a.now()).Token(drawnLetters)
	stored, err = a.passwords.hash(ctx, password)
	return password, stored, fault.Wrap(err, fault.Unavailable, "draw a password")
}

// SetPassword gives a user the password he chose and ends all his sessions. A superAdmin may do it for
// everybody, which confirms the account; everybody else for himself. Faults: NotFound for an account the
// caller may not know of, Denied where passwords are only drawn, Invalid (field "value") for a password
// that is too easy to guess and for bots.
func (a *Accounts) SetPassword(ctx context.Context, who access.Identity, user model.ID, value string) error {
	const op = "set password"
	unknown := &fault.Error{Code: fault.NotFound, Op: op, Message: "no such user"}
	u, ok := model.Find[*model.User](a.views.View(), user)
	if !ok || !access.Visible(a.views.View(), who, u) {
		return unknown
	}
	if a.terms.Generated {
		return &fault.Error{Code: fault.Denied, Op: op, Message: "nobody chooses a password here; PATCH /api/v1/user/{userId}/resetPassword mails a link that draws one, PATCH /api/v2/users/{ref}/newPassword shows one"}
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
		return account.SetPassword(d, a.cause(), u, stored, who.SuperAdmin())
	})
}
