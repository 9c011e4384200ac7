package access

import "kowabunga/core/model"

// Identity is who makes a request, as its credentials proved. The zero value is nobody.
type Identity struct {
	User    model.ID // empty for the master key and for local root
	Name    string   // for the journal: user name, "master key" or "local root"
	Role    string   // role of the user; superAdmin for the master key
	Token   model.ID // the API key used, if one was
	Session model.ID // the login used, if one was
}

// Known tells whether the credentials were valid.
func (i Identity) Known() bool { return i.Role != "" }

// SuperAdmin tells whether every rule is satisfied.
func (i Identity) SuperAdmin() bool { return i.Role == model.RoleSuperAdmin }
