package identity

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// The tokens of logins are JWTs (RFC 7519), signed with HS256 and nothing else. What they say about a
// user is for clients to show; only the session they name counts, and it is in the store.
const (
	issuer   = "Kowabunga"
	audience = "kowabunga-api"
	maxToken = 4096 // bytes; ours have about 500
)

type claims struct {
	User    model.ID `json:"uid"`
	Email   string   `json:"email"`
	Role    string   `json:"role"`
	Session model.ID `json:"sid"`
	jwt.RegisteredClaims
}

// ringName is the setting that holds the signing keys, sealed and replicated with everything else.
const ringName = "identity.signing-keys"

// ring is the value of that setting. Keys that were replaced verify until the last login they signed is
// over: each session names its key.
type ring struct {
	Current string      `json:"current"`
	Keys    []signature `json:"keys"`
}

type signature struct {
	ID      string    `json:"id"`
	Secret  []byte    `json:"secret"` // 32 bytes, the size of the hash (RFC 7518 section 3.2)
	Retired time.Time `json:"retired,omitzero"`
}

func (r *ring) key(id string) ([]byte, bool) {
	for _, k := range r.Keys {
		if k.ID == id && len(k.Secret) == 32 {
			return k.Secret, true
		}
	}
	return nil, false
}

// ringCache keeps the decoded form of the very setting it was decoded from.
type ringCache struct{ last atomic.Pointer[decoded] }

type decoded struct {
	from *model.Setting
	ring *ring
}

func (c *ringCache) of(v model.View) (*ring, error) {
	s, ok := model.One[*model.Setting](v, "name", ringName)
	if !ok {
		return nil, fault.New(fault.Internal, "there is no key to sign logins with")
	}
	if d := c.last.Load(); d != nil && d.from == s {
		return d.ring, nil
	}
	r := new(ring)
	if err := json.Unmarshal([]byte(s.Value.Reveal()), r); err != nil {
		return nil, fault.New(fault.Internal, "the keys to sign logins with cannot be read")
	}
	c.last.Store(&decoded{s, r})
	return r, nil
}

// ensureRing makes the first signing key of an installation.
func (a *Accounts) ensureRing(ctx context.Context) error {
	if _, ok := model.One[*model.Setting](a.views.View(), "name", ringName); ok {
		_, err := a.ring.of(a.views.View())
		return err
	}
	return a.write(ctx, Cause{Who: LocalRoot, What: "make signing key"}, func(d model.Draft) error {
		if _, ok := model.One[*model.Setting](d, "name", ringName); ok {
			return nil
		}
		s := &model.Setting{}
		s.ID, s.Name = newID(a.now()), ringName
		return putRing(d, s, new(ring).turn(d, a.now()))
	})
}

// RotateSigningKey makes a new key for the logins to come; logins that are running go on.
func (a *Accounts) RotateSigningKey(ctx context.Context, who access.Identity) error {
	if !who.SuperAdmin() {
		return fault.New(fault.Denied, "only a superAdmin can do this")
	}
	return a.write(ctx, Cause{Who: who, What: "rotate signing key"}, func(d model.Draft) error {
		s, ok := model.One[*model.Setting](d, "name", ringName)
		if !ok {
			return fault.New(fault.Internal, "there is no key to sign logins with")
		}
		r := new(ring)
		if err := json.Unmarshal([]byte(s.Value.Reveal()), r); err != nil {
			return fault.New(fault.Internal, "the keys to sign logins with cannot be read")
		}
		return putRing(d, model.Edit(s), r.turn(d, a.now()))
	})
}

// RotateByAge makes a new key when the current one is as old as the installation allows. It tells whether
// it did.
func (a *Accounts) RotateByAge(ctx context.Context) (bool, error) {
	r, err := a.ring.of(a.views.View())
	if err != nil || a.age <= 0 || a.now().Sub(model.ID(r.Current).Time()) < a.age {
		return false, err
	}
	return true, a.RotateSigningKey(ctx, LocalRoot)
}

// turn is the ring with a new current key, without those whose last logins are over.
func (r *ring) turn(v model.View, now time.Time) *ring {
	next := &ring{Current: string(newID(now))}
	secret := make([]byte, 32)
	rand.Read(secret)
	used := map[string]bool{}
	var oldest time.Time // of the logins of earlier releases, which do not name their key
	for s := range model.All[*model.Session](v) {
		switch {
		case !now.Before(s.Expires):
		case s.Signer != "":
			used[s.Signer] = true
		case oldest.IsZero() || s.Created.Before(oldest):
			oldest = s.Created
		}
	}
	for _, k := range r.Keys {
		if k.Retired.IsZero() {
			k.Retired = now
		}
		if used[k.ID] || !oldest.IsZero() && !oldest.After(k.Retired) {
			next.Keys = append(next.Keys, k)
		}
	}
	next.Keys = append(next.Keys, signature{ID: next.Current, Secret: secret})
	return next
}

func putRing(d model.Draft, s *model.Setting, r *ring) error {
	value, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "keep the signing keys")
	}
	s.Value = model.Secret(value)
	return d.Put(s)
}

// sign makes the token of a session.
func (a *Accounts) sign(u *model.User, s *model.Session, now time.Time) (string, error) {
	r, err := a.ring.of(a.views.View())
	if err != nil {
		return "", err
	}
	secret, ok := r.key(s.Signer)
	if !ok {
		return "", fault.New(fault.Internal, "the key to sign this login with is missing")
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		User: u.ID, Email: u.Email, Role: u.Role, Session: s.ID,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(s.Expires),
		},
	})
	t.Header["kid"] = s.Signer
	text, err := t.SignedString(secret)
	return text, fault.Wrap(err, fault.Internal, "sign a login")
}

// byToken accepts a token whose session is still there, of a user who may still log in. Role and name
// are those of now.
func (a *Accounts) byToken(v model.View, token string) (access.Identity, error) {
	refused := fault.New(fault.Unauthenticated, "the login is not valid or over; log in again")
	if len(token) > maxToken {
		return access.Identity{}, refused
	}
	now := a.now()
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		r, err := a.ring.of(v)
		if err != nil {
			return nil, err
		}
		id, _ := t.Header["kid"].(string)
		secret, ok := r.key(id)
		if !ok {
			return nil, jwt.ErrTokenUnverifiable
		}
		return secret, nil
	}, jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		return access.Identity{}, refused
	}
	s, ok := model.Find[*model.Session](v, c.Session)
	if !ok || s.User != c.User || !now.Before(s.Expires) {
		return access.Identity{}, refused
	}
	u, ok := model.Find[*model.User](v, s.User)
	if !ok || u.Disabled || !u.Confirmed || u.Bot {
		return access.Identity{}, refused
	}
	return access.Identity{User: u.ID, Name: u.Name, Role: u.Role, Session: s.ID}, nil
}
