package link

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/xdg-go/scram"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Credential is what Kahuna keeps of an agent's key: enough to verify a proof, useless to make one
// (RFC 5802 section 3). Salt is SaltSize bytes, StoredKey and ServerKey are 32.
type Credential struct {
	Kind       agentproto.Kind
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
	Expires    time.Time // zero: never
	TokenID    string    // changes when the key is replaced
}

// Credentials finds the credential of an agent by its id. It must be quick and safe for concurrent use.
type Credentials interface {
	Lookup(agent string) (Credential, bool)
}

// Iterations is the number of PBKDF2 rounds for agents' keys. It is the least that RFC 7677 allows:
// rounds make guessing a password slow, and these keys are random with at least 128 bits, which no
// number of guesses reaches.
const Iterations = agentproto.MinIterations

// SaltSize is the length of a salt in bytes. All credentials have this length, the pretended ones of
// unknown agents too.
const SaltSize = 16

// NewSalt draws the salt for a new key.
func NewSalt() []byte {
	salt := make([]byte, SaltSize)
	rand.Read(salt)
	return salt
}

// Derive computes the credential of a key. Iterations below 4096 are raised to it.
func Derive(key string, salt []byte, iterations int) Credential {
	iterations = max(iterations, agentproto.MinIterations)
	client, err := scram.SHA256.NewClientUnprepped("", key, "")
	if err != nil {
		panic("scram client without preparation failed: " + err.Error()) // it has no way to
	}
	stored := client.GetStoredCredentials(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	return Credential{Salt: salt, Iterations: iterations, StoredKey: stored.StoredKey, ServerKey: stored.ServerKey}
}

// Expired reports whether the credential may not be used any more at that time.
func (c Credential) Expired(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

// Same reports whether two credentials verify the same key.
func (c Credential) Same(o Credential) bool {
	return c.TokenID == o.TokenID && hmac.Equal(c.StoredKey, o.StoredKey)
}

// errProof is the one refusal of whoever does not prove to be the agent it says it is.
func errProof() *fault.Error {
	return fault.New(fault.Unauthenticated, "agent id, kind or key is not valid (revoked, expired or mistyped); give the agent a new key")
}

// pretend is the credential shown for an agent that may not come in. Its salt depends on the id alone,
// as a real one does, so that asking twice, or under another kind, tells nothing; nobody has its key.
func pretend(secret []byte, agent string, salt []byte) Credential {
	draw := func(what string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(what + "\x00" + agent))
		return mac.Sum(nil)
	}
	if salt == nil {
		salt = draw("salt")[:SaltSize]
	}
	return Credential{Salt: salt, Iterations: Iterations, StoredKey: draw("stored"), ServerKey: draw("server")}
}
