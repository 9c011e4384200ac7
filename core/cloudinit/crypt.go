package cloudinit

import (
	"bytes"
	"crypto/sha512"
	"strings"
)

// SaltAlphabet holds the characters a salt is drawn from, in the order of crypt(5)'s base 64.
const SaltAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// SaltLength is the most characters of a salt that SHA-crypt uses.
const SaltLength = 16

// cryptRounds is SHA-crypt's number of rounds when none is named in the hash.
const cryptRounds = 5000

// HashPassword is the "$6$" hash of crypt(5) that Linux guests check passwords with: SHA-crypt with
// SHA-512 and 5,000 rounds, by the specification of Ulrich Drepper, "Unix crypt using SHA-256 and
// SHA-512". Only the first 16 characters of the salt count; the caller draws them from SaltAlphabet.
func HashPassword(password, salt string) string {
	if len(salt) > SaltLength {
		salt = salt[:SaltLength]
	}
	key, saltBytes := []byte(password), []byte(salt)
	digest := firstDigest(key, saltBytes)

	// The rounds mix sequences as long as the key and the salt, made of digests of many copies.
	h := sha512.New()
	for range key {
		h.Write(key)
	}
	keySequence := stretch(h.Sum(nil), len(key))
	h.Reset()
	for range 16 + int(digest[0]) {
		h.Write(saltBytes)
	}
	saltSequence := stretch(h.Sum(nil), len(saltBytes))

	for round := range cryptRounds {
		h.Reset()
		if round%2 == 1 {
			h.Write(keySequence)
		} else {
			h.Write(digest)
		}
		if round%3 != 0 {
			h.Write(saltSequence)
		}
		if round%7 != 0 {
			h.Write(keySequence)
		}
		if round%2 == 1 {
			h.Write(digest)
		} else {
			h.Write(keySequence)
		}
		digest = h.Sum(digest[:0])
	}
	return "$6$" + salt + "$" + crypt64(digest)
}

// firstDigest is steps 1 to 12 of the specification.
func firstDigest(key, salt []byte) []byte {
	h := sha512.New()
	h.Write(key)
	h.Write(salt)
	h.Write(key)
	inner := h.Sum(nil)

	h.Reset()
	h.Write(key)
	h.Write(salt)
	h.Write(stretch(inner, len(key)))
	for n := len(key); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(inner)
		} else {
			h.Write(key)
		}
	}
	return h.Sum(nil)
}

// stretch repeats a digest to n bytes.
func stretch(digest []byte, n int) []byte {
	return bytes.Repeat(digest, n/len(digest)+1)[:n]
}

// crypt64 writes a SHA-512 digest in crypt's base 64: three bytes at a time, 21 and 42 places apart
// and rotating, six bits a character, the lowest first; the last byte stands alone.
func crypt64(d []byte) string {
	var b strings.Builder
	emit := func(v uint32, n int) {
		for range n {
			b.WriteByte(SaltAlphabet[v&0x3f])
			v >>= 6
		}
	}
	i, j, k := 0, 21, 42
	for range 21 {
		emit(uint32(d[i])<<16|uint32(d[j])<<8|uint32(d[k]), 4)
		i, j, k = j+1, k+1, i+1
	}
	emit(uint32(d[63]), 2)
	return b.String()
}
