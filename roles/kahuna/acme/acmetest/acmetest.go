// Package acmetest is a real ACME authority, pebble, on loopback, for tests.
package acmetest

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Authority is the authority. It finds every name at 127.0.0.1.
type Authority struct {
	Directory string         // URL
	RootFile  string         // PEM, to trust for the directory
	Roots     *x509.CertPool // to trust for the certificates it makes
	Stop      func()

	begin func(http, https int)
	began chan struct{}
	inner http.Handler
}

// New starts an authority whose certificates live as long as given. It holds callers back until Serve.
func New(t *testing.T, life time.Duration) *Authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1") // it would wait for seconds before it looks
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resolver := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(resolve)}
	go func() { _ = resolver.ActivateAndServe() }()
	t.Cleanup(func() { _ = packets.Close() })

	a := &Authority{began: make(chan struct{}), Roots: x509.NewCertPool(), RootFile: filepath.Join(t.TempDir(), "roots.pem")}
	out, memory := log.New(io.Discard, "", 0), db.NewMemoryStore()
	issuer := ca.New(out, memory, "", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(life / time.Second)}})
	a.Roots.AddCert(issuer.GetRootCert(0).Cert)
	a.begin = func(http, https int) {
		front := wfe.New(out, memory, va.New(out, http, https, true, packets.LocalAddr().String(), memory), issuer, true, false, 1, 1)
		a.inner = front.Handler()
		close(a.began)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-a.began:
			a.inner.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	server.Config.ErrorLog = out
	a.Stop, a.Directory = server.Close, server.URL+wfe.DirectoryPath
	t.Cleanup(server.Close)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(a.RootFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// Serve lets callers in, now that it is known where challenges are answered.
func (a *Authority) Serve(http, https net.Addr) {
	a.begin(http.(*net.TCPAddr).Port, https.(*net.TCPAddr).Port)
}

func resolve(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	if q.Question[0].Qtype == dns.TypeA {
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)}}
	}
	_ = w.WriteMsg(m)
}
