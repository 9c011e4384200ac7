package identity

import (
	"context"
	"fmt"
	"log/slog"
	netmail "net/mail"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/mail"
)

// Letters are the mails about accounts and keys. Keys issued through API v1 travel in them, because v1
// has no place in its answers for a key; API v2 shows a key in its answer and sends no mail.
type Letters struct {
	Mail       mail.Sender // nil: no mail is set up
	AdminEmail string      // who gets the keys of agents
	URL        string      // public address of the installation
	Log        *slog.Logger
}

// Welcome tells a new user about his account.
func (l Letters) Welcome(ctx context.Context, u *model.User) error {
	if l.Mail == nil {
		return nil
	}
	return l.Mail.Send(ctx, mail.Letter{
		To: netmail.Address{Name: u.Name, Address: u.Email}, Subject: "Your Kowabunga account",
		Text: fmt.Sprintf("Hello %s,\n\nan account with the role %s was made for you at %s.\n\nYou can log in with this address once an administrator has set a password for you;\nask the one who invited you. An API key works without a password.\n", u.Name, u.Role, l.URL),
	})
}

// Issued hands a key that was just made to its owner, or an agent's to the administrator. Without mail
// nobody ever sees the key, which is logged as a warning; another one can be issued through API v2.
// Faults: Unavailable when the mail cannot be written: the old key is gone and the new one unknown.
func (l Letters) Issued(ctx context.Context, owner model.Object, t *model.Token, key string) error {
	letter := mail.Letter{}
	last := "does not end"
	if t.Expire {
		last = "is valid until the end of " + t.Expiration + " (UTC)"
	}
	switch o := owner.(type) {
	case *model.User:
		letter.To = netmail.Address{Name: o.Name, Address: o.Email}
		letter.Subject = "Your Kowabunga API key"
		letter.Text = fmt.Sprintf("Hello %s,\n\nthis is your new API key for %s:\n\n    %s\n\nIt %s. A key you had before is no longer valid.\nWhoever has the key can do what you can do: keep it where you keep passwords, and delete this mail.\n", o.Name, l.URL, key, last)
	case *model.Agent:
		letter.To = netmail.Address{Address: l.AdminEmail}
		letter.Subject = "Key of a Kowabunga agent"
		letter.Text = fmt.Sprintf("Hello,\n\nthe %s agent %q (id %s) of %s has a new key:\n\n    %s\n\nIt %s. A key it had before is no longer valid.\nPut it into the agent's key file and delete this mail.\n", o.Type, o.Name, o.ID, l.URL, key, last)
	default:
		return fault.New(fault.Internal, "a %s has no key to be sent", owner.Kind())
	}
	if l.Mail == nil || letter.To.Address == "" {
		if l.Log != nil {
			l.Log.Warn("a key was issued that nobody was shown; issue another with PATCH /api/v2/"+string(owner.Kind())+"/{id}/token", "kind", owner.Kind(), "id", owner.Base().ID)
		}
		return nil
	}
	return fault.Wrap(l.Mail.Send(ctx, letter), fault.Unavailable, "send the key of "+string(owner.Kind())+" "+string(owner.Base().ID))
}
