package pair

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
	"kowabunga/store/durable"
)

// NewNodeKey draws the seed of a node's key (Ed25519) as its file holds it.
func NewNodeKey() string {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return hex.EncodeToString(seed)
}

// NodeKey reads a node's key from what its file holds.
func NodeKey(text string) (ed25519.PrivateKey, error) {
	seed, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fault.New(fault.Invalid, "the node's key is not 32 bytes in hexadecimal digits")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// Key is what the file of the pair key holds: the key, and the authority whose certificate the primary
// shows, where that is its own.
type Key struct {
	Secret string
	CA     *x509.Certificate // nil: a public authority
}

// NewKey draws a pair key.
func NewKey(ca *x509.Certificate) Key { return Key{Secret: link.NewPairKey(), CA: ca} }

const (
	keyLabel = "pair-key "
	caLabel  = "ca "
)

// ReadKey reads the file of a pair key, which nobody but its owner may be able to read.
func ReadKey(path string) (Key, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return Key{}, fault.New(fault.Invalid, "%s can be read by others than its owner; chmod 600 %s", path, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fault.Wrap(err, fault.NotFound, "read the pair key")
	}
	k, err := ParseKey(string(raw))
	return k, fault.Wrap(err, fault.Invalid, "read the pair key "+path)
}

// ParseKey reads what such a file holds.
func ParseKey(text string) (Key, error) {
	var k Key
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if secret, ok := strings.CutPrefix(line, keyLabel); ok {
			k.Secret = secret
		}
		if text, ok := strings.CutPrefix(line, caLabel); ok {
			der, err := base64.StdEncoding.DecodeString(text)
			if err == nil {
				k.CA, err = x509.ParseCertificate(der)
			}
			if err != nil {
				return Key{}, fault.New(fault.Invalid, "the certificate authority in the pair key cannot be read; copy the file anew")
			}
		}
	}
	if len(k.Secret) < 26 || strings.ContainsAny(k.Secret, " \t") { // 128 bits in base 32
		return Key{}, fault.New(fault.Invalid, "there is no pair key in it; copy the file from the primary (kowabunga kahuna pair-key)")
	}
	return k, nil
}

// Text is what the file of a pair key holds.
func (k Key) Text() string {
	text := "# Whoever has this file can become the standby of this Kahuna. Keep it secret.\n" + keyLabel + k.Secret + "\n"
	if k.CA != nil {
		text += caLabel + base64.StdEncoding.EncodeToString(k.CA.Raw) + "\n"
	}
	return text
}

// Write puts the key in its file, which its owner alone can read.
func (k Key) Write(path string) error {
	return fault.Wrap(durable.Write(path, []byte(k.Text()), 0o600), fault.Unavailable, "write the pair key")
}

// Roots are the authorities that the other node's certificate is checked against: those of the system,
// the one in the key, and others.
func (k Key) Roots(others ...*x509.Certificate) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, ca := range append(others, k.CA) {
		if ca != nil {
			pool.AddCert(ca)
		}
	}
	return pool
}
