package catalogue

import (
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
	),
	Internal: []string{"PasswordHash", "Confirmed", "Disabled"},
	Ops: ops(Op{ID: "CreateUser", Verb: Create, Method: "POST", Path: "/user", Request: "User", Response: "User", Status: 201, Access: access.Admin},
		Op{ID: "ListUsers", Verb: List, Method: "GET", Path: "/user", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("User", "user", access.Read, access.Self, access.Admin),
		Op{ID: "Login", Verb: Action, Action: "login", Method: "POST", Path: "/login", Request: "UserCredentials", Response: "UserCredentials", Status: 201, Access: access.Public},
		Op{ID: "Logout", Verb: Action, Action: "logout", Method: "POST", Path: "/logout", Status: 204, Access: access.Authenticated},
		Op{ID: "SetUserPassword", Verb: Action, Action: "password", Method: "PUT", Path: "/user/{userId}/password", Request: "Password", Status: 200, Access: access.Self},
		expiring(action("SetUserApiToken", "token", "PATCH", "/user/{userId}/token", "", access.Self))),
}

var team = Kind{
	Name: model.KindTeam, Plural: "teams", Schema: "Team", Title: "team",
	Summary: "A group of users that projects list as members.",
	Fields: common(func(o *model.Team) *model.Meta { return &o.Meta },
		list("users", bitOwn, func(o *model.Team) *[]model.ID { return &o.Users }, Required, Ref(model.KindUser), Doc("its users")),
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
