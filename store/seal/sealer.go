package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Key is the 32 bytes of chance that everything secret in a store hangs on. It is kept beside the data,
// never inside.
type Key [32]byte

// Sealer seals and opens secrets with keys derived from one Key (HKDF-SHA256, RFC 5869, with one info
// string per purpose). It may be used by many goroutines.
type Sealer struct {
	aead  cipher.AEAD
	check []byte
	mac   []byte
}

// New derives the keys.
func New(key Key) *Sealer {
	block, err := aes.NewCipher(derive(key, "kowabunga store: secrets"))
	if err != nil {
		panic(err) // only for wrong key lengths
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for block sizes other than 16
	}
	return &Sealer{aead: aead, check: derive(key, "kowabunga store: key check"), mac: derive(key, "kowabunga store: backup")}
}

func derive(key Key, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, key[:], nil, purpose, 32)
	if err != nil {
		panic(err) // only for lengths beyond 255 hashes
	}
	return out
}

// NewKey draws a key.
func NewKey() (key Key) {
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return key
}

// Check is a value that tells whether two sealers have the same key and nothing else about it.
func (s *Sealer) Check() []byte { return s.check }

// Same compares a Check in constant time.
func (s *Sealer) Same(check []byte) bool { return hmac.Equal(s.check, check) }

// Sum authenticates a digest: HMAC-SHA256.
func (s *Sealer) Sum(digest []byte) []byte {
	m := hmac.New(sha256.New, s.mac)
	m.Write(digest)
	return m.Sum(nil)
}

// place is the associated data of a sealed text: what it belongs to.
func place(kind model.Kind, id model.ID, version uint64, n int) []byte {
	b := append([]byte(kind), '/')
	b = append(append(b, id...), '/')
	b = binary.BigEndian.AppendUint64(b, version)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func (s *Sealer) seal(text string, where []byte) []byte {
	return s.aead.Seal(nil, nil, []byte(text), where)
}

func (s *Sealer) open(sealed, where []byte) (string, error) {
	text, err := s.aead.Open(nil, nil, sealed, where)
	if err != nil {
		return "", fault.New(fault.Internal, "a secret does not open: it was sealed with another key, for another place, or it is damaged")
	}
	return string(text), nil
}
