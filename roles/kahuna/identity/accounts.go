// Package identity tells who makes a request: by the master key, by a user's API key or by a login.
//
// Nothing is remembered beside the store but counts of failures and programs that wait to be let in. A key, a session, a role or an account that was taken away is
// gone from the view the next request is judged by, so revocation needs no message and has no delay.
// API keys are found by their public prefix and compared by SHA-256; slow hashes are used for passwords
// alone, two at a time, because they are what makes a server slow when somebody wants it to be.
//
// An account begins without a password and unconfirmed; package account says how it gets both by mail. A
// superAdmin who sets a password confirms the account with it; until then nobody can log in to it, while
// an API key works at once. That is also how bots are made: an account with a key and no password.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/access/credential"
	"kowabunga/core/account"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Views gives the present state.
type Views interface{ View() model.View }

// Cause is why something is written, for the journal.
type Cause struct {
	Who  access.Identity
	From string // address the request came from
	What string // "begin session"
}

// Writer carries a change to the store: f runs once, and an error of it changes nothing.
type Writer func(ctx context.Context, c Cause, f func(model.Draft) error) error

// DefaultSessionLife is how long a login lasts; it is what API v1 clients are used to.
const DefaultSessionLife = 24 * time.Hour

// Config is what accounts are kept with.
type Config struct {
	Views       Views
	Write       Writer
	MasterKey   string
	SessionLife time.Duration    // 0: DefaultSessionLife
	SigningAge  time.Duration    // age at which the key that signs logins is replaced; 0: never
	Terms       account.Terms    // of links and letters
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: nothing is logged
}

// Accounts knows people and their keys. It is safe for concurrent use.
type Accounts struct {
	views     Views
	write     Writer
	master    [sha256.Size]byte
	life      time.Duration
	age       time.Duration
	terms     account.Terms
	now       func() time.Time
	log       *slog.Logger
	passwords *passwords
	limits    limits
	resets    chan string // folded addresses that somebody asked a new password for
	devices   devices
	ring      ringCache
}

// New checks the master key. Nothing is written before Begin. Faults: Invalid for a master key that could
// be guessed.
func New(c Config) (*Accounts, error) {
	if err := checkMasterKey(c.MasterKey); err != nil {
		return nil, err
	}
	if c.SessionLife == 0 {
		c.SessionLife = DefaultSessionLife
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &Accounts{
		views: c.Views, write: c.Write, master: credential.Sum(c.MasterKey), life: c.SessionLife, age: c.SigningAge, terms: c.Terms, now: c.Now, log: c.Log,
		passwords: newPasswords(), limits: newLimits(), resets: make(chan string, resetQueue), devices: newDevices(),
	}
	return a, nil
}

// Begin sees that there is a key to sign logins with. It is for the Kahuna that writes.
func (a *Accounts) Begin(ctx context.Context) error { return a.ensureRing(ctx) }

// NewMasterKey draws a master key of 256 bits.
func NewMasterKey() model.Secret {
	return model.Secret(draw(time.Time{}).Token(48))
}

// draw is a source of ids and secrets for one change.
func draw(now time.Time) *model.Draw {
	var seed [32]byte
	rand.Read(seed[:])
	return model.NewDraw(seed, now)
}

func (a *Accounts) cause() account.Cause {
	now := a.now()
	return account.Cause{Now: now, Draw: draw(now), Terms: a.terms}
}

// masterBits is what a master key must be worth at least. It is a secret no rate limit protects.
const masterBits = 128

func checkMasterKey(key string) error {
	if strength(key) < masterBits {
		return fault.New(fault.Invalid, "the master key is too easy to guess; let kowabunga kahuna init draw one, or use at least 32 random letters and digits")
	}
	return nil
}

// MasterKey and LocalRoot are who acts without being a user.
var (
	MasterKey = access.Identity{Name: "master key", Role: model.RoleSuperAdmin}
	LocalRoot = access.Identity{Name: "local root", Role: model.RoleSuperAdmin}
)

func newID(now time.Time) model.ID {
	var chance [8]byte
	rand.Read(chance[:])
	return model.MakeID(now, chance)
}
