package model

import "time"

// The kinds of people and what they prove themselves with.
const (
	KindUser    Kind = "user"
	KindTeam    Kind = "team"
	KindToken   Kind = "token"
	KindSession Kind = "session"
	KindSetting Kind = "setting"
)

// The roles of API v1.
const (
	RoleSuperAdmin   = "superAdmin"
	RoleProjectAdmin = "projectAdmin"
	RoleUser         = "user"
)

// User is a person or a bot. PasswordHash is an argon2id string, empty while there is no password.
type User struct {
	Meta
	Email         string `json:"email"`
	Role          string `json:"role"`
	Notifications bool   `json:"notifications,omitempty"`
	PasswordHash  Secret `json:"passwordHash,omitempty"`
	Confirmed     bool   `json:"confirmed,omitempty"`
	Disabled      bool   `json:"disabled,omitempty"`
}

// Team is a group of users that projects list.
type Team struct {
	Meta
	Users []ID `json:"users"`
}

// Token is the proof of an agent or of a user's API key. Of an API key only the SHA-256 is kept, found
// by the key's public prefix; of an agent's key only what SCRAM needs (RFC 5802 section 3).
type Token struct {
	Meta
	Agent      ID     `json:"agent,omitempty"`
	User       ID     `json:"user,omitempty"`
	Expire     bool   `json:"expire,omitempty"`
	Expiration string `json:"expiration,omitempty"` // YYYY-MM-DD, the last day it is valid (UTC)
	Prefix     string `json:"prefix,omitempty"`     // first part of an API key
	Hash       Secret `json:"hash,omitempty"`       // SHA-256 of the API key, hex
	Salt       Secret `json:"salt,omitempty"`       // base64
	Iterations int    `json:"iterations,omitempty"`
	StoredKey  Secret `json:"storedKey,omitempty"` // base64
	ServerKey  Secret `json:"serverKey,omitempty"` // base64
}

// Session is a login. The bearer token names it; without it the token is worth nothing.
type Session struct {
	Meta
	User    ID        `json:"user"`
	Expires time.Time `json:"expires"`
	From    string    `json:"from,omitempty"` // address the login came from
	Agent   string    `json:"agent,omitempty"`
}

// Setting is a named value of the installation that must be replicated with the rest, such as a
// signing key.
type Setting struct {
	Meta
	Value Secret `json:"value,omitempty"`
}

func (*User) Kind() Kind    { return KindUser }
func (*Team) Kind() Kind    { return KindTeam }
func (*Token) Kind() Kind   { return KindToken }
func (*Session) Kind() Kind { return KindSession }
func (*Setting) Kind() Kind { return KindSetting }

func (o *User) Clone() Object    { c := *o; return &c }
func (o *Team) Clone() Object    { c := *o; return &c }
func (o *Token) Clone() Object   { c := *o; return &c }
func (o *Session) Clone() Object { c := *o; return &c }
func (o *Setting) Clone() Object { c := *o; return &c }
