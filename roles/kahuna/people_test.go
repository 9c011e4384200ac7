package kahuna

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kowabunga/core/model"
	"kowabunga/store"
)

// inbox is a directory that Kahuna writes its letters into.
type inbox struct {
	r   *running
	dir string
}

// received is a letter as it arrived: its subject, its text and its Message-ID.
type received struct{ To, Subject, Text, ID string }

func readLetter(t *testing.T, raw []byte) received {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 1 {
		t.Fatalf("%v %v", to, err)
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	return received{to[0].Address, subject, strings.ReplaceAll(string(text), "\r\n", "\n"), m.Header.Get("Message-ID")}
}

// letters are those that arrived so far, oldest first.
func (b inbox) letters() []received {
	b.r.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "*.eml"))
	if err != nil {
		b.r.t.Fatal(err)
	}
	var out []received
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			b.r.t.Fatal(err)
		}
		out = append(out, readLetter(b.r.t, raw))
	}
	return out
}

// wait is the first letter to somebody whose subject begins so, once it is there.
func (b inbox) wait(to, subject string) received {
	b.r.t.Helper()
	var found received
	b.r.until("a letter to "+to+": "+subject, func() bool {
		for _, l := range b.letters() {
			if l.To == to && strings.HasPrefix(l.Subject, subject) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

var aLink = regexp.MustCompile(`http://\S+/confirm\S*`)

// follow posts the link of a letter and returns the page.
func (r *running) follow(l received) string {
	r.t.Helper()
	u, err := url.Parse(aLink.FindString(l.Text))
	if err != nil || u.RawQuery == "" {
		r.t.Fatalf("the letter has no link: %s", l.Text)
	}
	answer, err := http.PostForm(r.url+u.Path, u.Query())
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 200 {
		r.t.Fatalf("%s: %d %s", u.Path, answer.StatusCode, page)
	}
	return string(page)
}

func mailTo(dir string) func(*Config) {
	return func(c *Config) { c.Mail, c.URL = "file:"+dir, "http://cloud.example.org" }
}

var aSecret = regexp.MustCompile(`<code>(\S+)</code>`)

// A user who was invited gets two letters, and with what they lead to he logs in; keys of API v1 arrive
// by mail; members hear of their project. None of the secrets reaches a log or lies in the store in the
// clear.
func TestPeopleGetLetters(t *testing.T) {
	b := inbox{dir: filepath.Join(t.TempDir(), "mail")}
	r := start(t, t.TempDir(), mailTo(b.dir))
	b.r = r
	var user, team struct{ ID model.ID }
	if status := r.ask("POST", "/api/v1/user", `{"name":"eve","email":"eve@example.org","role":"user","notifications":true}`, &user); status != 201 {
		t.Fatal(status)
	}
	if status := r.ask("PATCH", "/api/v1/user/"+string(user.ID)+"/resetPassword", "", nil); status != 200 {
		t.Fatal(status)
	}
	r.follow(b.wait("eve@example.org", "Welcome to Kowabunga"))
	found := aSecret.FindStringSubmatch(r.follow(b.wait("eve@example.org", "Forgot about your Kowabunga password")))
	if found == nil {
		t.Fatal("no password is shown")
	}
	var in struct{ JWT string }
	if status := r.ask("POST", "/api/v1/login", `{"email":"eve@example.org","password":"`+found[1]+`"}`, &in); status != 201 || in.JWT == "" {
		t.Fatalf("login: %d", status)
	}
	if status := r.ask("PATCH", "/api/v1/user/"+string(user.ID)+"/token?expire=false", "", nil); status != 200 {
		t.Fatal(status)
	}
	key := regexp.MustCompile(`kw_\S+`).FindString(b.wait("eve@example.org", "A new Kowabunga API key").Text)
	r.key, key = key, r.key
	if status := r.ask("GET", "/api/v1/region", "", nil); status != 200 {
		t.Errorf("with the mailed key: %d", status)
	}
	r.key, key = key, r.key
	r.ask("POST", "/api/v1/team", `{"name":"crew","users":["`+string(user.ID)+`"]}`, &team)
	if status := r.ask("POST", "/api/v1/project", `{"name":"shop","teams":["`+string(team.ID)+`"],"regions":[]}`, nil); status != 201 {
		t.Fatal(status)
	}
	b.wait("eve@example.org", "Your new project shop")
	r.until("nothing waits", func() bool { return r.s.store.View().Len(model.KindLetter) == 0 })
	r.stop()
	text := r.logs.String()
	raw, err := readAll(r.s.cfg.data())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range b.letters() {
		if token := regexp.MustCompile(`token=(\S+)`).FindStringSubmatch(l.Text); token != nil && (strings.Contains(text, token[1]) || bytes.Contains(raw, []byte(token[1]))) {
			t.Errorf("the secret of the link in %q is in the log or the store", l.Subject)
		}
	}
	for what, secret := range map[string]string{"password": found[1], "key": key, "token": in.JWT} {
		if strings.Contains(text, secret) || bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the %s is in the log or the store", what)
		}
	}
}

// Without mail nothing fails: what the Terraform provider does for users and bots succeeds, and the log
// says what a superAdmin can do, not what would have been in the letters.
func TestC1NothingNeedsMail(t *testing.T) {
	r := start(t, t.TempDir())
	for _, action := range []string{"resetPassword", "token?expire=false"} {
		var user struct{ ID model.ID }
		name, _, _ := strings.Cut(action, "?")
		if status := r.ask("POST", "/api/v1/user", `{"name":"`+name+`","email":"`+name+`@example.org","role":"user","notifications":false}`, &user); status != 201 {
			t.Fatal(status)
		}
		if status := r.ask("PATCH", "/api/v1/user/"+string(user.ID)+"/"+action, "", nil); status != 200 {
			t.Fatalf("%s: %d", action, status)
		}
	}
	r.until("no letter waits", func() bool { return r.s.store.View().Len(model.KindLetter) == 0 })
	text := r.logs.String()
	for _, want := range []string{"PATCH /api/v2/users/{ref}/newPassword", "PATCH /api/v2/users/{ref}/token", "no mail is set up"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(text, "kw_") || strings.Contains(text, "token=") {
		t.Errorf("a secret is in the log")
	}
	var shown struct{ Password string }
	if status := r.ask("PATCH", "/api/v2/users/resetPassword/newPassword", "", &shown); status != 200 || shown.Password == "" {
		t.Errorf("%d %v", status, shown)
	}
	if status := r.ask("POST", "/api/v1/login", `{"email":"resetPassword@example.org","password":"`+shown.Password+`"}`, nil); status != 201 {
		t.Errorf("login: %d", status)
	}
}

// A relay that is away neither delays nor fails anything.
func TestC1NothingWaitsForTheRelay(t *testing.T) {
	r := start(t, t.TempDir(), func(c *Config) { c.Mail, c.URL = "smtp://127.0.0.1:1", "http://cloud.example.org" })
	var user struct{ ID model.ID }
	if status := r.ask("POST", "/api/v1/user", `{"name":"eve","email":"eve@example.org","role":"user"}`, &user); status != 201 {
		t.Fatal(status)
	}
	r.until("an attempt has failed", func() bool {
		for l := range model.All[*model.Letter](r.s.store.View()) {
			return l.Attempts > 0 && l.Reason != ""
		}
		return false
	})
	r.stop()
	// It waits across a restart.
	b := inbox{dir: filepath.Join(t.TempDir(), "mail")}
	b.r = start(t, r.s.cfg.Dir, mailTo(b.dir))
	b.wait("eve@example.org", "Welcome to Kowabunga")
}

// A restored copy that was not promoted writes to nobody.
func TestARestoredCopySendsNoMail(t *testing.T) {
	r := start(t, t.TempDir(), func(c *Config) { c.Mail, c.URL = "smtp://127.0.0.1:1", "http://cloud.example.org" })
	if status := r.ask("POST", "/api/v1/user", `{"name":"eve","email":"eve@example.org","role":"user"}`, nil); status != 201 {
		t.Fatal(status)
	}
	var backup bytes.Buffer
	if _, err := r.s.store.Backup(t.Context(), &backup, store.BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	key, err := readKey(r.s.cfg.sealingKey())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	c := Config{Dir: filepath.Join(t.TempDir(), "copy")}
	if err := os.MkdirAll(c.secrets(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Restore(t.Context(), &backup, store.RestoreOptions{Dir: c.data(), Tables: tables(), SealKey: &key}); err != nil {
		t.Fatal(err)
	}
	if err := keep(c.sealingKey(), func() string { return fmt.Sprintf("%x", key[:]) }); err != nil {
		t.Fatal(err)
	}
	b := inbox{dir: filepath.Join(t.TempDir(), "mail")}
	b.r = start(t, c.Dir, mailTo(b.dir))
	if code := b.r.ask("POST", "/confirm", "user=x&token=y", nil); code != 503 {
		t.Errorf("a link is followed: %d", code)
	}
	b.r.stop() // waits for everything that runs beside requests
	if n := b.r.s.store.View().Len(model.KindLetter); n != 1 || len(b.letters()) != 0 {
		t.Errorf("%d letters wait, %d went out", n, len(b.letters()))
	}
}
