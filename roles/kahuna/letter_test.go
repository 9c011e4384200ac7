package kahuna

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"kowabunga/core/model"
)

// slowPost is a mail server that has taken a letter over some time before it says so.
type slowPost struct {
	took  chan struct{} // an item for each letter
	after time.Duration
}

type slowSession struct{ post *slowPost }

func (p *slowPost) NewSession(*smtp.Conn) (smtp.Session, error) { return slowSession{p}, nil }
func (slowSession) Mail(string, *smtp.MailOptions) error        { return nil }
func (slowSession) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (slowSession) Reset()                                      {}
func (slowSession) Logout() error                               { return nil }
func (s slowSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.post.took <- struct{}{}
	timer := time.NewTimer(s.post.after)
	defer timer.Stop()
	<-timer.C
	return nil
}

// A letter that a mail server takes over while Kahuna stops is not sent again after the next start.
func TestStoppingWhileALetterIsHandedOver(t *testing.T) {
	post := &slowPost{took: make(chan struct{}, 10), after: 300 * time.Millisecond}
	server := smtp.NewServer(post)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	dir := t.TempDir()
	target := func(c *Config) { c.Mail, c.URL = "smtp://"+l.Addr().String(), "http://cloud.example.org" }
	r := start(t, dir, target)
	if status := r.ask("POST", "/api/v1/user", `{"name":"eve","email":"eve@example.org","role":"user"}`, nil); status != 201 {
		t.Fatal(status)
	}
	<-post.took
	r.stop()
	r = start(t, dir, target)
	if n := r.s.store.View().Len(model.KindLetter); n != 0 {
		t.Errorf("%d letters wait though the mail server has all", n)
	}
}
