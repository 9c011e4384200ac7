package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"kowabunga/core/fault"
)

// post is an SMTP server of the test's own.
type post struct {
	sync.Mutex
	refuse   map[string]*smtp.SMTPError // by recipient
	password string                     // asked for when it is set
	got      []string
	tls      []bool // whether each came over TLS
}

func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) { return &session{post: p, conn: c}, nil }

type session struct {
	*post
	conn  *smtp.Conn
	known bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "kw" || password != s.password {
			return errors.New("wrong")
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.password != "" && !s.known {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.refuse[to]; err != nil {
		return err
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	_, encrypted := s.conn.TLSConnectionState()
	s.Lock()
	defer s.Unlock()
	s.got, s.tls = append(s.got, string(raw)), append(s.tls, encrypted)
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// serve starts the server on loopback; certify gives it a certificate that this process trusts.
func (p *post) serve(t *testing.T, implicit bool, certificate *tls.Certificate) (port string) {
	t.Helper()
	s := smtp.NewServer(p)
	s.Domain, s.AllowInsecureAuth = "localhost", certificate == nil
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if certificate != nil {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	if implicit {
		l = tls.NewListener(l, s.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return port
}

func send(t *testing.T, target, to string, password string) error {
	t.Helper()
	var read func() (string, error)
	if password != "" {
		read = func() (string, error) { return password, nil }
	}
	s, err := Open(Target{URL: target, From: "Kowabunga <cloud@example.org>", Password: read})
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), Message{ID: "6b004e3b21c7205b99a74b3f", At: noon, To: netmail.Address{Address: to}, Subject: "Hello", Text: "t\n.\nend\n", HTML: "<p>t</p>\n"})
}

func TestLettersGoThroughARelay(t *testing.T) {
	p := &post{refuse: map[string]*smtp.SMTPError{"later@x.org": {Code: 451, Message: "greylisted"}, "never@x.org": {Code: 550, Message: "no such user"}, "closing@x.org": {Code: 421, Message: "closing"}}}
	port := p.serve(t, false, nil)
	target := "smtp://127.0.0.1:" + port
	if err := send(t, target, "eve@x.org", ""); err != nil {
		t.Fatal(err)
	}
	if len(p.got) != 1 || p.tls[0] {
		t.Fatalf("%v", p.got)
	}
	header, text, _ := parts(t, []byte(p.got[0]))
	if header.Get("Message-ID") != "<6b004e3b21c7205b99a74b3f@example.org>" || text != "t\n.\nend\n" {
		t.Errorf("%v %q", header, text)
	}
	for to, want := range map[string]fault.Code{"later@x.org": fault.Conflict, "never@x.org": fault.Invalid, "closing@x.org": fault.Unavailable} {
		if err := send(t, target, to, ""); !fault.Is(err, want) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if err := send(t, "smtp://127.0.0.1:1", "eve@x.org", ""); !fault.Is(err, fault.Unavailable) {
		t.Errorf("nobody there: %v", err)
	}
	if len(p.got) != 1 {
		t.Errorf("%d arrived", len(p.got))
	}
}

// Without TLS nothing is said that others should not hear: neither the letter nor the password.
func TestARelayWithoutTLSGetsNothing(t *testing.T) {
	p := &post{password: "s3cret"}
	port := p.serve(t, false, nil)
	for _, target := range []string{"smtp://kw@127.0.0.1:" + port + "?tls=starttls", "smtps://kw@127.0.0.1:" + port} {
		if err := send(t, target, "eve@x.org", "s3cret"); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", target, err)
		}
	}
	open := &post{}
	if err := send(t, "smtp://127.0.0.1:"+open.serve(t, false, nil)+"?tls=starttls", "eve@x.org", ""); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a relay that asks for no password: %v", err)
	}
	if len(p.got)+len(open.got) != 0 {
		t.Error("a letter arrived")
	}
}

func TestARelayIsSpokenToOverTLS(t *testing.T) {
	certificate := certify(t)
	for _, implicit := range []bool{false, true} {
		p := &post{password: "s3cret"}
		port := p.serve(t, implicit, certificate)
		target := "smtp://kw@127.0.0.1:" + port + "?tls=starttls"
		if implicit {
			target = "smtps://kw@127.0.0.1:" + port
		}
		if err := send(t, target, "eve@x.org", "s3cret"); err != nil || len(p.got) != 1 || !p.tls[0] {
			t.Errorf("%s: %v, %v", target, err, p.tls)
		}
		if err := send(t, target, "eve@x.org", "wrong"); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "wrong") && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("with a wrong password: %v", err)
		}
		if err := send(t, strings.Replace(target, "kw@", "", 1), "eve@x.org", ""); err == nil || len(p.got) != 1 {
			t.Errorf("without a user: %v", err)
		}
	}
}

// A certificate that nobody vouches for ends the conversation.
func TestAStrangersCertificateIsRefused(t *testing.T) {
	certify(t) // before any certificate is looked at
	certificate, _ := selfSigned(t)
	p := &post{}
	port := p.serve(t, false, certificate)
	if err := send(t, "smtp://127.0.0.1:"+port+"?tls=starttls", "eve@x.org", ""); !fault.Is(err, fault.Unavailable) || len(p.got) != 0 {
		t.Errorf("%v, %d arrived", err, len(p.got))
	}
}

func selfSigned(t *testing.T) (*tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// trusted is the certificate that this test binary trusts: crypto/x509 reads SSL_CERT_FILE once, before
// the first certificate is verified.
var trusted struct {
	sync.Once
	certificate *tls.Certificate
}

func certify(t *testing.T) *tls.Certificate {
	t.Helper()
	trusted.Do(func() {
		certificate, raw := selfSigned(t)
		file := filepath.Join(os.TempDir(), "kowabunga-mail-test-"+filepath.Base(t.TempDir())+".pem")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(file)
		t.Setenv("SSL_CERT_FILE", file)
		if _, err := x509.SystemCertPool(); err != nil {
			t.Fatal(err)
		}
		trusted.certificate = certificate
	})
	return trusted.certificate
}
