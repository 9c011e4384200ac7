package credential

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
)

// SaltSize is the length of an agent's salt in bytes.
const SaltSize = 16

// agentMark tells agents' keys from API keys, so that a key in the wrong place is seen for what it is.
const agentMark = "kwa_"

// NewAgentKey draws the key of an agent.
func NewAgentKey(d *model.Draw) string { return agentMark + d.Token(secretLetters) }

// Proof is what is kept of an agent's key (RFC 5802 section 3). Salt is SaltSize bytes, the keys are 32.
type Proof struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// NewProof draws a salt and derives the proof of a key.
func NewProof(d *model.Draw, key string) Proof {
	// Hashed, because a salt of letters could be told from the random ones that unknown agents are shown.
	salt := sha256.Sum256([]byte(d.Token(secretLetters)))
	return Derive(key, salt[:SaltSize])
}

// Derive computes the proof of a key. The number of iterations is the least RFC 7677 section 4 allows:
// keys are random, nobody guesses them at any speed.
func Derive(key string, salt []byte) Proof {
	salted, err := pbkdf2.Key(sha256.New, key, salt, agentproto.MinIterations, sha256.Size)
	if err != nil {
		panic("pbkdf2 with constant parameters failed: " + err.Error()) // it refuses lengths only
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	return Proof{Salt: salt, Iterations: agentproto.MinIterations, StoredKey: stored[:], ServerKey: sign(salted, "Server Key")}
}

func sign(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// Keep writes the proof into a token.
func (p Proof) Keep(t *model.Token) {
	text := base64.StdEncoding.EncodeToString
	t.Salt, t.Iterations = model.Secret(text(p.Salt)), p.Iterations
	t.StoredKey, t.ServerKey = model.Secret(text(p.StoredKey)), model.Secret(text(p.ServerKey))
}

// ProofOf reads the proof from a token; not from one that has none.
func ProofOf(t *model.Token) (Proof, bool) {
	p := Proof{Iterations: t.Iterations}
	for _, f := range []struct {
		from model.Secret
		to   *[]byte
		size int
	}{{t.Salt, &p.Salt, SaltSize}, {t.StoredKey, &p.StoredKey, sha256.Size}, {t.ServerKey, &p.ServerKey, sha256.Size}} {
		raw, err := base64.StdEncoding.DecodeString(f.from.Reveal())
		if err != nil || len(raw) != f.size {
			return Proof{}, false
		}
		*f.to = raw
	}
	return p, p.Iterations >= agentproto.MinIterations
}
