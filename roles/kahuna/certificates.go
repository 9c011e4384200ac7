package kahuna

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"os"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/acme"
	"kowabunga/roles/kahuna/localca"
)

// certificates gives the server's certificate, read anew on reload.
type certificates struct {
	cfg  *Config
	ca   *localca.Authority
	acme *acme.Authority // set before the first handshake

	mu    sync.Mutex
	given *tls.Certificate
}

func newCertificates(cfg *Config) (*certificates, error) {
	c := &certificates{cfg: cfg}
	if cfg.TLSCert != "" {
		return c, c.reload()
	}
	if cfg.ACME.Name != "" {
		return c, nil
	}
	ca, err := localca.Open(cfg.tls(), cfg.names(), time.Now)
	c.ca = ca
	return c, err
}

// own is the authority that this Kahuna made itself, nil where it has none.
func (c *certificates) own() (*x509.Certificate, error) {
	if c == nil || c.ca == nil {
		return nil, nil
	}
	cert, err := x509.ParseCertificate(c.ca.DER())
	return cert, fault.Wrap(err, fault.Internal, "read the local CA")
}

// names are what the local CA's certificate is for.
func (c *Config) names() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	for _, address := range []string{c.Listen, hostOf(c.URL)} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		if host != "" && host != "::" && host != "0.0.0.0" {
			names = append(names, host)
		}
	}
	return names
}

func (c *certificates) reload() error {
	if c == nil || c.cfg.TLSCert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cfg.TLSCert, c.cfg.TLSKey)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "read the certificate "+c.cfg.TLSCert)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given = &pair
	return nil
}

func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.acme != nil {
		return c.acme.GetCertificate(hello)
	}
	if c.ca != nil {
		return c.ca.GetCertificate(hello)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.given, nil
}

// leaf is the certificate in use, nil where there is none (yet).
func (c *certificates) leaf() *x509.Certificate {
	if c == nil {
		return nil
	}
	if c.acme != nil {
		return c.acme.Leaf()
	}
	if pair, err := c.get(nil); err == nil && pair != nil {
		return pair.Leaf
	}
	return nil
}

// authority is the certificate that clients of this server have to trust besides the public ones, DER in
// base 64; empty where a certificate was given.
func (c *certificates) authority() string {
	if c == nil || c.ca == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(c.ca.DER())
}

// certify begins to look after the public name's certificate. A restored copy shows the one it has.
func (s *Server) certify(ctx context.Context) {
	if s.tls == nil || s.tls.acme == nil {
		return
	}
	begin := s.tls.acme.Manage
	if s.drill {
		begin = s.tls.acme.Load
	}
	if err := begin(ctx); err != nil {
		s.log.Error("there is no certificate", "name", s.cfg.ACME.Name, "error", err)
	}
}

// close ends what certify began.
func (c *certificates) close() {
	if c != nil && c.acme != nil {
		c.acme.Close()
	}
}
