// Package mail delivers the letters that were committed to the store: as files, one .eml each, or by SMTP
// through the relay that the installation names. It looks up no mail exchangers; that is the relay's
// business.
//
// Nobody who makes a request waits for mail. Letters come into the store with the change they tell of, an
// outbox takes them from there one by one, and they leave the store once the target has taken them over.
// A letter may arrive twice when Kahuna dies between the two, with the same Message-ID; it is never lost.
//
// Letters may hold keys, which exist nowhere else: they are sealed in the store, files are readable by
// their owner alone and appear under their name only when they are complete, and SMTP speaks TLS.
package mail

import (
	"bytes"
	"context"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"kowabunga/core/fault"
)

// Message is a letter as it is sent. The same message always makes the same bytes.
type Message struct {
	ID      string // stable over repeats: local part of the Message-ID
	At      time.Time
	To      mail.Address
	Subject string
	Text    string // UTF-8, lines end with "\n"
	HTML    string // the same, may be empty
}

// Sender hands messages over. A nil error means the message will not be lost. Faults: Unavailable when
// the target does not answer or takes nothing now, so that another message has no better chance; Conflict
// when it does not take this one now; Invalid when it never will.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Target says where mail goes.
type Target struct {
	URL      string                 // "file:DIR", "smtp://[USER@]HOST[:PORT]", "smtps://...", empty for nowhere
	From     string                 // address letters come from
	Password func() (string, error) // of USER; may be nil without one
}

// Open makes the sender for a target, nil for none. DIR is made if it does not exist; nothing is sent.
// Faults: Invalid for a target that cannot be; Unavailable for a directory that cannot be made.
func Open(t Target) (Sender, error) {
	const op = "set up mail"
	bad := func(message string, err error) error {
		return &fault.Error{Code: fault.Invalid, Op: op, Message: message, Err: err}
	}
	if t.URL == "" {
		return nil, nil
	}
	from, err := mail.ParseAddress(t.From)
	if err != nil {
		return nil, bad("the sender's address is not a mail address", err)
	}
	if dir, ok := strings.CutPrefix(t.URL, "file:"); ok && dir != "" {
		return openFiles(dir, *from)
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, bad("a mail target reads file:DIR, smtp://[USER@]HOST[:PORT] or smtps://[USER@]HOST[:PORT]", nil)
	}
	r, err := relayOf(u)
	if err != nil {
		return nil, bad(err.Error(), nil)
	}
	r.from, r.password = *from, t.Password
	if r.user != "" {
		if t.Password == nil {
			return nil, bad("user "+r.user+" of the mail relay needs a password; name its file with mail-password-file", nil)
		}
		if _, err := t.Password(); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, op)
		}
	}
	return r, nil
}

// compose makes the form of RFC 5322, with the HTML part as an alternative.
func compose(from mail.Address, m Message) (*gomail.Msg, error) {
	if m.To.Address == "" || strings.ContainsAny(m.To.Address+m.To.Name+m.Subject, "\r\n\x00") {
		return nil, fault.New(fault.Invalid, "a letter needs an address, and a name and subject of one line")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("letter-"+m.ID))
	if err := msg.From(from.String()); err != nil {
		return nil, fault.New(fault.Invalid, "the sender's address is not a mail address")
	}
	if _, err := mail.ParseAddress(m.To.String()); err != nil {
		return nil, fault.New(fault.Invalid, "the receiver's address is not a mail address")
	}
	msg.AddToMailAddress(&m.To)
	_, host, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + host)
	msg.SetDateWithValue(m.At.UTC())
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

func encode(from mail.Address, m Message) ([]byte, error) {
	msg, err := compose(from, m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "encode a letter")
	}
	return b.Bytes(), nil
}
