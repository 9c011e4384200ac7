package kahuna

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/agent"
	"kowabunga/roles/kahuna/localca"
)

// prepared is an initialised directory and the configuration of a Kahuna in it.
func prepared(t *testing.T, dir string) Config {
	t.Helper()
	var c Config
	s := c.set()
	if err := s.Load(nil, "", false); err != nil {
		t.Fatal(err)
	}
	c.Dir, c.Listen, c.PlainHTTP = dir, "127.0.0.1:0", true
	if !initialised(&c) {
		if err := initialise(t.Context(), &c, s, nil); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// hand is an agent whose methods the test gives.
func (r *running) hand(agentID model.ID, methods agent.Methods, pools func(agentproto.State)) (ended <-chan error) {
	r.t.Helper()
	var o struct{ Key string }
	if status := r.ask("PATCH", "/api/v2/agent/"+string(agentID)+"/token", "", &o); status != 200 {
		r.t.Fatal(status)
	}
	r.until("the session with the old key is over", func() bool { return !r.s.fleet.Live().Online(string(agentID)) })
	gone := make(chan error, 16)
	connected := make(chan struct{}, 16)
	a, err := agent.New(agent.Config{URL: r.url, ID: string(agentID), Kind: agentproto.Kaktus, Key: func() (string, error) { return o.Key, nil },
		Methods: methods, OnConnect: func(agentproto.Welcome) { connected <- struct{}{} }, OnDisconnect: func(err error) { gone <- err }})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-done })
	select {
	case <-connected:
	case <-time.After(20 * time.Second):
		r.t.Fatal("the agent does not connect")
	}
	return gone
}

// A Kahuna that stops leaves its agents at work: nothing is called off, the next one asks for the answer.
func TestStoppingLeavesAgentsAtWork(t *testing.T) {
	r := start(t, t.TempDir())
	region, _, agentID, host := r.host("eu")
	r.topology(region, "", agentID)
	_ = host
	working, release := make(chan context.Context, 16), make(chan struct{})
	gone := r.hand(agentID, agent.Methods{agentproto.MethodVolumeCreate: {Handle: func(ctx context.Context, _ *agent.Call) (any, error) {
		working <- ctx
		select {
		case <-release:
		case <-ctx.Done():
		}
		return agentproto.Volume{}, context.Cause(ctx)
	}}}, nil)
	project := ""
	for p := range model.All[*model.Project](r.s.store.View()) {
		project = string(p.ID)
	}
	answered := make(chan int, 1)
	go func() {
		answered <- r.ask("POST", "/api/v1/project/"+project+"/region/"+string(region)+"/volume", `{"name":"d","type":"raw","size":1048576}`, nil)
	}()
	work := <-working
	r.stop()
	if status := <-answered; status != 503 {
		t.Errorf("who waited got %d", status)
	}
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatal("the agent does not notice")
	}
	if err := work.Err(); err != nil {
		t.Errorf("the agent's work was called off: %v", context.Cause(work))
	}
	close(release)
}

// Slow clients and streams do not hold up the end.
func TestStopDoesNotWaitForSlowClients(t *testing.T) {
	r := start(t, t.TempDir())
	r.s.drain = 300 * time.Millisecond
	address := strings.TrimPrefix(r.url, "http://")
	slow, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /api/v1/region HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 1000\r\n\r\n{", r.key)
	req, err := http.NewRequest("GET", r.url+"/api/v2/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", r.key)
	stream, err := http.DefaultClient.Do(req)
	if err != nil || stream.StatusCode != 200 {
		t.Fatal(stream, err)
	}
	defer stream.Body.Close()
	began := time.Now()
	r.stop() // fails the test when Run returns an error
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

// A server that cannot open all its sockets opens none and lets go of the store.
func TestListenFailsHalfWay(t *testing.T) {
	c := prepared(t, t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Listen = free.Addr().String()
	free.Close()
	c.MetricsListen = taken.Addr().String()
	s, err := open(c, quiet(), new(slog.LevelVar))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), func(state string) { t.Errorf("told the service manager %s", state) })
	if err == nil || !strings.Contains(err.Error(), c.MetricsListen) {
		t.Errorf("the error is %v", err)
	}
	if conn, err := net.Dial("tcp", c.Listen); err == nil {
		conn.Close()
		t.Error("the public socket is still open")
	}
	if _, err := os.Stat(c.socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the local socket is still there: %v", err)
	}
	r := start(t, c.Dir)
	if info, err := os.Stat(c.socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the local socket: %v %v", info.Mode(), err)
	}
	r.stop()
}

// The second server on a directory says whose it is.
func TestSecondServerNamesTheFirst(t *testing.T) {
	r := start(t, t.TempDir())
	s, err := open(r.s.cfg, quiet(), new(slog.LevelVar))
	if err == nil {
		s.store.Close()
		t.Fatal("two servers on one store")
	}
	if !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the error does not name the process: %v", err)
	}
	if status := r.ask("GET", "/api/v1/region", "", nil); status != 200 {
		t.Errorf("the first server answers %d", status)
	}
}

// Secrets that everybody could read are not used.
func TestReadableSecretsAreRefused(t *testing.T) {
	c := prepared(t, t.TempDir())
	for _, path := range []string{c.masterKey(), c.sealingKey(), c.fleetKey()} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := open(c, quiet(), new(slog.LevelVar)); !fault.Is(err, fault.Denied) {
			t.Errorf("%s readable by everybody: %v", filepath.Base(path), err)
			if err == nil {
				s.store.Close()
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(c.secrets()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of secrets: %v %v", info.Mode(), err)
	}
}

// SIGHUP with something broken changes nothing; with something good it changes what it can and says what
// it cannot.
func TestReload(t *testing.T) {
	r := start(t, t.TempDir())
	r.s.reload(func() (Config, error) { return Config{}, errors.New("line 3 makes no sense") })
	if r.s.rules.Load().BootstrapUser != "kowabunga" || !strings.Contains(r.logs.String(), "line 3 makes no sense") {
		t.Error("a broken file was taken over, or nobody was told")
	}
	next := r.s.cfg
	next.Bootstrap.User, next.Listen = "ops", ":1"
	r.s.reload(func() (Config, error) { return next, nil })
	if r.s.rules.Load().BootstrapUser != "ops" || !strings.Contains(r.logs.String(), "next start") {
		t.Error("a good file was not taken over")
	}
}

// A certificate is read anew on reload; a broken one leaves the old one in use.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	cfg := &Config{TLSCert: filepath.Join(dir, "cert.pem"), TLSKey: filepath.Join(dir, "key.pem")}
	issue := func(name string) {
		t.Helper()
		from := filepath.Join(dir, name)
		if _, err := localca.Open(from, []string{"localhost"}, time.Now); err != nil {
			t.Fatal(err)
		}
		certs, _ := filepath.Glob(filepath.Join(from, "*"))
		if len(certs) == 0 {
			t.Fatal("no files")
		}
		for _, file := range certs {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			to := cfg.TLSCert
			if strings.Contains(string(raw), "PRIVATE KEY") {
				to = cfg.TLSKey
			}
			if strings.HasPrefix(filepath.Base(file), "ca") {
				if err := os.WriteFile(to, raw, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	issue("one")
	c, err := newCertificates(cfg)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.get(nil)
	if err := os.WriteFile(cfg.TLSCert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.reload(); err == nil {
		t.Error("nonsense was taken for a certificate")
	}
	if now, _ := c.get(nil); now != first {
		t.Error("the old certificate is not in use any more")
	}
	issue("two")
	if err := c.reload(); err != nil {
		t.Fatal(err)
	}
	if now, _ := c.get(nil); now == first || string(now.Certificate[0]) == string(first.Certificate[0]) {
		t.Error("the new certificate is not in use")
	}
}

// Serving without TLS where others reach it is worth a warning.
func TestPlainHTTPWarns(t *testing.T) {
	for listen, warns := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, ":0": true, "0.0.0.0:0": true} {
		c := prepared(t, t.TempDir())
		c.Listen = listen
		logs := &lockedBuffer{}
		s, err := open(c, slog.New(slog.NewTextHandler(logs, nil)), new(slog.LevelVar))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := s.Run(ctx, func(string) { cancel() }); err != nil {
			t.Error(err)
		}
		cancel()
		if strings.Contains(logs.String(), "without TLS") != warns {
			t.Errorf("%s: %s", listen, logs.String())
		}
	}
}

// One request id leads from the caller's header through the log, the operation and the journal to the
// call at the agent and what it says of it.
func TestOneRequestIDEverywhere(t *testing.T) {
	r := start(t, t.TempDir())
	region, zone, agentID, host := r.host("eu")
	path := r.topology(region, zone, agentID)
	const id = "ticket-4711"
	answer, raw := r.send("POST", path, r.key, web, "X-Request-Id", id)
	var k struct{ ID model.ID }
	if err := json.Unmarshal(raw, &k); err != nil || answer.StatusCode != 201 || answer.Header.Get("X-Request-Id") != id {
		t.Fatal(answer.Status, answer.Header, err)
	}
	var op *operation.Operation
	for o := range model.By[*operation.Operation](r.s.store.View(), "target", k.ID) {
		op = o
	}
	if op == nil || op.Request != id {
		t.Errorf("the operation is %+v", op)
	}
	records, err := r.s.store.Journal(1, 256)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, record := range records {
		if record.Cause.Request == id {
			seen++
		}
	}
	if want := 1 + 2*len(op.Steps) + 1; seen < want {
		t.Errorf("%d records of the journal carry it, want %d", seen, want)
	}
	methods := map[string]bool{}
	for _, call := range host.Calls() {
		if call.Trace == id {
			methods[call.Method] = true
		}
	}
	for _, step := range op.Steps {
		if !methods[step.Do.Method] {
			t.Errorf("%s at the agent does not carry it", step.Do.Method)
		}
	}
	// The line of the API is written once the answer is out.
	logged := func(what string) bool {
		for line := range strings.Lines(r.logs.String()) {
			if strings.Contains(line, what) && strings.Contains(line, "request="+id) {
				return true
			}
		}
		return false
	}
	r.until("the log of the API has it", func() bool { return logged("part=api") })
	r.until("the end of the operation is logged with it", func() bool { return logged("operation ended") })
}
