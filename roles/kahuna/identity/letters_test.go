package identity

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/mail"
)

type post struct {
	send func(l mail.Letter) error
}

var _ mail.Sender = (*post)(nil)

func (p *post) Send(_ context.Context, l mail.Letter) error { return p.send(l) }

func TestKeysTravelToTheirOwner(t *testing.T) {
	var sent []mail.Letter
	l := Letters{Mail: &post{func(l mail.Letter) error { sent = append(sent, l); return nil }}, AdminEmail: "ops@example.org", URL: "https://cloud.example.org"}
	u := &model.User{Email: "eve@example.org", Role: model.RoleUser}
	u.Name = "Eve"
	agent := &model.Agent{Type: "Kaktus"}
	agent.ID = "0123456789abcdef01234567"
	for _, err := range []error{
		l.Welcome(t.Context(), u),
		l.Issued(t.Context(), u, &model.Token{Expire: true, Expiration: "2030-01-31"}, "kw_user"),
		l.Issued(t.Context(), agent, &model.Token{}, "kwa_agent"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []struct{ to, says string }{
		{"eve@example.org", "administrator"}, {"eve@example.org", "kw_user"}, {"ops@example.org", "kwa_agent"},
	} {
		if sent[i].To.Address != want.to || !strings.Contains(sent[i].Text, want.says) || !strings.Contains(sent[i].Text, l.URL) {
			t.Errorf("letter %d: %+v", i, sent[i])
		}
	}
	if !strings.Contains(sent[1].Text, "2030-01-31") || !strings.Contains(sent[2].Text, string(agent.ID)) {
		t.Error("the last day or the agent's id is missing")
	}
	l.Mail = &post{func(mail.Letter) error { return errors.New("disk full") }}
	if err := l.Issued(t.Context(), u, &model.Token{}, "kw_user"); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "kw_user") {
		t.Errorf("a mail that cannot be sent: %v", err)
	}
}

func TestAKeyNobodySawIsReportedWithoutTheKey(t *testing.T) {
	var logs bytes.Buffer
	l := Letters{Log: slog.New(slog.NewTextHandler(&logs, nil))}
	u := &model.User{}
	u.ID = "0123456789abcdef01234567"
	if err := l.Issued(t.Context(), u, &model.Token{}, "kw_user"); err != nil {
		t.Fatal(err)
	}
	if s := logs.String(); !strings.Contains(s, string(u.ID)) || strings.Contains(s, "kw_user") {
		t.Errorf("logged: %s", s)
	}
}
