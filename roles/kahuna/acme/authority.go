// Package acme gets and renews the server's certificate from a public authority (RFC 8555), and answers
// on port 80: challenges of the authority, and for everything else the way to https.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"

	"kowabunga/core/fault"
)

// LetsEncrypt is the directory of the authority that is asked unless another is named.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Config says for what name and from whom.
type Config struct {
	Name      string // public DNS name of the server
	Directory string // URL of the authority's directory
	Email     string // where the authority writes to; may be empty
	Agreed    bool   // to the authority's terms
	Roots     string // PEM file with the roots to trust for the directory, empty for the system's
	Dir       string // where account and certificates are kept

	// The addresses the server listens on, for the authority's challenges. Without HTTP only the
	// challenge over TLS is offered (RFC 8737), which needs HTTPS to be reached on port 443.
	HTTP, HTTPS net.Addr

	Log *slog.Logger

	// For tests: how often to look whether the certificate is due, how much of its life is the time to
	// renew it in, whether the authority is asked for that time instead (RFC 9773), and what has happened.
	check   time.Duration
	window  float64
	unasked bool
	event   func(name string, data map[string]any)
}

// Authority keeps the certificate of one name. certmagic looks every ten minutes whether it is due: when
// the authority suggests (RFC 9773), or when a third of its life is left. A failure is tried again for
// thirty days, ever more rarely, and the certificate in use stays in use.
type Authority struct {
	cfg    Config
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer
	ended  sync.Once
}

// New makes an authority; nothing is asked for before Manage.
func New(c Config) (*Authority, error) {
	a := &Authority{cfg: c}
	log := bridge(c.Log)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{Logger: log, RenewCheckInterval: c.check,
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil }})
	a.magic = certmagic.New(a.cache, certmagic.Config{Storage: storage(c.Dir), Logger: log, DefaultServerName: c.Name,
		RenewalWindowRatio: c.window, DisableARI: c.unasked, OnEvent: a.happened})
	template := certmagic.ACMEIssuer{CA: c.Directory, Email: c.Email, Agreed: c.Agreed, Logger: log,
		DisableHTTPChallenge: c.HTTP == nil, DisableTLSALPNChallenge: c.HTTPS == nil}
	template.ListenHost, template.AltHTTPPort = place(c.HTTP)
	_, template.AltTLSALPNPort = place(c.HTTPS)
	if c.Roots != "" {
		pem, err := os.ReadFile(c.Roots)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "read the authority's roots")
		}
		template.TrustedRoots = x509.NewCertPool()
		if !template.TrustedRoots.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "%s holds no certificate in PEM", c.Roots)
		}
	}
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

// place is the host and port of an address we listen on, so that the solvers find their place taken.
func place(a net.Addr) (host string, port int) {
	if a == nil {
		return "", 0
	}
	host, text, err := net.SplitHostPort(a.String())
	if err != nil {
		return "", 0
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	port, _ = strconv.Atoi(text)
	return host, port
}

// Manage loads the certificate, or gets one, and keeps it valid until ctx ends. It returns at once; the
// server must answer on its ports by now.
func (a *Authority) Manage(ctx context.Context) error {
	return fault.Wrap(a.magic.ManageAsync(ctx, []string{a.cfg.Name}), fault.Unavailable, "manage the certificate of "+a.cfg.Name)
}

// Load takes the certificate that is there and asks nobody for another.
func (a *Authority) Load(ctx context.Context) error {
	_, err := a.magic.CacheManagedCertificate(ctx, a.cfg.Name)
	return fault.Wrap(err, fault.Unavailable, "load the certificate of "+a.cfg.Name)
}

// Close ends the looking after.
func (a *Authority) Close() { a.ended.Do(a.cache.Stop) }

// GetCertificate is for tls.Config. While there is no certificate yet handshakes fail, except the
// authority's own.
func (a *Authority) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.magic.GetCertificate(hello)
}

// Leaf is the certificate in use, nil while there is none.
func (a *Authority) Leaf() *x509.Certificate {
	var latest *x509.Certificate
	for _, c := range a.cache.AllMatchingCertificates(a.cfg.Name) {
		if c.Leaf != nil && (latest == nil || c.Leaf.NotAfter.After(latest.NotAfter)) {
			latest = c.Leaf
		}
	}
	return latest
}

// Protocol is what the authority's challenge over TLS negotiates (RFC 8737 section 3).
const Protocol = acmez.ACMETLS1Protocol

func (a *Authority) happened(_ context.Context, name string, data map[string]any) error {
	switch name {
	case "cert_obtained":
		a.cfg.Log.Info("certificate obtained", "name", a.cfg.Name, "authority", a.cfg.Directory, "renewal", data["renewal"])
	case "cert_failed":
		a.cfg.Log.Error("no certificate; trying again", "name", a.cfg.Name, "authority", a.cfg.Directory, "renewal", data["renewal"], "error", data["error"])
	}
	if a.cfg.event != nil {
		a.cfg.event(name, data)
	}
	return nil
}
