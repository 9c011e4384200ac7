package catalogue

import (
	"time"

	"kowabunga/core/access"
	"kowabunga/core/model"
)

var user = Kind{
	Name: model.KindUser, Plural: "users", Schema: "User", Title: "user",
	Summary: "A person, or a program with an API key.",
	Fields: common(func(o *model.User) *model.Meta { return &o.Meta },
		str("email", bitOwn, func(o *model.User) *string { return &o.Email }, Required, Column, Doc("address for login and mail, unique")),
		str("role", bitOwn+1, func(o *model.User) *string { return &o.Role }, Required, Column, Enum(model.RoleSuperAdmin, model.RoleProjectAdmin, model.RoleUser), Doc("what he may do in general")),
		boolean("notifications", bitOwn+2, func(o *model.User) *bool { return &o.Notifications }, Always, Replace, Doc("whether he gets mail about his projects")),
		within(bitOwn+3, func(o *model.User) *model.ID { return &o.Organization }),
		boolean("organization_admin", bitOwn+4, func(o *model.User) *bool { return &o.Head }, Native, Doc("whether he manages the users, teams and projects of his organization")),
		boolean("confirmed", -1, func(o *model.User) *bool { return &o.Confirmed }, ReadOnly, Native, Doc("whether the address was proved, or a superAdmin handed over a password; before that nobody logs in")),
		boolean("disabled", -1, func(o *model.User) *bool { return &o.Disabled }, ReadOnly, Native, Doc("whether the account is shut: no login, no key")),
		boolean("bot", -1, func(o *model.User) *bool { return &o.Bot }, ReadOnly, Native, Doc("whether it is a program: it has an API key and never a password")),
		str("pending_email", -1, func(o *model.User) *string { return &o.PendingEmail }, ReadOnly, Native, Doc("what the address becomes once the link mailed there was followed")),
	),
	Internal: []string{"PasswordHash"},
	Ops: ops(Op{ID: "CreateUser", Verb: Create, Method: "POST", Path: "/user", Request: "User", Response: "User", Status: 201, Access: access.Admin,
		Query: []Query{
			{Name: "password", Type: String, Native: true, Doc: "\"generated\": draw a password, show it in this answer and confirm the account"},
			{Name: "bot", Type: Boolean, Native: true, Doc: "a program: it gets an API key and never a password"},
		}},
		Op{ID: "ListUsers", Verb: List, Method: "GET", Path: "/user", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("User", "user", access.Read, access.Self, access.Admin),
		Op{ID: "Login", Verb: Action, Action: "login", Method: "POST", Path: "/login", Request: "UserCredentials", Response: "UserCredentials", Status: 201, Access: access.Public},
		Op{ID: "Logout", Verb: Action, Action: "logout", Method: "POST", Path: "/logout", Status: 204, Access: access.Authenticated},
		Op{ID: "SetUserPassword", Verb: Action, Action: "password", Method: "PUT", Path: "/user/{userId}/password", Request: "Password", Status: 200, Access: access.Self},
		Op{ID: "ResetPassword", Verb: Action, Action: "resetPassword", Method: "PUT", Path: "/resetPassword", Request: "UserEmail", Status: 200, Access: access.Public},
		action("ResetUserPassword", "resetPassword", "PATCH", "/user/{userId}/resetPassword", "", access.Self),
		only(action("NewUserPassword", "newPassword", "PATCH", "/user/{userId}/newPassword", "", access.Self)),
		only(action("EnableUser", "enable", "PATCH", "/user/{userId}/enable", "", access.Admin)),
		only(action("DisableUser", "disable", "PATCH", "/user/{userId}/disable", "", access.Admin)),
		expiring(action("SetUserApiToken", "token", "PATCH", "/user/{userId}/token", "", access.Self))),
}

var team = Kind{
	Name: model.KindTeam, Plural: "teams", Schema: "Team", Title: "team",
	Summary: "A group of users that projects list as members.",
	Fields: common(func(o *model.Team) *model.Meta { return &o.Meta },
		list("users", bitOwn, func(o *model.Team) *[]model.ID { return &o.Users }, Required, Ref(model.KindUser), Doc("its users")),
		within(bitOwn+1, func(o *model.Team) *model.ID { return &o.Organization }),
	),
	Ops: crud("Team", "team", "ListTeams", root, readVisible),
}

var token = Kind{
	Name: model.KindToken, Plural: "tokens", Schema: "ApiToken", Title: "token",
	Summary: "The proof an agent or an API user shows; its key is shown once, when it is made.",
	Fields: common(func(o *model.Token) *model.Meta { return &o.Meta },
		boolean("expire", bitOwn, func(o *model.Token) *bool { return &o.Expire }, Required, Column, Doc("whether it ends")),
		date("expiration_date", bitOwn+1, func(o *model.Token) *string { return &o.Expiration }, Column, Doc("last day it is valid, YYYY-MM-DD in UTC")),
	),
	Internal: []string{"Agent", "User", "Prefix", "Hash", "Salt", "Iterations", "StoredKey", "ServerKey"},
	Ops: ops(Op{ID: "ListApiTokens", Verb: List, Method: "GET", Path: "/token", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("ApiToken", "token", access.Read, access.Admin, access.Admin)),
}

// only marks an operation that API v1 does not have.
func only(op Op) Op {
	op.Native = true
	return op
}

var session = Kind{
	Name: model.KindSession, Plural: "sessions", Schema: "Session", Title: "login", Native: true,
	Summary: "A login that lasts; deleting it ends it.",
	Parents: []Parent{parent(model.KindUser, "userId", func(o *model.Session) *model.ID { return &o.User })},
	Fields: common(func(o *model.Session) *model.Meta { return &o.Meta },
		str("from", -1, func(o *model.Session) *string { return &o.From }, ReadOnly, Native, Column, Doc("address it was begun from")),
		str("agent", -1, func(o *model.Session) *string { return &o.Agent }, ReadOnly, Native, Doc("what the program that began it said it is")),
		moment("expires", func(o *model.Session) *time.Time { return &o.Expires }, Native, Column, Doc("when it ends by itself")),
	),
	Internal: []string{"User", "Signer"},
	Ops: []Op{
		{ID: "ListSessions", Verb: List, Method: "GET", Path: "/session", Response: "[]string", Status: 200, Access: access.Authenticated},
		{ID: "ReadSession", Verb: Read, Method: "GET", Path: "/session/{sessionId}", Response: "Session", Status: 200, Access: access.Read},
		{ID: "DeleteSession", Verb: Delete, Method: "DELETE", Path: "/session/{sessionId}", Status: 200, Access: access.Self},
	},
}

// moment binds a time that the server sets, RFC 3339 in UTC.
func moment[T any](name string, at func(*T) *time.Time, options ...Option) Field {
	f := field(name, -1, String, append(options, ReadOnly))
	f.write = func(b []byte, _ model.View, p any) []byte {
		if at(p.(*T)).IsZero() {
			return append(b, `""`...)
		}
		return append(at(p.(*T)).UTC().AppendFormat(append(b, '"'), time.RFC3339), '"')
	}
	f.empty = func(_ model.View, p any) bool { return at(p.(*T)).IsZero() }
	f.same = func(a, b any) bool { return at(a.(*T)).Equal(*at(b.(*T))) }
	f.address = func(p any) any { return at(p.(*T)) }
	f.reset = func(any) {}
	f.read = func(any, []byte, string) error { return nil }
	return f
}
