package identity

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

func (p *place) who(credentials string) (string, error) {
	h := http.Header{"X-Api-Key": {credentials}}
	if strings.HasPrefix(credentials, "Bearer ") {
		h = http.Header{"Authorization": {credentials}}
	}
	who, err := p.Authenticate(&http.Request{Header: h})
	return who.Name, err
}

// Of a token only what we signed, for a session that exists, is believed.
func TestForgedTokensAreRefused(t *testing.T) {
	p := newPlace(t)
	id, _ := p.user("eve", model.RoleUser)
	boss, _ := p.user("boss", model.RoleSuperAdmin)
	_, login := p.enter("eve")
	r, err := p.ring.of(p.View())
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := r.key(r.Current)
	var good jwt.MapClaims
	parsed, _, err := jwt.NewParser().ParseUnverified(login[len("Bearer "):], &good)
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range []string{"iss", "uid", "email", "role", "sid", "iat", "exp", "aud"} {
		if good[claim] == nil {
			t.Errorf("the token lacks %q", claim)
		}
	}
	if good["iss"] != "Kowabunga" || good["uid"] != id || good["role"] != model.RoleUser || parsed.Header["kid"] != r.Current {
		t.Errorf("claims %v, header %v", good, parsed.Header)
	}
	forge := func(method jwt.SigningMethod, kid any, key any, change func(c jwt.MapClaims)) string {
		c := maps.Clone(good)
		change(c)
		token := jwt.NewWithClaims(method, c)
		if kid != nil {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	same := func(jwt.MapClaims) {}
	without := func(claim string) func(jwt.MapClaims) { return func(c jwt.MapClaims) { delete(c, claim) } }
	with := func(claim string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) { c[claim] = value }
	}
	hs := jwt.SigningMethodHS256
	if name, err := p.who(forge(hs, r.Current, secret, same)); err != nil || name != "eve" {
		t.Fatalf("the forger's tools do not work: %q %v", name, err)
	}
	if name, err := p.who(forge(hs, r.Current, secret, with("role", model.RoleSuperAdmin))); err != nil || name != "eve" {
		t.Errorf("claims beside the session matter: %q %v", name, err)
	}
	for what, token := range map[string]string{
		"no algorithm":      forge(jwt.SigningMethodNone, r.Current, jwt.UnsafeAllowNoneSignatureType, same),
		"another algorithm": forge(jwt.SigningMethodHS512, r.Current, secret, same),
		"another key":       forge(hs, r.Current, []byte(strings.Repeat("k", 32)), same),
		"empty key":         forge(hs, r.Current, []byte{}, same),
		"no key id":         forge(hs, nil, secret, same),
		"unknown key id":    forge(hs, "other", secret, same),
		"key id no text":    forge(hs, 7, secret, same),
		"another issuer":    forge(hs, r.Current, secret, with("iss", "other")),
		"another audience":  forge(hs, r.Current, secret, with("aud", "other")),
		"no audience":       forge(hs, r.Current, secret, without("aud")),
		"no end":            forge(hs, r.Current, secret, without("exp")),
		"over":              forge(hs, r.Current, secret, with("exp", p.now().Unix())),
		"no user":           forge(hs, r.Current, secret, without("uid")),
		"user no text":      forge(hs, r.Current, secret, with("uid", 7)),
		"another user":      forge(hs, r.Current, secret, with("uid", boss)),
		"no session":        forge(hs, r.Current, secret, without("sid")),
		"unknown session":   forge(hs, r.Current, secret, with("sid", boss)),
		"cut":               login[:len(login)-4],
	} {
		if name, err := p.who(token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %q, %v", what, name, err)
		}
	}
}

// A new signing key does not end the logins that are running; the old key goes when they are over.
func TestSigningKeysTurn(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	_, old := p.enter("eve")
	if err := p.RotateSigningKey(t.Context(), MasterKey); err != nil {
		t.Fatal(err)
	}
	p.pass(time.Hour)
	_, young := p.enter("eve")
	for _, login := range []string{old, young} {
		if _, err := p.who(login); err != nil {
			t.Error(err)
		}
	}
	p.pass(DefaultSessionLife - time.Minute)
	if err := p.RotateSigningKey(t.Context(), MasterKey); err != nil {
		t.Fatal(err)
	}
	if r, err := p.ring.of(p.View()); err != nil || len(r.Keys) != 2 {
		t.Errorf("%d keys are kept (%v), want the new one and that of the login that lasts", len(r.Keys), err)
	}
	if err := p.RotateSigningKey(t.Context(), LocalRoot); err != nil {
		t.Error(err)
	}
	who, _ := p.Authenticate(&http.Request{Header: http.Header{"Authorization": {young}}})
	if err := p.RotateSigningKey(t.Context(), who); !fault.Is(err, fault.Denied) {
		t.Errorf("a user turns the key: %v", err)
	}
}

func TestSessionsAreSweptAndBounded(t *testing.T) {
	p := newPlace(t)
	p.user("eve", model.RoleUser)
	for range maxSessions + 3 {
		if code, _ := p.enter("eve"); code != 201 {
			t.Fatalf("login: %d", code)
		}
	}
	if n := p.View().Len(model.KindSession); n != maxSessions {
		t.Errorf("%d sessions of one user", n)
	}
	if n, err := p.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d that are not over, %v", n, err)
	}
	p.pass(DefaultSessionLife)
	if n, err := p.Sweep(t.Context()); n != maxSessions || err != nil || p.View().Len(model.KindSession) != 0 {
		t.Errorf("swept %d, %v", n, err)
	}
}

// Whatever happens to accounts, keys and logins, in any order: exactly those credentials are accepted
// that were issued and not taken back since.
func TestWhatWasRevokedIsNeverAccepted(t *testing.T) {
	whole := t
	chance.Check(t, func(t *rapid.T) {
		p := newPlace(whole)
		ids := map[string]string{}
		live := map[string]string{} // credentials -> user
		dead := map[string]bool{}
		revoke := func(match func(credentials, user string) bool) {
			for c, u := range live {
				if match(c, u) {
					delete(live, c)
					dead[c] = true
				}
			}
		}
		isLogin := func(c string) bool { return strings.HasPrefix(c, "Bearer ") }
		anyUser := func(t *rapid.T) string {
			if len(ids) == 0 {
				t.Skip("no users")
			}
			return rapid.SampledFrom(slices.Sorted(maps.Keys(ids))).Draw(t, "user")
		}
		created := 0
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				if len(ids) > 3 {
					t.Skip("enough")
				}
				created++
				name := "u" + string(rune('a'+created%26)) + string(rune('a'+created/26))
				id, key := p.user(name, model.RoleUser)
				ids[name], live[key] = id, name
			},
			"key": func(t *rapid.T) {
				u := anyUser(t)
				revoke(func(c, of string) bool { return of == u && !isLogin(c) })
				p.must("PATCH", "/user/"+ids[u]+"/token", "")
				live[p.keys[u]] = u
			},
			"drop key": func(t *rapid.T) {
				u := anyUser(t)
				token, ok := model.One[*model.Token](p.View(), "user", ids[u])
				if !ok {
					t.Skip("no key")
				}
				p.must("DELETE", "/token/"+string(token.ID), "")
				revoke(func(c, of string) bool { return of == u && !isLogin(c) })
			},
			"login": func(t *rapid.T) {
				u := anyUser(t)
				if code, login := p.enter(u); code == 201 {
					live[login] = u
				}
			},
			"logout": func(t *rapid.T) {
				u := anyUser(t)
				for c, of := range live {
					if of == u && isLogin(c) {
						p.call(c, "POST", "/logout", "")
						revoke(func(other, _ string) bool { return other == c })
						return
					}
				}
			},
			"password": func(t *rapid.T) {
				u := anyUser(t)
				p.must("PUT", "/user/"+ids[u]+"/password", `{"value":"`+password+`"}`)
				revoke(func(c, of string) bool { return of == u && isLogin(c) })
			},
			"remove": func(t *rapid.T) {
				u := anyUser(t)
				p.must("DELETE", "/user/"+ids[u], "")
				delete(ids, u)
				revoke(func(_, of string) bool { return of == u })
			},
			"time": func(t *rapid.T) {
				p.pass(DefaultSessionLife)
				revoke(func(c, _ string) bool { return isLogin(c) })
			},
			"": func(t *rapid.T) {
				for c, u := range live {
					if name, err := p.who(c); err != nil || name != u {
						t.Fatalf("credentials of %s: %q, %v", u, name, err)
					}
				}
				for c := range dead {
					if name, err := p.who(c); err == nil {
						t.Fatalf("revoked credentials are accepted as %s", name)
					}
				}
			},
		})
	})
}

func FuzzAuthenticate(f *testing.F) {
	p := newPlace(f)
	_, key := p.user("eve", model.RoleUser)
	_, login := p.enter("eve")
	f.Add("", "")
	f.Add("x", "x")
	f.Add("", "Bearer")
	f.Add("kw__", "Bearer  a.b.c")
	f.Add("kw_aaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Basic eA==")
	f.Add("", "Bearer eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, first, second string) {
		h := http.Header{"X-Api-Key": {first}, "Authorization": {second}}
		who, err := p.Authenticate(&http.Request{Header: h})
		if err == nil && first != key && first != masterKey && second != login {
			t.Errorf("%q and %q are accepted as %+v", first, second, who)
		}
		if err != nil && !fault.Is(err, fault.Unauthenticated) || err != nil == who.Known() {
			t.Errorf("%q and %q: %+v, %v", first, second, who, err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	p := newPlace(b)
	_, key := p.user("eve", model.RoleUser)
	_, login := p.enter("eve")
	for _, c := range []struct {
		name   string
		header http.Header
	}{
		{"key", http.Header{"X-Api-Key": {key}}}, {"master key", http.Header{"X-Api-Key": {masterKey}}},
		{"wrong key", http.Header{"X-Api-Key": {"kw_aaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}}, {"login", http.Header{"Authorization": {login}}},
	} {
		r := &http.Request{Header: c.header}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Authenticate(r)
			}
		})
	}
}
