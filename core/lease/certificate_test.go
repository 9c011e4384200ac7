package lease

import (
	"crypto/ed25519"
	"testing"
)

func TestCertificatesNameTheirKindAndEpochAndSigner(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	other := ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), 1))
	nodes := []Node{{ID: "a", Key: key.Public().(ed25519.PublicKey)}, {ID: "b", Key: other.Public().(ed25519.PublicKey)}, {ID: "c"}}
	c := Certify(Won, Epoch{Counter: 7, Node: "a"}, key)
	if !c.SignedBy(nodes) {
		t.Fatal("the signature of the epoch's own node is refused")
	}
	for what, forged := range map[string]Certificate{
		"another kind":           {Kind: Promised, Epoch: c.Epoch, Sig: c.Sig},
		"a higher epoch":         {Kind: Won, Epoch: Epoch{Counter: 8, Node: "a"}, Sig: c.Sig},
		"the other node's epoch": {Kind: Won, Epoch: Epoch{Counter: 7, Node: "b"}, Sig: c.Sig},
		"another node's key":     Certify(Won, c.Epoch, other),
		"a node without a key":   Certify(Won, Epoch{Counter: 7, Node: "c"}, key),
		"an unknown node":        Certify(Won, Epoch{Counter: 7, Node: "d"}, key),
		"no signature":           {Kind: Won, Epoch: c.Epoch},
	} {
		if forged.SignedBy(nodes) {
			t.Errorf("%s is taken", what)
		}
	}
}
