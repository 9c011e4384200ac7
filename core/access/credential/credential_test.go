package credential_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/access/credential"
	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

func draw(n byte) *model.Draw { return model.NewDraw([32]byte{n}, time.Unix(1_700_000_000, 0)) }

func TestKeysAreFoundByTheirPrefix(t *testing.T) {
	key, prefix := credential.NewKey(draw(1))
	if len(key) != credential.KeyLength || !strings.HasPrefix(key, "kw_"+prefix+"_") || credential.Prefix(key) != prefix {
		t.Errorf("key %q of prefix %q", key, prefix)
	}
	other, _ := credential.NewKey(draw(2))
	if other == key {
		t.Error("two draws gave the same key")
	}
	if agent := credential.NewAgentKey(draw(1)); credential.Prefix(agent) != "" {
		t.Errorf("the agent's key %q passes for an API key", agent)
	}
}

// Text that is no key has no prefix, whatever it is.
func TestPrefixTakesAnyText(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`kw_.{0,60}`)).Draw(t, "text")
		if p := credential.Prefix(text); p != "" && !strings.HasPrefix(text, "kw_"+p+"_") {
			t.Fatalf("prefix %q of %q", p, text)
		}
	})
}

func TestSumIsSHA256(t *testing.T) {
	for _, n := range []int{0, 1, 46, 128, 129, 5000} {
		text := strings.Repeat("x", n)
		if credential.Sum(text) != sha256.Sum256([]byte(text)) {
			t.Errorf("%d bytes", n)
		}
	}
}

// The exchange printed in RFC 7677 section 3.
func TestProofsAgreeWithTheRFC(t *testing.T) {
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sign := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	const message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" + nonce
	p := credential.Derive("pencil", decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
	if got := sign(p.ServerKey, message); !bytes.Equal(got, decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")) {
		t.Errorf("server signature %x", got)
	}
	client := decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	for i, b := range sign(p.StoredKey, message) {
		client[i] ^= b
	}
	if sum := sha256.Sum256(client); !bytes.Equal(sum[:], p.StoredKey) {
		t.Error("the client's proof does not fit the stored key")
	}
}

func TestProofsSurviveTheStore(t *testing.T) {
	var token model.Token
	if _, ok := credential.ProofOf(&token); ok {
		t.Error("an empty token has a proof")
	}
	p := credential.NewProof(draw(3), "key")
	p.Keep(&token)
	q, ok := credential.ProofOf(&token)
	if !ok || !bytes.Equal(p.StoredKey, q.StoredKey) || !bytes.Equal(p.ServerKey, q.ServerKey) || !bytes.Equal(p.Salt, q.Salt) || q.Iterations != agentproto.MinIterations {
		t.Errorf("%+v came back as %+v", p, q)
	}
	if again := credential.Derive("key", q.Salt); !bytes.Equal(again.StoredKey, p.StoredKey) {
		t.Error("the key does not fit its own proof")
	}
}

// A key is valid through its last day, UTC, and not a moment longer.
func TestB25KeysAreValidThroughTheirLastDay(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	token := &model.Token{Expire: true, Expiration: "2028-02-29"}
	for when, ended := range map[string]bool{
		"2028-02-29T00:00:00Z": false, "2028-02-29T23:59:59Z": false, "2028-03-01T00:00:00Z": true,
		"2028-03-01T00:30:00+01:00": false, "2028-02-29T23:30:00-01:00": true,
	} {
		if got := credential.Ended(token, at(when)); got != ended {
			t.Errorf("at %s: ended %v", when, got)
		}
	}
	if credential.Ended(&model.Token{Expiration: "2000-01-01"}, at("2028-02-29T00:00:00Z")) {
		t.Error("a key that does not end has ended")
	}
	if !credential.Ended(&model.Token{Expire: true, Expiration: "soon"}, at("2028-02-29T00:00:00Z")) {
		t.Error("a key that ends at no date is valid")
	}
}
