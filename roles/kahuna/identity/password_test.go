package identity

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kowabunga/core/access/credential"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/agent/link"
)

func TestPasswordsAreHashedAsStated(t *testing.T) {
	p := newPasswords()
	first, err := p.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := p.hash(t.Context(), password)
	if !strings.HasPrefix(first.Reveal(), "$argon2id$v=19$m=19456,t=2,p=1$") || first == second {
		t.Errorf("hashes %q and %q", first.Reveal(), second.Reveal())
	}
	for _, c := range []struct {
		stored   model.Secret
		password string
		want     bool
	}{
		{first, password, true}, {second, password, true}, {first, password + " ", false}, {first, "", false},
		{"", "", false}, {p.absent, "", false}, {"$argon2id$", "", false}, {model.Secret(password), password, false},
		{"$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAAAAAAAAA$AAAA", "", false},
	} {
		if got, err := p.matches(t.Context(), c.stored, c.password); got != c.want || err != nil {
			t.Errorf("%q against %q: %v, %v", c.password, c.stored.Reveal(), got, err)
		}
	}
}

// Two hashes run at a time; others wait, and not for ever.
func TestHashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords()
		var leave []func()
		for range hashesAtOnce {
			l, err := p.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		began := time.Now()
		if _, err := p.matches(t.Context(), "", "x"); !fault.Is(err, fault.Unavailable) || time.Since(began) != hashWait {
			t.Errorf("a third, after %v: %v", time.Since(began), err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.matches(gone, "", "x"); !fault.Is(err, fault.Cancelled) {
			t.Errorf("a caller who left: %v", err)
		}
		var waiting sync.WaitGroup
		for range hashQueue {
			waiting.Go(func() {
				if l, err := p.enter(t.Context()); err != nil {
					t.Error(err)
				} else {
					l()
				}
			})
		}
		synctest.Wait()
		began = time.Now()
		if _, err := p.enter(t.Context()); !fault.Is(err, fault.Unavailable) || time.Since(began) != 0 {
			t.Errorf("behind a full queue, after %v: %v", time.Since(began), err)
		}
		for _, l := range leave {
			l()
		}
		waiting.Wait()
		if n := p.waiting.Load(); n != 0 || len(p.slots) != 0 {
			t.Errorf("%d are still counted, %d places taken", n, len(p.slots))
		}
	})
}

func TestEasyPasswordsAreRefused(t *testing.T) {
	u := &model.User{Email: "henrietta.walker@example.org"}
	u.Name = "Henrietta Walker"
	for value, want := range map[string]bool{
		"vN7-tq2.Kd9_Wz4!":                true,
		"k3Rw8TzQ5mYb2XpL":                true, // what a generator makes: 16 letters and digits
		"orbit lantern seventy walnut":    true,
		"žluťoučký kůň úpěl ďábelské ódy": true,
		"":                                     false,
		"Tr0ub4dor":                            false,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":       false,
		"abcdefghijklmnopqrstuvwxyz0123456789": false,
		"abc1abc1abc1abc1abc1abc1abc1":         false,
		"Password!Password!Password!":          false,
		"Henrietta Walker2030":                 false,
		"henrietta.walker@example.org1!":       false,
		"kowabungaadminpassword1":              false,
	} {
		err := CheckPassword(value, u)
		if (err == nil) != want {
			t.Errorf("%q (%.0f bits): %v", value, strength(value, u.Name, u.Email), err)
		}
		if f := fault.From(err); f != nil && (f.Code != fault.Invalid || f.Field != "value" || value != "" && strings.Contains(f.Error(), value)) {
			t.Errorf("%q: %+v", value, f)
		}
	}
	for _, value := range []string{strings.Repeat(password, 100), password + "\xff"} {
		if err := CheckPassword(value, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d bytes: %v", len(value), err)
		}
	}
}

// What Kahuna derives and what the door for agents verifies is the same thing.
func TestProofsFitTheDoor(t *testing.T) {
	salt := []byte("sixteen bytes ok")
	ours, theirs := credential.Derive("kwa_key", salt), link.Derive("kwa_key", salt, link.Iterations)
	if string(ours.StoredKey) != string(theirs.StoredKey) || string(ours.ServerKey) != string(theirs.ServerKey) || ours.Iterations != theirs.Iterations {
		t.Errorf("%x and %x", ours.StoredKey, theirs.StoredKey)
	}
	if credential.SaltSize != link.SaltSize {
		t.Error("salts differ in size, so that unknown agents can be told from known ones")
	}
}

func TestAddressesAreCountedByNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:99": "192.0.2.1", "[2001:db8:1:2:3::4]:5": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64",
		"::ffff:192.0.2.1": "192.0.2.1", "[fe80::1%eth0]:1": "fe80::/64", "@": "@", "": "",
	} {
		if got := network(address); got != want {
			t.Errorf("%q counts as %q, want %q", address, got, want)
		}
	}
}
