// Package localca makes the certificates of an installation that has none: a CA of its own, kept in a
// directory, and a server certificate that is renewed before it ends.
package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store/durable"
)

// How long certificates are valid. 397 days is what browsers take at most (CA/Browser Forum Baseline
// Requirements, section 6.3.2, before 2026).
const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 397 * 24 * time.Hour
	renewAhead = 30 * 24 * time.Hour
)

// Authority is a local CA with the server certificate it made.
type Authority struct {
	dir   string
	names []string
	now   func() time.Time
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey

	mu     sync.Mutex
	server *tls.Certificate
}

// CertFile is the name of the CA's certificate below its directory; clients trust that file.
const CertFile = "ca.pem"

// KeyFile is the name of the file of its private key there.
const KeyFile = "ca.key"

// Open reads the CA in dir, or makes one there. names are the DNS names and addresses the server is
// reached under.
func Open(dir string, names []string, now func() time.Time) (*Authority, error) {
	a := &Authority{dir: dir, names: names, now: now}
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open the local CA")
	}
	err := a.read()
	if errors.Is(err, os.ErrNotExist) {
		err = a.create()
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open the local CA in "+dir)
	}
	return a, nil
}

// DER is the CA's certificate.
func (a *Authority) DER() []byte { return a.cert.Raw }

func (a *Authority) read() error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, CertFile), filepath.Join(a.dir, KeyFile))
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return errors.New("ca.key is not an ECDSA key")
	}
	a.cert, a.key = pair.Leaf, key
	return nil
}

func (a *Authority) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Kowabunga local CA of " + host},
		NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a certificate without its key could never be used again.
	if err := write(filepath.Join(a.dir, KeyFile), "EC PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	if err := write(filepath.Join(a.dir, CertFile), "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return a.read()
}

func write(path, kind string, der []byte, mode os.FileMode) error {
	return durable.Write(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err)
	}
	return n
}

// GetCertificate is for tls.Config: the server certificate, made anew when it is about to end. It lives
// in memory alone; every start makes one.
func (a *Authority) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil && a.now().Before(a.server.Leaf.NotAfter.Add(-renewAhead)) {
		return a.server, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Kahuna"},
		NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range a.names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a.server = &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
	return a.server, nil
}
