package identity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/account"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store/tree"
)

const masterKey = "q7Yh2MfTz9RkWbXcV4nPs8LdGjEaUuBy"

// place is a Kahuna without disk and agents: the real tables, rights and behaviours behind HTTP routes
// made from the catalogue, and the real Accounts in front of them.
type place struct {
	*Accounts
	t     testing.TB
	mu    sync.Mutex
	root  *tree.Root
	clock atomic.Int64 // Unix nanoseconds
	logs  bytes.Buffer
	http  http.Handler
	keys  map[string]string // by user name: API keys issued
	terms account.Terms
	first func() // runs once, before the next commit
}

func (p *place) View() model.View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.root
}

func (p *place) now() time.Time { return time.Unix(0, p.clock.Load()).UTC() }

func (p *place) pass(d time.Duration) { p.clock.Add(int64(d)) }

func (p *place) commit(_ context.Context, _ Cause, f func(model.Draft) error) error {
	if f := p.first; f != nil {
		p.first = nil
		f()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.root.EditAt(p.root.Index()+1, p.now())
	if err := f(e); err != nil {
		return err
	}
	p.root = e.Publish(p.root.Index() + 1)
	return nil
}

func newPlace(t testing.TB, change ...func(*Config)) *place {
	t.Helper()
	p := &place{t: t, terms: account.Terms{URL: "https://cloud.example.org"}, root: tree.New(append(catalogue.Tables(), operation.Table)), keys: map[string]string{}}
	p.clock.Store(time.Date(2030, 5, 17, 12, 0, 0, 0, time.UTC).UnixNano())
	c := Config{Views: p, Write: p.commit, MasterKey: masterKey, Now: p.now, Terms: p.terms,
		Log: slog.New(slog.NewJSONHandler(&p.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&c)
	}
	p.terms = c.Terms
	a, err := New(c)
	if err == nil {
		err = a.Begin(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	a.passwords.memory = 64 // what is slow on purpose need not be here
	p.Accounts = a
	p.http = p.routes()
	return p
}

// routes serves the operations of the catalogue that need no agent.
func (p *place) routes() http.Handler {
	mux := http.NewServeMux()
	for _, op := range catalogue.Ops() {
		mux.HandleFunc(op.Method+" /api/v1"+op.Path, func(w http.ResponseWriter, r *http.Request) {
			body, err := p.serve(op, r)
			if err != nil {
				w.WriteHeader(fault.CodeOf(err).HTTPStatus())
				body = []byte(fault.From(err).Error())
			} else {
				w.WriteHeader(op.Status)
			}
			w.Write(body)
		})
	}
	return mux
}

func (p *place) serve(op *catalogue.Op, r *http.Request) ([]byte, error) {
	raw, _ := io.ReadAll(r.Body)
	var sent struct{ Email, Password, Value string }
	if op.Action == "login" || op.Action == "password" || op.ID == "ResetPassword" {
		if err := json.Unmarshal(raw, &sent); err != nil {
			return nil, fault.New(fault.Malformed, "no JSON")
		}
	}
	if op.Action == "login" {
		token, err := p.Login(r.Context(), sent.Email, sent.Password, r.RemoteAddr, r.UserAgent())
		return []byte(token), err
	}
	if op.ID == "ResetPassword" {
		return nil, p.RequestReset(sent.Email, r.RemoteAddr)
	}
	who, err := p.Authenticate(r)
	if err != nil {
		return nil, err
	}
	path := map[string]model.ID{}
	for _, param := range op.Params {
		path[param.Name] = model.ID(r.PathValue(param.Name))
	}
	v := p.View()
	target, err := gate.Policy{}.AuthorizeV1(v, who, op, path)
	if err != nil {
		return nil, err
	}
	query := behaviour.Query{}
	for name, values := range r.URL.Query() {
		query[name] = values[0]
	}
	k := catalogue.Of(op.Kind)
	switch {
	case op.Action == "logout":
		return nil, p.Logout(r.Context(), who)
	case op.Action == "password":
		return nil, p.SetPassword(r.Context(), who, path["userId"], sent.Value)
	case op.Verb == catalogue.List:
		ids := []model.ID{}
		for o := range v.All(op.Kind) {
			if access.Visible(v, who, o) {
				ids = append(ids, o.Base().ID)
			}
		}
		return json.Marshal(ids)
	case op.Verb == catalogue.Read:
		return k.Append(nil, v, target, catalogue.Reader{Version: catalogue.V1, Secrets: access.ShowSecrets(v, who, target)}), nil
	}
	var object model.Object
	if op.Request != "" {
		if target == nil {
			object, err = k.DecodeCreate(raw)
		} else {
			object, err = k.DecodeUpdate(target, raw)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := (gate.Policy{}).Check(v, who, op, path, gate.Sent{Query: query, Old: target, New: object}); err != nil {
		return nil, err
	}
	var out behaviour.Outcome
	var hash model.Secret
	var shown string
	if op.Action == "newPassword" || query["password"] == "generated" {
		if shown, hash, err = p.NewPassword(r.Context()); err != nil {
			return nil, err
		}
	}
	err = p.commit(r.Context(), Cause{}, func(d model.Draft) error {
		out, err = behaviour.Decide(d, &behaviour.Request{Op: op, Who: who, Now: p.now(), Draw: draw(p.now()), V1: !op.Native, Hash: hash, Config: behaviour.Config{Accounts: p.terms}, Path: path, Query: query, Target: target, Object: object})
		return err
	})
	if out.Key != "" {
		p.keys[target.Base().Name] = out.Key
		return []byte(out.Object), err
	}
	if op.Action == "newPassword" {
		return []byte(shown), err
	}
	if shown != "" {
		return []byte(string(out.Object) + " " + shown), err
	}
	return []byte(out.Object), err
}

// letters are those of one template that were written so far, oldest first.
func (p *place) letters(name string) []*model.Letter {
	var out []*model.Letter
	for l := range model.All[*model.Letter](p.View()) {
		if l.Name == name {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Letter) int { return cmp.Compare(a.Version, b.Version) })
	return out
}

// link takes the link of the last letter of a template apart.
func (p *place) link(name string) (user model.ID, token string) {
	p.t.Helper()
	all := p.letters(name)
	if len(all) == 0 {
		p.t.Fatalf("there is no letter %q", name)
	}
	var data struct{ Link string }
	if err := json.Unmarshal([]byte(all[len(all)-1].Data.Reveal()), &data); err != nil {
		p.t.Fatal(err)
	}
	u, err := url.Parse(data.Link)
	if err != nil || !strings.HasPrefix(data.Link, p.terms.URL+"/confirm") {
		p.t.Fatalf("the letter's link is %q", data.Link)
	}
	return model.ID(u.Query().Get("user")), u.Query().Get("token")
}

// work does what waits in the queue of requests for a new password.
func (p *place) work() {
	p.t.Helper()
	for len(p.resets) > 0 {
		if err := p.reset(p.t.Context(), <-p.resets); err != nil {
			p.t.Fatal(err)
		}
	}
}

// call makes a request with some credentials: a key, "Bearer TOKEN", or nothing.
func (p *place) call(credentials, method, target, body string) (int, string) {
	r := httptest.NewRequest(method, "http://kahuna/api/v1/", strings.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawQuery, r.RequestURI = "/api/v1"+path, query, "/api/v1"+target
	switch {
	case strings.HasPrefix(credentials, "Bearer "):
		r.Header.Set("Authorization", credentials)
	case credentials != "":
		r.Header.Set("X-API-Key", credentials)
	}
	w := httptest.NewRecorder()
	p.http.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// must is call by the master key, for what has to work.
func (p *place) must(method, target, body string) string {
	p.t.Helper()
	code, answer := p.call(masterKey, method, target, body)
	if code >= 300 {
		p.t.Fatalf("%s %s: %d %s", method, target, code, answer)
	}
	return answer
}

const password = "vN7-tq2.Kd9_Wz4!"

// user makes a confirmed user with a password and an API key; his address is NAME@example.org.
func (p *place) user(name, role string) (id, key string) {
	p.t.Helper()
	id = p.must("POST", "/user", `{"name":"`+name+`","email":"`+name+`@example.org","role":"`+role+`"}`)
	p.must("PUT", "/user/"+id+"/password", `{"value":"`+password+`"}`)
	p.must("PATCH", "/user/"+id+"/token", "")
	return id, p.keys[name]
}

func (p *place) enter(name string) (int, string) {
	code, token := p.call("", "POST", "/login", `{"email":"`+name+`@example.org","password":"`+password+`"}`)
	return code, "Bearer " + token
}
