package kaktus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/roles/agent/link"
)

// agentID differs between processes: an agent's rules are the host's.
var agentID = fmt.Sprintf("eeeeeeee%016x", os.Getpid())

const (
	agentKey = "a-key-with-more-than-128-bits-of-noise"
	patience = time.Minute
)

var epoch = agentproto.Epoch{Counter: 7, Node: "test"}

// kahuna is the other end of the protocol: it admits the one agent and calls it.
type kahuna struct {
	t    testing.TB
	url  string
	gate *link.Gate

	mu     sync.Mutex
	conn   *link.Conn
	hello  agentproto.Hello
	events []agentproto.Event
	more   chan struct{}
}

func newKahuna(t testing.TB) *kahuna {
	t.Helper()
	k := &kahuna{t: t, more: make(chan struct{}, 1)}
	k.gate = link.NewGate(link.GateConfig{Credentials: k, Epoch: func() agentproto.Epoch { return epoch }})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admission, err := k.gate.Accept(w, r)
		if err != nil {
			return
		}
		k.mu.Lock()
		k.conn, k.hello = admission.Conn, admission.Hello
		k.mu.Unlock()
		admission.Welcome(k)
		k.ring()
	}))
	t.Cleanup(func() {
		k.mu.Lock()
		conn := k.conn
		k.mu.Unlock()
		if conn != nil {
			conn.Close("the test is over")
			<-conn.Gone()
		}
		server.Close()
	})
	k.url = server.URL
	return k
}

func (k *kahuna) Lookup(agent string) (link.Credential, bool) {
	c := link.Derive(agentKey, []byte("0123456789abcdef"), link.Iterations)
	c.Kind, c.TokenID = agentproto.Kaktus, "1"
	return c, agent == agentID
}

func (k *kahuna) Call(_ context.Context, method string, _ json.RawMessage) (any, error) {
	return nil, link.UnknownMethod(method)
}

func (k *kahuna) Notify(method string, params json.RawMessage) {
	var env agentproto.Envelope
	var e agentproto.Event
	if method != agentproto.MethodEvent || json.Unmarshal(params, &env) != nil {
		return
	}
	body := env.Args
	if len(body) == 0 {
		body = params
	}
	if json.Unmarshal(body, &e) != nil {
		return
	}
	k.mu.Lock()
	k.events = append(k.events, e)
	k.mu.Unlock()
	k.ring()
}

func (k *kahuna) ring() {
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// agent waits until the agent is connected.
func (k *kahuna) agent() (*link.Conn, agentproto.Hello) {
	k.t.Helper()
	deadline := time.After(patience)
	for {
		k.mu.Lock()
		conn, hello := k.conn, k.hello
		k.mu.Unlock()
		if conn != nil && conn.Err() == nil {
			return conn, hello
		}
		select {
		case <-k.more:
		case <-deadline:
			k.t.Fatal("the agent does not connect")
		}
	}
}

// hear waits for an event that satisfies ok.
func (k *kahuna) hear(what string, ok func(agentproto.Event) bool) agentproto.Event {
	k.t.Helper()
	deadline := time.After(patience)
	for {
		k.mu.Lock()
		for _, e := range k.events {
			if ok(e) {
				k.mu.Unlock()
				return e
			}
		}
		k.mu.Unlock()
		select {
		case <-k.more:
		case <-deadline:
			k.t.Fatalf("no event: %s", what)
		}
	}
}

var requests int

// ask calls a method of the agent as Kahuna does.
func ask[R any](k *kahuna, method string, args any) (R, error) {
	k.t.Helper()
	var result R
	raw, err := json.Marshal(args)
	if err != nil {
		k.t.Fatal(err)
	}
	requests++
	conn, _ := k.agent()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = conn.Call(ctx, method, agentproto.Envelope{Epoch: epoch, Request: fmt.Sprintf("test/%d", requests), Deadline: 60_000, Args: raw}, &result)
	return result, err
}

func must[R any](k *kahuna, method string, args any) R {
	k.t.Helper()
	result, err := ask[R](k, method, args)
	if err != nil {
		k.t.Fatalf("%s: %v", method, err)
	}
	return result
}

// settings is a configuration for a host without anything, that reaches this Kahuna.
func (k *kahuna) settings(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"kaktus", "pool", "images"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(agentKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{
		Dir: filepath.Join(dir, "kaktus"), URLs: []string{k.url}, ID: agentID, KeyFile: key, Release: "test", Accel: "tcg",
		Socket: filepath.Join(dir, "no-libvirt"), Pools: map[string]string{"local": filepath.Join(dir, "pool")},
		Import: Import{Dirs: []string{filepath.Join(dir, "images")}}, Drain: time.Second,
	}
}

// run runs an agent until the test ends it, or ends.
func run(t testing.TB, cfg Config) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	cfg.OnReady = func() { close(ready) }
	go func() { ended <- Run(ctx, cfg) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the agent does not start: %v", err)
	}
	end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the agent ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the agent does not end")
		}
	})
	t.Cleanup(end)
	return end
}

// memory is a log that tests read.
type memory struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.Write(p)
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.String()
}
