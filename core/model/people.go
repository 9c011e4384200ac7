package model

import "time"

// The kinds of people and what they prove themselves with.
const (
	KindUser    Kind = "user"
	KindTeam    Kind = "team"
	KindToken   Kind = "token"
	KindSession Kind = "session"
	KindSetting Kind = "setting"
	KindProof   Kind = "proof"
	KindLetter  Kind = "letter"
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
	Confirmed     bool   `json:"confirmed,omitempty"` // the address was proved, or a superAdmin set a password
	Disabled      bool   `json:"disabled,omitempty"`
	Bot           bool   `json:"bot,omitempty"`          // a program: never has a password
	PendingEmail  string `json:"pendingEmail,omitempty"` // what the address becomes once that is proved
	Organization  ID     `json:"organization,omitempty"`
	Head          bool   `json:"head,omitempty"` // manages the users, teams and projects of his organization
}

// Team is a group of users that projects list.
type Team struct {
	Meta
	Users        []ID `json:"users"`
	Organization ID   `json:"organization,omitempty"`
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
	From    string    `json:"from,omitempty"`   // address the login came from
	Agent   string    `json:"agent,omitempty"`  // what the client said it is
	Signer  string    `json:"signer,omitempty"` // id of the key that signed its bearer token
}

// Proof is a link that was mailed and not followed yet: whoever follows it reads the mail of an address.
// Only the SHA-256 of the link's secret is kept, and a user has one link at most for each purpose.
type Proof struct {
	Meta
	User    ID        `json:"user"`
	Purpose string    `json:"purpose"`
	Address string    `json:"address"` // where the link was mailed to
	Hash    Secret    `json:"hash"`    // SHA-256 of the link's secret, hex
	Expires time.Time `json:"expires"`
}

// What a proof is for.
const (
	ProofAccount  = "account"  // the account is confirmed
	ProofPassword = "password" // a new password is drawn
	ProofAddress  = "address"  // the user's address becomes the proof's
)

// Letter is a mail that waits to be delivered, committed with the change it tells of. While the
// operation it tells of runs its phase is Creating. It goes when it was handed over; one that was given
// up stays for a while, without its data.
type Letter struct {
	Meta               // Name is the template
	User     ID        `json:"user,omitempty"` // who it is for, should that be a user
	To       string    `json:"to"`             // address
	ToName   string    `json:"toName,omitempty"`
	Data     Secret    `json:"data,omitempty"` // what the template is filled with, a JSON object
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`    // when it is tried next
	Until    time.Time `json:"until"`            // when it is given up
	Failed   time.Time `json:"failed,omitzero"`  // when it was given up
	Reason   string    `json:"reason,omitempty"` // why the last attempt failed
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
func (*Proof) Kind() Kind   { return KindProof }
func (*Letter) Kind() Kind  { return KindLetter }

func (o *User) Clone() Object    { c := *o; return &c }
func (o *Team) Clone() Object    { c := *o; return &c }
func (o *Token) Clone() Object   { c := *o; return &c }
func (o *Session) Clone() Object { c := *o; return &c }
func (o *Setting) Clone() Object { c := *o; return &c }
func (o *Proof) Clone() Object   { c := *o; return &c }
func (o *Letter) Clone() Object  { c := *o; return &c }
