package link

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/agentproto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testAgent = "0123456789abcdef01234567"
	testKey   = "a-key-with-more-than-128-bits-of-noise"
	patience  = time.Minute // how long a test waits before it calls something stuck
)

var testEpoch = agentproto.Epoch{Counter: 9007199254740993, Node: "n0de,=.x"}

// keys is a hand-written Credentials.
type keys struct {
	mu sync.Mutex
	m  map[string]Credential
}

func (k *keys) Lookup(agent string) (Credential, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.m[agent]
	return c, ok
}

var _ Credentials = (*keys)(nil)

func newKeys(change ...func(*Credential)) *keys {
	c := Derive(testKey, []byte("0123456789abcdef"), Iterations)
	c.Kind, c.TokenID = agentproto.Kaktus, "token-1"
	for _, f := range change {
		f(&c)
	}
	return &keys{m: map[string]Credential{testAgent: c}}
}

// peer answers calls with functions.
type peer struct {
	call   func(ctx context.Context, method string, params json.RawMessage) (any, error)
	notify func(method string, params json.RawMessage)
}

func (p peer) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	if p.call == nil {
		return nil, UnknownMethod(method)
	}
	return p.call(ctx, method, params)
}

func (p peer) Notify(method string, params json.RawMessage) {
	if p.notify != nil {
		p.notify(method, params)
	}
}

var _ Peer = peer{}

// door is a Gate behind a real HTTP server.
type door struct {
	url      string
	cert     []byte
	ca       string
	gate     *Gate
	admitted chan *Admission
	failed   chan error
}

func openDoor(t testing.TB, c GateConfig, secure bool) *door {
	t.Helper()
	if c.Credentials == nil {
		c.Credentials = newKeys()
	}
	if c.Epoch == nil {
		c.Epoch = func() agentproto.Epoch { return testEpoch }
	}
	d := &door{gate: NewGate(c), admitted: make(chan *Admission, 100), failed: make(chan error, 1000)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		adm, err := d.gate.Accept(w, r)
		if err != nil {
			d.failed <- err
			return
		}
		d.admitted <- adm
	})
	server := httptest.NewUnstartedServer(handler)
	if secure {
		server.StartTLS()
		d.cert = server.Certificate().Raw
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func testHello() agentproto.Hello {
	return agentproto.Hello{Protocol: agentproto.Version, Release: "test", Kind: agentproto.Kaktus, Agent: testAgent, Identity: "i", Session: "s"}
}

func (d *door) target() Target {
	return Target{URL: d.url, CAFile: d.ca, Key: testKey, Hello: testHello(), Log: slog.New(slog.DiscardHandler)}
}

// trust makes targets of this door trust its certificate.
func (d *door) trust(t testing.TB) {
	t.Helper()
	d.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(d.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.cert}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair connects both ends: what the agent sees and what Kahuna sees.
func pair(t *testing.T, c GateConfig, atAgent, atKahuna Peer) (agent, kahuna *Conn) {
	t.Helper()
	d := openDoor(t, c, false)
	welcomed := make(chan *Conn, 1)
	go func() {
		adm := <-d.admitted
		adm.Welcome(atKahuna)
		welcomed <- adm.Conn
	}()
	agent, welcome, err := Dial(t.Context(), d.target())
	if err != nil {
		t.Fatal(err)
	}
	if welcome.Epoch != testEpoch {
		t.Fatalf("welcomed with %v", welcome.Epoch)
	}
	agent.Start(atAgent)
	kahuna = over(t, "Kahuna's end", welcomed)
	t.Cleanup(func() {
		agent.Close("the test is over")
		kahuna.Close("the test is over")
		over(t, "agent's end", agent.Gone())
		over(t, "Kahuna's end", kahuna.Gone())
	})
	return agent, kahuna
}

func wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %s", what, patience)
		}
		time.Sleep(time.Millisecond) // between looks at a condition
	}
}

func over[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen within %s", what, patience)
	}
	return v
}
