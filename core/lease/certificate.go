package lease

import (
	"crypto/ed25519"
	"encoding/binary"
)

// Statement is what is signed of a certificate: kind and epoch, under a heading of its own so that the
// signature is good for nothing else.
func (c Certificate) Statement() []byte {
	b := []byte("kowabunga certificate of an epoch\x00")
	for _, s := range []string{string(c.Kind), c.Epoch.Node} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return binary.BigEndian.AppendUint64(b, c.Epoch.Counter)
}

// Certify signs that an epoch is asked for or won, with the key of the epoch's own node.
func Certify(kind CertificateKind, e Epoch, key ed25519.PrivateKey) Certificate {
	c := Certificate{Kind: kind, Epoch: e}
	c.Sig = ed25519.Sign(key, c.Statement())
	return c
}

// SignedBy tells whether one of the nodes signed the certificate: the one whose epoch it is.
func (c Certificate) SignedBy(nodes []Node) bool {
	for _, n := range nodes {
		if string(n.ID) == c.Epoch.Node && len(n.Key) == ed25519.PublicKeySize && ed25519.Verify(n.Key, c.Statement(), c.Sig) {
			return true
		}
	}
	return false
}
