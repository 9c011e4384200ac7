package cli_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/api"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

const masterKey = "kR7wq2ZpX9vTn4LmB8cJhG5sDfY3aQeU6xWz"

// hosts answers for every agent at once that what was asked is done, unless it is told to wait.
type hosts struct{ hold atomic.Pointer[chan struct{}] }

func (h *hosts) Online(model.ID) bool { return true }

func (h *hosts) Call(ctx context.Context, c operate.Call) (json.RawMessage, error) {
	if gate := h.hold.Load(); gate != nil {
		select {
		case <-*gate:
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		}
	}
	var args struct {
		Size   int64
		Source string
	}
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return nil, err
	}
	switch c.Method {
	case agentproto.MethodImageImport:
		if args.Source == "http://127.0.0.1/missing.img" {
			return nil, fault.New(fault.Invalid, "the server of the image answered 404")
		}
		return json.RawMessage(`{"sha256":"0123","size":1048576,"format":"raw"}`), nil
	case agentproto.MethodVolumeCreate, agentproto.MethodVolumeResize, agentproto.MethodVolumeStat:
		return json.Marshal(map[string]int64{"size": args.Size})
	case agentproto.MethodMachineState:
		return json.RawMessage(`{"run":true}`), nil
	}
	return json.RawMessage(`{}`), nil
}

// running says of every machine that it runs.
type running struct{}

func (running) Screen(context.Context, model.ID) (string, error) {
	return "vnc://192.0.2.10:5900?VncPassword=ABCDEFGH", nil
}

func (running) State(context.Context, model.ID) (string, string, error) { return "Running", "", nil }

// world is a Kahuna's API with a real store, engine and identity, over TLS and on a local socket.
type world struct {
	t   testing.TB
	dir string // holds credentials.json, ca.pem and local/kahuna.sock
	url string
	// browser is a client without credentials.
	browser *http.Client
	store   *store.Store
	hosts   *hosts
	heard   atomic.Pointer[func(*http.Request)] // told of each request before it is served
	// writes counts requests that are no reads.
	writes atomic.Int64
}

// newWorld starts one whose files stand in dir.
func newWorld(t testing.TB, dir string) *world {
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
	w := &world{t: t, dir: dir, store: s, hosts: &hosts{}}
	quiet := slog.New(slog.DiscardHandler)
	engine := operate.New(operate.Config{Store: s, Agents: w.hosts, Log: quiet,
		Rules: func() behaviour.Config { return behaviour.Config{BootstrapUser: "ops", StopGrace: time.Second} }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx)
	}()
	accounts, err := identity.New(identity.Config{Views: s, MasterKey: masterKey,
		Write: func(ctx context.Context, c identity.Cause, f func(model.Draft) error) error {
			_, err := s.Update(ctx, store.Cause{Actor: c.Who.Name, From: c.From, What: c.What}, f)
			return err
		}})
	if err == nil {
		err = accounts.Begin(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{Auth: accounts, Sessions: accounts, Engine: engine, Views: s, Journal: api.JournalOf(s, tables), Past: api.PastOf(s), Live: running{}, Version: "0.0.0-test", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = a.Server(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if heard := w.heard.Load(); heard != nil {
			(*heard)(r)
		}
		if r.Method != http.MethodGet {
			w.writes.Add(1)
		}
		a.ServeHTTP(rw, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)
	server.StartTLS()
	w.url, w.browser = server.URL, server.Client()
	w.write("credentials.json", fmt.Sprintf(`{"url":%q,"apiKey":%q}`, server.URL, masterKey))
	w.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	local := w.socket(a)
	t.Cleanup(func() {
		a.Close()
		local()
		server.Close()
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// socket serves the API on local/kahuna.sock to whoever the system lets in, as the master.
func (w *world) socket(a *api.API) (stop func()) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, "local"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(w.dir, "local", "kahuna.sock"))
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "" {
			http.Error(rw, "a key was sent over the socket", http.StatusTeapot)
			return
		}
		r.Header.Set("X-API-Key", masterKey)
		a.ServeHTTP(rw, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return func() {
		_ = server.Close()
		<-done
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// report gives a host the hardware that its agent would report.
func (w *world) report(name string) {
	w.t.Helper()
	_, err := w.store.Update(context.Background(), store.Cause{Actor: "agent", What: "report hardware"}, func(d model.Draft) error {
		k, ok := model.One[*model.Kaktus](d, "name", name)
		if !ok {
			return fault.New(fault.NotFound, "there is no host %s", name)
		}
		k = model.Edit(k)
		k.Caps = model.Caps{Arch: "x86_64", Vendor: "GenuineIntel", Model: "Skylake", Sockets: 1, Cores: 8, Threads: 16, Memory: 64 << 30, Accel: "kvm"}
		return d.Put(k)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// credentials are the flags that reach the world.
func (w *world) credentials() []string {
	return []string{"--credentials", filepath.Join(w.dir, "credentials.json")}
}

// must runs a command that has to succeed and returns what it printed.
func (w *world) must(args ...string) string {
	w.t.Helper()
	out, errs, code := run(w.t.Context(), "", append(args, w.credentials()...)...)
	if code != 0 {
		w.t.Fatalf("%v: exit code %d\n%s", args, code, errs)
	}
	return out
}

// id is the id of an object.
func (w *world) id(kind, name string) string {
	w.t.Helper()
	var o struct{ ID string }
	if err := json.Unmarshal([]byte(w.must(kind, "get", name, "-o", "json")), &o); err != nil {
		w.t.Fatal(err)
	}
	return o.ID
}

// topology makes the smallest set of things that machines run on.
func (w *world) topology() {
	w.t.Helper()
	for _, line := range [][]string{
		{"region", "create", "eu", "--domain", "eu.test"},
		{"zone", "create", "eu-a", "--region", "eu"},
		{"agent", "create", "a1", "--type", "Kaktus"},
		{"kaktus", "create", "k1", "--zone", "eu-a", "--agents", "a1"},
		{"vnet", "create", "public", "--region", "eu", "--interface", "brpub", "--private=false"},
		{"vnet", "create", "private", "--region", "eu", "--interface", "br201", "--vlan", "201"},
		{"subnet", "create", "net1", "--vnet", "private", "--cidr", "10.201.0.0/24", "--gateway", "10.201.0.1", "--gw-pool", "10.201.0.240-10.201.0.249"},
		{"pool", "create", "ssd", "--region", "eu", "--pool", "dir:main", "--agents", "a1"},
		{"template", "create", "debian", "--pool", "ssd", "--source", "http://127.0.0.1/debian.img"},
		{"user", "create", "ann", "--email", "ann@eu.test", "--role", "projectAdmin"},
		{"team", "create", "t1", "--users", "ann"},
		{"project", "create", "web", "--teams", "t1", "--regions", "eu", "--quotas", "vcpus=8,memory=16GiB"},
	} {
		w.must(line...)
		if line[0] == "kaktus" {
			w.report("k1")
		}
	}
}
