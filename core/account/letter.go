package account

import (
	"encoding/json"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Names of the letters, which are those of their templates.
const (
	Welcome  = "welcome"         // to a new user, with the link that confirms the account
	Reset    = "reset"           // to a user who asked for a new password, with the link that draws it
	Changed  = "password"        // to a user whose password was replaced, without it
	Address  = "address"         // to an address that a user wants to have, with the link that proves it
	Moved    = "moved"           // to the address that a user had before
	UserKey  = "user-key"        // to the owner of a new API key, with the key
	AgentKey = "agent-key"       // to the administrator, with the new key of an agent
	Project  = "project-created" // to the members of a new project
	Instance = "instance-created"
)

// To is who a letter goes to: a user, or an address that is nobody's.
type To struct {
	User    model.ID
	Name    string
	Address string
}

func to(u *model.User) To { return To{User: u.ID, Name: u.Name, Address: u.Email} }

// Post puts a letter into the draft. data fills the template; it is sealed. until is when the letter is
// worth nothing any more, zero for as long as letters are tried.
func Post(d model.Draft, c Cause, name string, to To, data map[string]any, until time.Time) (*model.Letter, error) {
	if data == nil {
		data = map[string]any{}
	}
	data["Name"], data["URL"] = to.Name, c.Terms.URL
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write a letter")
	}
	l := &model.Letter{User: to.User, To: to.Address, ToName: to.Name, Data: model.Secret(raw), Until: c.Now.Add(c.Terms.letterLife()).UTC().Truncate(time.Second)}
	if !until.IsZero() && until.Before(l.Until) {
		l.Until = until
	}
	l.ID, l.Name = c.Draw.ID(), name
	return l, d.Put(l)
}

// moment is how letters write a time.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
