package mail

import (
	"context"
	"errors"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"kowabunga/core/fault"
)

// relay is the mail server that takes letters over (RFC 6409). One connection is made for each letter:
// there are few.
type relay struct {
	host     string
	port     int
	user     string
	password func() (string, error) // read at each connection, so that it can be changed
	tls      tlsMode
	from     mail.Address
}

type tlsMode string

// The ways to speak TLS. On loopback nobody listens in, and relays there rarely have a certificate for
// that name.
const (
	tlsFirst    tlsMode = "smtps"    // before anything else (RFC 8314 section 3.3)
	tlsUpgrade  tlsMode = "starttls" // by STARTTLS or not at all
	tlsNone     tlsMode = "none"
	sendTimeout         = time.Minute
)

var _ Sender = (*relay)(nil)

// relayOf reads a target; its errors are for people and hold no secret.
func relayOf(u *url.URL) (*relay, error) {
	if _, given := u.User.Password(); given {
		return nil, errors.New("the mail target must not hold a password; put it into a file and name that with mail-password-file")
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Fragment != "" || u.Opaque != "" {
		return nil, errors.New("the mail target names no host; it reads smtp://[USER@]HOST[:PORT]")
	}
	r := &relay{host: u.Hostname(), user: u.User.Username(), tls: tlsUpgrade, port: 587}
	ip := net.ParseIP(r.host)
	switch loopback := r.host == "localhost" || ip != nil && ip.IsLoopback(); {
	case u.Scheme == "smtps":
		r.tls, r.port = tlsFirst, 465
	case loopback:
		r.tls, r.port = tlsNone, 25
	}
	if text := u.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, errors.New("the mail target's port is no number from 1 to 65535")
		}
		r.port = int(port)
	}
	for name, values := range u.Query() {
		switch {
		case name != "tls" || len(values) != 1:
			return nil, errors.New("a mail target knows one parameter, tls")
		case u.Scheme == "smtps":
			return nil, errors.New("smtps is TLS from the beginning; drop the parameter tls")
		case values[0] == string(tlsNone), values[0] == string(tlsUpgrade):
			r.tls = tlsMode(values[0])
		default:
			return nil, errors.New("tls is none or starttls")
		}
	}
	return r, nil
}

func (r *relay) client() (*gomail.Client, error) {
	options := []gomail.Option{gomail.WithPort(r.port), gomail.WithTimeout(sendTimeout), gomail.WithoutNoop()}
	switch r.tls {
	case tlsFirst:
		options = append(options, gomail.WithSSL())
	case tlsUpgrade:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case tlsNone:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if r.user != "" {
		password, err := r.password()
		if err != nil {
			return nil, err
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(r.user), gomail.WithPassword(password))
	}
	return gomail.NewClient(r.host, options...)
}

// Send hands a letter over to the relay.
func (r *relay) Send(ctx context.Context, m Message) error {
	const op = "hand a letter to the mail relay"
	msg, err := compose(r.from, m)
	if err != nil {
		return err
	}
	down := func(err error) error {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: "the mail relay does not take letters now", Err: err}
	}
	c, err := r.client()
	if err != nil {
		return down(err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := c.DialWithContext(ctx); err != nil {
		return down(err)
	}
	err = c.Send(msg)
	_ = c.Close() // whatever it says now, the letter was taken over or not
	if err == nil || msg.IsDelivered() {
		return nil
	}
	var failed *gomail.SendError
	switch {
	case !errors.As(err, &failed) || failed.ErrorCode() < 400 || failed.ErrorCode() == 421: // closing (RFC 5321 section 4.2.3)
		return down(err)
	case failed.ErrorCode() < 500:
		return &fault.Error{Code: fault.Conflict, Op: op, Message: "the mail relay does not take this letter now", Err: err}
	}
	return &fault.Error{Code: fault.Invalid, Op: op, Message: "the mail relay refuses this letter", Err: err}
}
