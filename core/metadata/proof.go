package metadata

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/netip"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Path is where the document is served.
const Path = "/latest/meta-data"

// The headers a machine says who it is with. The first two are those of the earlier releases, which took
// them for granted; the third proves them.
const (
	HeaderSourceIP = "X-Kowabunga-Source-Ip"
	HeaderInstance = "X-Kowabunga-Instance-Id"
	HeaderSecret   = "X-Kowabunga-Secret"
)

// SecretLength is the number of letters of a machine's secret, each worth 5.8 bits (model.Draw.Token).
const SecretLength = 32

// Service is how guests reach the document.
type Service struct {
	URL string // of the document
	CA  string // DER of the authority to trust besides the public ones, base 64; empty for none
}

// Hash is the form in which a secret is stored: the SHA-256 of more than 128 bits of chance, from which
// nobody finds them again.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Claim is what a caller says of itself.
type Claim struct {
	SourceIP, Instance, Secret string
}

// Prove finds the machine a claim is true of. Every fault is Unauthenticated, and says the same whether
// there is no such machine, the secret is wrong or the address is another's. A machine from before there
// were secrets is told so, by its address and id together.
func Prove(v model.View, c Claim) (*model.Instance, error) {
	refused := fault.New(fault.Unauthenticated, "%s, %s and %s are not those of one machine", HeaderSourceIP, HeaderInstance, HeaderSecret)
	o, ok := model.Find[*model.Instance](v, model.ID(c.Instance))
	if !ok {
		return nil, refused
	}
	address, err := netip.ParseAddr(c.SourceIP)
	if err != nil || !has(v, o, address.Unmap()) {
		return nil, refused
	}
	if o.SecretHash == "" {
		return nil, fault.New(fault.Unauthenticated, "instance %s was made before machines had secrets; its project's administrator gives it one with: kowabunga instance reseed %s, then a restart", o.ID, o.ID)
	}
	if subtle.ConstantTimeCompare([]byte(Hash(c.Secret)), []byte(o.SecretHash)) != 1 {
		return nil, refused
	}
	return o, nil
}

func has(v model.View, o *model.Instance, address netip.Addr) bool {
	for _, id := range o.Adapters {
		a, ok := model.Find[*model.Adapter](v, id)
		if !ok {
			continue
		}
		for _, text := range a.Addresses {
			if own, err := netip.ParseAddr(text); err == nil && own == address {
				return true
			}
		}
	}
	return false
}
