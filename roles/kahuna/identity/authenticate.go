package identity

import (
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/access/credential"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Authenticate tells who makes a request. A non-empty X-API-Key decides alone, whatever else was sent;
// otherwise the request must carry "Authorization: Bearer" with the token of a login. Faults:
// Unauthenticated, which says what was wrong with the request and nothing about accounts; Throttled after
// too many credentials from the client's address that were not valid.
func (a *Accounts) Authenticate(r *http.Request) (access.Identity, error) {
	who, err := a.authenticate(r)
	if err != nil && r.RemoteAddr != "" && (len(r.Header["X-Api-Key"]) > 0 || len(r.Header["Authorization"]) > 0) {
		if _, ok := a.limits.keys.take(network(r.RemoteAddr), a.now()); !ok {
			return access.Identity{}, fault.New(fault.Throttled, "too many requests from this address with credentials that are not valid; see what sends them")
		}
	}
	return who, err
}

func (a *Accounts) authenticate(r *http.Request) (access.Identity, error) {
	v := a.views.View()
	// The map is read directly: Header.Get would build the canonical name for every request.
	if key, sent, ok := single(r.Header["X-Api-Key"]); sent {
		if !ok {
			return access.Identity{}, fault.New(fault.Unauthenticated, "X-API-Key was sent more than once")
		}
		return a.byKey(v, key)
	}
	value, sent, ok := single(r.Header["Authorization"])
	if !sent {
		return access.Identity{}, fault.New(fault.Unauthenticated, "this needs an API key (X-API-Key) or a login (Authorization: Bearer)")
	}
	scheme, token, spaced := strings.Cut(value, " ")
	if token = strings.TrimLeft(token, " "); !ok || !spaced || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return access.Identity{}, fault.New(fault.Unauthenticated, "Authorization must read: Bearer TOKEN")
	}
	return a.byToken(v, token)
}

// single is the one non-empty value of a header; sent tells whether there is any, ok whether it is the
// only one.
func single(values []string) (value string, sent, ok bool) {
	for _, s := range values {
		if s == "" {
			continue
		}
		if sent {
			return "", true, false
		}
		value, sent, ok = s, true, true
	}
	return value, sent, ok
}

// maxKey bounds what is hashed for somebody unknown.
const maxKey = 512

// byKey does the same work whether the key exists or not: one hash, a comparison with the master key, a
// look-up, a comparison with what is kept.
func (a *Accounts) byKey(v model.View, key string) (access.Identity, error) {
	var who access.Identity
	if len(key) <= maxKey {
		sum := credential.Sum(key)
		master := subtle.ConstantTimeCompare(sum[:], a.master[:]) == 1
		t, u, found := owner(v, credential.Prefix(key))
		match := kept(t, &sum)
		switch {
		case master:
			who = MasterKey
		case found && match && !u.Disabled && !credential.Ended(t, a.now()):
			who = access.Identity{User: u.ID, Name: u.Name, Role: u.Role, Token: t.ID}
		}
	}
	if !who.Known() {
		return access.Identity{}, fault.New(fault.Unauthenticated, "the API key is not valid: mistyped, replaced, expired, or a key of an agent")
	}
	return who, nil
}

// nothing stands in for the token of a prefix that does not exist. No key has this hash.
var nothing = &model.Token{Hash: model.Secret(strings.Repeat("0", 2*len(credential.Sum(""))))}

// owner finds a user's token by its prefix. Tokens of agents have none, so that their keys are of no use
// here.
func owner(v model.View, prefix string) (*model.Token, *model.User, bool) {
	if prefix == "" { // not of the form of a key, which who sent it knows
		return nothing, nil, false
	}
	t, ok := model.One[*model.Token](v, "prefix", prefix)
	if !ok {
		return nothing, nil, false
	}
	u, ok := model.Find[*model.User](v, t.User)
	return t, u, ok
}

// kept compares a hash with the one a token holds, in constant time and without allocating.
func kept(t *model.Token, sum *[32]byte) bool {
	var have, want [64]byte
	hex.Encode(have[:], sum[:])
	n := copy(want[:], t.Hash.Reveal())
	return subtle.ConstantTimeCompare(have[:], want[:]) == 1 && n == len(want) && len(t.Hash) == len(want)
}
