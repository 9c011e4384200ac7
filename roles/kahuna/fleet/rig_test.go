package fleet

import (
	"context"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/agentproto"
	"kowabunga/roles/agent"
	"kowabunga/roles/agent/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hostA    = "aaaaaaaaaaaaaaaaaaaaaaaa"
	hostB    = "bbbbbbbbbbbbbbbbbbbbbbbb"
	patience = time.Minute // how long a test waits before it calls something stuck
)

// keys is a hand-written link.Credentials. The key of an agent is "key-" and its id until changed.
type keys struct {
	mu sync.Mutex
	m  map[string]link.Credential
	// onLookup runs at each look-up, before the answer.
	onLookup func(agent string)
}

var _ link.Credentials = (*keys)(nil)

func (k *keys) Lookup(id string) (link.Credential, bool) {
	if k.onLookup != nil {
		k.onLookup(id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.m[id]
	return c, ok
}

func (k *keys) set(id, key string, expires time.Time) {
	c := link.Derive(key, link.NewSalt(), link.Iterations)
	c.Kind, c.TokenID, c.Expires = agentproto.Kaktus, key, expires
	k.mu.Lock()
	defer k.mu.Unlock()
	k.m[id] = c
}

func (k *keys) remove(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.m, id)
}

// rig is a Fleet behind a real HTTP server and a proxy that can cut and stall.
type rig struct {
	t       testing.TB
	fleet   *Fleet
	keys    *keys
	proxy   *proxy
	url     string // direct
	seen    *journal
	counter atomic.Uint64 // of the epoch
}

// journal notes what the callbacks got.
type journal struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func (j *journal) add(parts ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, strings.Join(parts, " "))
}

func (j *journal) count(prefix string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, keys: &keys{m: map[string]link.Credential{}}, seen: &journal{}}
	r.counter.Store(1)
	r.keys.set(hostA, "key-"+hostA, time.Time{})
	r.keys.set(hostB, "key-"+hostB, time.Time{})
	c := Config{
		Credentials: r.keys, Epoch: func() agentproto.Epoch { return agentproto.Epoch{Counter: r.counter.Load(), Node: "n"} },
		Release: "test", PushBackoff: func(int) time.Duration { return time.Millisecond },
		OnConnect:    func(id string, _ agentproto.Hello) { r.seen.add("connect", id) },
		OnDisconnect: func(id string, _ error) { r.seen.add("disconnect", id) },
		OnEvent:      func(id string, e agentproto.Event) { r.seen.add("event", id, e.Type, e.Subject, string(e.Body)) },
		OnStatus: func(id string, st agentproto.Status) {
			r.seen.add("status", id, st.Name, map[bool]string{true: "applied", false: "failed"}[st.Applied], strings.Join(st.Problems, ";"))
		},
	}
	for _, f := range change {
		f(&c)
	}
	r.fleet = New(c)
	server := httptest.NewServer(r.fleet)
	r.url = server.URL
	r.proxy = newProxy(t, strings.TrimPrefix(server.URL, "http://"))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.fleet.Close(ctx); err != nil {
			t.Errorf("the fleet did not close: %v", err)
		}
		r.proxy.close()
		server.Close()
	})
	return r
}

// reign begins an epoch.
func (r *rig) reign(counter uint64) {
	r.counter.Store(counter)
	r.fleet.Rise(Reign{Epoch: r.fleet.cfg.Epoch()})
}

var quick = agent.Backoff{Least: time.Millisecond, Most: 20 * time.Millisecond}

// agent runs an agent until the test ends or stop is called. It dials through the proxy.
func (r *rig) agent(id string, methods agent.Methods, change ...func(*agent.Config)) (a *agent.Agent, stop func()) {
	r.t.Helper()
	c := agent.Config{URL: "http://" + r.proxy.addr(), ID: id, Kind: agentproto.Kaktus, Methods: methods, Release: "test", Backoff: quick,
		Key: func() (string, error) { return "key-" + id, nil }, Drain: patience}
	for _, f := range change {
		f(&c)
	}
	a, err := agent.New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.Run(ctx); err != nil {
			r.t.Errorf("the agent ended: %v", err)
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			over(r.t, "the agent's end", done)
		})
	}
	r.t.Cleanup(stop)
	return a, stop
}

// online waits until the agents are connected.
func (r *rig) online(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		wait(r.t, id+" online", func() bool { return r.fleet.Live().Online(id) })
	}
}

func (r *rig) offline(id string) {
	r.t.Helper()
	wait(r.t, id+" offline", func() bool { return !r.fleet.Live().Online(id) })
}

func wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %s", what, patience)
		}
		time.Sleep(time.Millisecond) // between looks at a condition
	}
}

func over[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Errorf("%s did not happen within %s", what, patience)
	}
	return v
}

// echo is a method that returns its arguments.
var echo = agent.Method{Handle: agent.Handle(func(_ context.Context, _ *agent.Call, args any) (any, error) { return args, nil })}

// gated is a method that says it started, then waits until released or called off.
type gated struct {
	started chan string // request ids
	release chan struct{}
	ended   chan error
	runs    atomic.Int64
}

func newGated() *gated {
	return &gated{started: make(chan string, 100), release: make(chan struct{}), ended: make(chan error, 100)}
}

func (g *gated) method() agent.Method {
	return agent.Method{Lane: "gated", Handle: agent.Handle(func(ctx context.Context, call *agent.Call, _ agentproto.Empty) (int64, error) {
		n := g.runs.Add(1)
		g.started <- call.Request
		select {
		case <-g.release:
			g.ended <- nil
			return n, nil
		case <-ctx.Done():
			g.ended <- context.Cause(ctx)
			return 0, ctx.Err()
		}
	})}
}

// call runs a call in the background.
func (r *rig) call(agents []string, method string, opt CallOptions) <-chan answered {
	c := make(chan answered, 1)
	go func() {
		var a answered
		a.err = r.fleet.Call(context.Background(), agents, method, opt, agentproto.Empty{}, &a.n)
		c <- a
	}()
	return c
}

type answered struct {
	n   int64
	err error
}

// proxy forwards TCP, and can cut all connections or swallow what they send.
type proxy struct {
	to       string
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	stall    sync.RWMutex // held while nothing may pass
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, listener: l, conns: map[net.Conn]struct{}{}}
	p.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns[in], p.conns[out] = struct{}{}, struct{}{}
			p.mu.Unlock()
			p.wg.Go(func() { p.copy(in, out) })
			p.wg.Go(func() { p.copy(out, in) })
		}
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) copy(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.stall.RLock()
		if n > 0 {
			to.Write(buf[:n])
		}
		p.stall.RUnlock()
		if err != nil {
			return
		}
	}
}

// cut closes every connection that exists.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.cut()
	p.wg.Wait()
}
