package kahuna

import (
	"net"
	"path/filepath"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/acme"
)

// ACME says how to get the certificate of a public name.
type ACME struct {
	Name      string
	Directory string
	Email     string
	Agree     bool
	Roots     string
}

// checkACME refuses a public name that no authority would take, and what contradicts it.
func (c *Config) checkACME() error {
	switch a := c.ACME; {
	case a.Name == "" && (a.Email != "" || a.Agree || a.Roots != ""):
		return fault.Bad("acme.name", "is missing: the other acme keys say how to get its certificate")
	case a.Name == "":
		return nil
	case !publicName(a.Name):
		return fault.Bad("acme.name", "%q is no DNS name with a dot in it, such as cloud.example.net", a.Name)
	case c.PlainHTTP:
		return fault.Bad("acme.name", "contradicts plain-http; a proxy that does TLS gets its own certificate")
	case c.TLSCert != "":
		return fault.Bad("acme.name", "contradicts tls-cert; remove one of them")
	case !a.Agree:
		return fault.Bad("acme.agree", "the authority gives no certificate to those who do not agree to its terms of service; read them and set this to true")
	}
	return nil
}

// publicName tells whether a text is a name of the DNS with at least two labels (RFC 1123 section 2.1).
func publicName(name string) bool {
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > 253 || net.ParseIP(name) != nil {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(strings.ToLower(l), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// listenHTTP opens the socket of plain HTTP, where there is a public name.
func (s *Server) listenHTTP() (net.Listener, error) {
	if s.cfg.ACME.Name == "" || s.cfg.HTTPListen == "" {
		return nil, nil
	}
	return net.Listen("tcp", s.cfg.HTTPListen)
}

// authority prepares the public name's certificate, once the addresses are known at which the authority's
// challenges are answered. plain may be nil.
func (s *Server) authority(plain, secure net.Listener) (*acme.Authority, error) {
	a := s.cfg.ACME
	c := acme.Config{Name: strings.ToLower(a.Name), Directory: a.Directory, Email: a.Email, Agreed: a.Agree, Roots: a.Roots,
		Dir: filepath.Join(s.cfg.tls(), "acme"), HTTPS: secure.Addr(), Log: s.log.With("part", "acme")}
	if plain != nil {
		c.HTTP = plain.Addr()
	}
	return acme.New(c)
}
