package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/account"
	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/nodes"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/api"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var terms = account.Terms{URL: "https://cloud.example.org", AdminEmail: "admin@example.org"}

const masterKey = "kR7wq2ZpX9vTn4LmB8cJhG5sDfY3aQeU6xWz"

// hosts answers for every agent at once that what was asked is done.
type hosts struct {
	// hold, when set, is waited for before a call is answered.
	hold atomic.Pointer[chan struct{}]
}

func (h *hosts) Online(model.ID) bool { return true }

func (h *hosts) Call(ctx context.Context, c operate.Call) (json.RawMessage, error) {
	if gate := h.hold.Load(); gate != nil {
		select {
		case <-*gate:
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		}
	}
	var args struct{ Size int64 }
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return nil, err
	}
	switch c.Method {
	case agentproto.MethodImageImport:
		return json.RawMessage(`{"sha256":"0123","size":1048576,"format":"raw"}`), nil
	case agentproto.MethodVolumeCreate, agentproto.MethodVolumeResize, agentproto.MethodVolumeStat:
		return json.Marshal(map[string]int64{"size": args.Size})
	case agentproto.MethodMachineState:
		return json.RawMessage(`{"run":true}`), nil
	}
	return json.RawMessage(`{}`), nil
}

// live is what hosts would say of machines.
type live struct {
	state  func(model.ID) (string, string, error)
	screen func(model.ID) (string, error)
}

func (l *live) State(_ context.Context, id model.ID) (string, string, error) {
	if l.state != nil {
		return l.state(id)
	}
	return "Running", "", nil
}

func (l *live) Screen(_ context.Context, id model.ID) (string, error) {
	if l.screen != nil {
		return l.screen(id)
	}
	return "vnc://192.0.2.10:5900?VncPassword=ABCDEFGH", nil
}

var (
	_ operate.Caller = (*hosts)(nil)
	_ api.Live       = (*live)(nil)
	_ api.Engine     = (*operate.Engine)(nil)
	_ api.Sessions   = (*identity.Accounts)(nil)
	_ api.Limiter    = (*identity.Accounts)(nil)
)

// alone is how a Kahuna without a standby stands.
func alone() *nodes.Status {
	return &nodes.Status{Asked: "https://a.example.net", Role: "primary", Phase: "serving", Epoch: "7@a", Mode: "sync", Primary: "https://a.example.net", Published: 12, End: 12, Right: true, Alone: true,
		Nodes:     []nodes.NodeStatus{{ID: "a", Address: "https://a.example.net", Self: true, Named: true, Acts: true, InSync: true, Connected: true, Acked: 12}},
		Witnesses: []nodes.WitnessStatus{{Agent: strings.Repeat("a", 24), Name: "a1", Connected: true, Change: "joins"}},
		Releases:  []string{}, TakeOver: []string{"there is no second Kahuna"}, Missing: []string{}, Pending: []string{}, Notes: []nodes.Note{{At: time.Now(), What: "serves"}}}
}

// world is the API on a real store, engine and identity, with hosts that obey at once.
type world struct {
	t      testing.TB
	store  *store.Store
	engine *operate.Engine
	hosts  *hosts
	live   *live
	api    *api.API
	server *httptest.Server
	log    *lockedBuffer
}

// newWorld starts one; change may alter the configuration.
func newWorld(t testing.TB, change ...func(*api.Config)) *world {
	t.Helper()
	tables := append(catalogue.Tables(), operation.Table)
	opts := store.Options{Dir: t.TempDir(), Tables: tables}
	if err := store.Create(opts); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, hosts: &hosts{}, live: &live{}, log: &lockedBuffer{}}
	w.engine = operate.New(operate.Config{Store: s, Agents: w.hosts, Log: slog.New(slog.DiscardHandler),
		Rules: func() behaviour.Config {
			return behaviour.Config{BootstrapUser: "ops", StopGrace: time.Second, Accounts: terms}
		}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.engine.Run(ctx)
	}()
	accounts, err := identity.New(identity.Config{Views: s, MasterKey: masterKey, Terms: terms,
		Write: func(ctx context.Context, c identity.Cause, f func(model.Draft) error) error {
			_, err := s.Update(ctx, store.Cause{Actor: c.Who.Name, From: c.From, What: c.What}, f)
			return err
		}})
	if err == nil {
		err = accounts.Begin(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	c := api.Config{Pair: alone, Auth: accounts, Sessions: accounts, Engine: w.engine, Views: s, Journal: api.JournalOf(s, tables), Past: api.PastOf(s), Live: w.live, Standing: func(model.Object) agentproto.Standing {
		return agentproto.Standing{Problems: []string{}, States: []agentproto.StateHeld{}}
	},
		Version: "0.0.0-test", Log: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Docs: fstest.MapFS{"install.md": {Data: []byte("# Install it\n\nRun `make sandbox` & <wait>, see [the tour](tour.md).\n")}, "tour.md": {Data: []byte("# Tour\n")}}}
	for _, f := range change {
		f(&c)
	}
	if w.api, err = api.New(c); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config = w.api.Server(w.api)
	w.server.Start()
	t.Cleanup(func() {
		w.api.Close()
		w.server.Close()
		w.server.Client().CloseIdleConnections()
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// on is the world for a subtest, which ends at its own first failure.
func (w *world) on(t testing.TB) *world {
	part := *w
	part.t = t
	return &part
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with the master key, without following redirects.
func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", masterKey)
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := w.server.Client().Transport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(raw)}
}

// must is do for what has to succeed; it returns the JSON object of the answer.
func (w *world) must(method, path, body string, headers ...string) map[string]any {
	w.t.Helper()
	a := w.do(method, path, body, headers...)
	if a.status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	var out map[string]any
	if a.body != "" {
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			w.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
		}
	}
	return out
}

// id creates an object and returns its id.
func (w *world) id(path, body string) string {
	w.t.Helper()
	id, _ := w.must("POST", path, body)["id"].(string)
	if id == "" {
		w.t.Fatalf("POST %s answered no id", path)
	}
	return id
}

// decode reads a JSON object.
func decode(t testing.TB, body string) map[string]any {
	t.Helper()
	var out map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return out
}

// mailed are the data of the letters of a template that wait in the store, by address.
func (w *world) mailed(template string) map[string]map[string]any {
	w.t.Helper()
	out := map[string]map[string]any{}
	for l := range model.All[*model.Letter](w.store.View()) {
		if l.Name == template {
			out[l.To] = decode(w.t, l.Data.Reveal())
		}
	}
	return out
}

// list reads a list of ids.
func (w *world) list(path string, headers ...string) (ids []string) {
	w.t.Helper()
	a := w.do("GET", path, "", headers...)
	if err := json.Unmarshal([]byte(a.body), &ids); err != nil || a.status != 200 || ids == nil {
		w.t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
	return ids
}
