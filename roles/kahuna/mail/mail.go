// Package mail delivers the few letters Kahuna writes. In this release they become files: one .eml per
// letter in a directory, for a person or a mail system to pick up.
//
// Letters may hold keys, which exist nowhere else; files are readable by their owner alone and appear
// under their name only when they are complete.
package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kowabunga/core/fault"
)

// Letter is a plain-text mail to one person.
type Letter struct {
	To      mail.Address
	Subject string
	Text    string // UTF-8, lines end with "\n"
}

// Sender delivers letters. A nil error means the letter will not be lost.
type Sender interface {
	Send(ctx context.Context, l Letter) error
}

// Open makes the sender for a delivery target: "file:DIR" writes files into DIR, which is made if it
// does not exist; the empty target means no mail and gives a nil Sender. from is the address letters
// come from.
func Open(target, from string, now func() time.Time) (Sender, error) {
	const op = "set up mail"
	sender, err := mail.ParseAddress(from)
	if err != nil && target != "" {
		return nil, &fault.Error{Code: fault.Invalid, Op: op, Message: "the sender's address is not a mail address", Err: err}
	}
	scheme, rest, _ := strings.Cut(target, ":")
	switch {
	case target == "":
		return nil, nil
	case scheme == "smtp" || scheme == "smtps":
		return nil, &fault.Error{Code: fault.Invalid, Op: op, Message: "delivery by SMTP is not part of this release; use file:DIR"}
	case scheme != "file" || rest == "":
		return nil, &fault.Error{Code: fault.Invalid, Op: op, Message: "a mail target reads file:DIR"}
	}
	if err := os.MkdirAll(rest, 0o700); err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: op, Message: "the directory for mail cannot be made", Err: err}
	}
	return &files{dir: rest, from: *sender, now: now}, nil
}

type files struct {
	dir  string
	from mail.Address
	now  func() time.Time
}

var _ Sender = (*files)(nil)

// Send writes one file, named by time and chance, and returns once it and its directory are on disk.
func (f *files) Send(_ context.Context, l Letter) error {
	const op = "write a mail"
	var chance [8]byte
	rand.Read(chance[:])
	at := f.now().UTC()
	name := at.Format("20060102T150405.000Z-") + hex.EncodeToString(chance[:]) + ".eml"
	data, err := l.encode(f.from, at, hex.EncodeToString(chance[:]))
	if err != nil {
		return err
	}
	if err := place(f.dir, name, data); err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: "the mail directory cannot be written to", Err: err}
	}
	return nil
}

// place writes a file aside and renames it, with everything synced on the way.
func place(dir, name string, data []byte) (err error) {
	aside, err := os.CreateTemp(dir, ".writing-") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		aside.Close()
		if err != nil {
			os.Remove(aside.Name())
		}
	}()
	if _, err = aside.Write(data); err != nil {
		return err
	}
	if err = aside.Sync(); err != nil {
		return err
	}
	if err = os.Rename(aside.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// encode writes the letter in the form of RFC 5322. Header values are encoded by net/mail and mime, so
// that no line end in a name or subject begins another header.
func (l Letter) encode(from mail.Address, at time.Time, id string) ([]byte, error) {
	if l.To.Address == "" || strings.ContainsAny(l.To.Address+l.To.Name+l.Subject, "\r\n\x00") {
		return nil, fault.New(fault.Invalid, "a mail needs an address, and a name and subject of one line")
	}
	_, host, _ := strings.Cut(from.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", from.String()},
		{"To", l.To.String()},
		{"Date", at.Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"Message-ID", "<" + id + "@" + host + ">"},
		{"Subject", mime.QEncoding.Encode("utf-8", l.Subject)},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 section 5
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(strings.ReplaceAll(l.Text, "\n", "\r\n"))); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "encode a mail")
	}
	if err := w.Close(); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "encode a mail")
	}
	return b.Bytes(), nil
}
