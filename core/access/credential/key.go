// Package credential is the shape of keys and of what is kept of them: API keys of users, of which only
// the SHA-256 is stored, and keys of agents, of which only what verifying a SCRAM proof needs is.
//
// Both are drawn at random with more than 160 bits, so that a plain hash is enough: slow hashes are for
// what people think up.
package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"kowabunga/core/model"
)

// An API key reads kw_PREFIX_SECRET. The prefix is public, finds the key and appears in no log all the
// same; the secret has 32 letters of 5.8 bits, 186 bits.
const (
	mark          = "kw_"
	prefixLetters = 10
	secretLetters = 32
	KeyLength     = len(mark) + prefixLetters + 1 + secretLetters
)

// NewKey draws an API key and gives its prefix.
func NewKey(d *model.Draw) (key, prefix string) {
	prefix = d.Token(prefixLetters)
	return mark + prefix + "_" + d.Token(secretLetters), prefix
}

// Prefix is the part of an API key that it is found by; empty for text that cannot be an API key.
func Prefix(key string) string {
	if len(key) != KeyLength || !strings.HasPrefix(key, mark) || key[len(mark)+prefixLetters] != '_' {
		return ""
	}
	return key[len(mark) : len(mark)+prefixLetters]
}

// Sum is the SHA-256 of a key. It does not allocate for keys of any length this package makes.
func Sum(key string) [sha256.Size]byte {
	var buf [128]byte
	if len(key) > len(buf) {
		return sha256.Sum256([]byte(key))
	}
	return sha256.Sum256(buf[:copy(buf[:], key)])
}

// Kept is what is stored of an API key: Sum in hexadecimal.
func Kept(key string) model.Secret {
	sum := Sum(key)
	return model.Secret(hex.EncodeToString(sum[:]))
}

// Ends is the first moment at which a token is not valid any more: the midnight, UTC, after its last
// day. The zero time means never. A token that says it ends but holds no date ended long ago.
func Ends(t *model.Token) time.Time {
	if !t.Expire {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, t.Expiration)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return day.AddDate(0, 0, 1)
}

// Ended tells whether a token is not valid any more.
func Ended(t *model.Token, now time.Time) bool {
	if !t.Expire {
		return false
	}
	return !now.Before(Ends(t))
}
