package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

const patience = time.Minute // how long a test waits before it calls something stuck

// cloud is the Kahunas of one cloud.
type cloud struct {
	mu    sync.Mutex
	nodes []*kahuna
}

// kahuna is a fake one behind a real server and the real door.
type kahuna struct {
	cloud *cloud
	id    string
	key   ed25519.PrivateKey
	url   string

	mu     sync.Mutex
	epoch  agentproto.Epoch
	conn   *link.Conn
	hello  agentproto.Hello
	came   int
	events chan agentproto.Event
}

type oneKey link.Credential

func (c oneKey) Lookup(string) (link.Credential, bool) { return link.Credential(c), true }

func (c *cloud) start(t *testing.T, id string, features ...string) *kahuna {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, id)
	k := &kahuna{cloud: c, id: id, key: ed25519.NewKeyFromSeed(seed), epoch: agentproto.Epoch{Counter: 1, Node: "a"}, events: make(chan agentproto.Event, 100)}
	credential := link.Derive("k", []byte("0123456789abcdef"), link.Iterations)
	credential.Kind = agentproto.Kaktus
	gate := link.NewGate(link.GateConfig{Credentials: oneKey(credential), Features: features, Node: id, Kahunas: c.list, Epoch: func() agentproto.Epoch {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.epoch
	}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admission, err := gate.Accept(w, r)
		if err != nil {
			return
		}
		k.mu.Lock()
		old := k.conn
		k.conn, k.hello = admission.Conn, admission.Hello
		k.came++
		k.mu.Unlock()
		if old != nil {
			old.Supersede()
		}
		admission.Welcome(k)
	}))
	k.url = server.URL
	t.Cleanup(func() {
		if conn := k.now(); conn != nil {
			conn.Close("the test is over")
			<-conn.Gone()
		}
		server.Close()
	})
	c.mu.Lock()
	c.nodes = append(c.nodes, k)
	c.mu.Unlock()
	return k
}

func (c *cloud) list() (all []agentproto.Kahuna) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.nodes {
		all = append(all, agentproto.Kahuna{ID: k.id, Address: k.url, Key: k.key.Public().(ed25519.PublicKey)})
	}
	return all
}

func (k *kahuna) Call(_ context.Context, method string, _ json.RawMessage) (any, error) {
	return nil, link.UnknownMethod(method)
}

func (k *kahuna) Notify(method string, params json.RawMessage) {
	var e agentproto.Event
	if method == agentproto.MethodEvent && json.Unmarshal(params, &e) == nil {
		k.events <- e
	}
}

func (k *kahuna) now() *link.Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn
}

func (k *kahuna) sessions() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.came
}

// connected waits for the agent.
func (k *kahuna) connected(t *testing.T) {
	t.Helper()
	eventually(t, "the session with "+k.id, func() bool { c := k.now(); return c != nil && c.Err() == nil })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) { // between looks at a condition
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func (k *kahuna) ask(t *testing.T, method string, params, result any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return k.now().Call(ctx, method, params, result)
}

// win announces an epoch of this Kahuna.
func (k *kahuna) win(t *testing.T, counter uint64, admits string) (answer agentproto.Announced, err error) {
	t.Helper()
	e := agentproto.Epoch{Counter: counter, Node: k.id}
	err = k.ask(t, agentproto.MethodAnnounce, lease.Announce{Certificate: lease.Certify(lease.Won, e, k.key), Admits: admits}, &answer)
	return answer, err
}

func (k *kahuna) command(t *testing.T, counter uint64, method, request string) error {
	t.Helper()
	return k.ask(t, method, agentproto.Envelope{Epoch: agentproto.Epoch{Counter: counter, Node: k.id}, Request: request}, nil)
}

// serveAgent runs an agent in a directory until stop.
func serveAgent(t *testing.T, dir, url string, change ...func(*Config)) (a *Agent, stop func()) {
	t.Helper()
	c := testConfig(dir)
	c.URL, c.Backoff, c.Drain = url, Backoff{Least: time.Millisecond, Most: 20 * time.Millisecond}, patience
	for _, f := range change {
		f(&c)
	}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Run(ctx)
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	return a, stop
}

func nothing(context.Context, *Call) (any, error) { return agentproto.Empty{}, nil }

// TestHandoffNeedsNoReconnect: one address is enough to know both Kahunas; the standby's session serves
// witness calls and nothing else, until its Kahuna wins, over the same sockets; the former primary is
// fenced from then on, after a restart too.
func TestHandoffNeedsNoReconnect(t *testing.T) {
	c := &cloud{}
	a, b := c.start(t, "a", agentproto.FeatureLease), c.start(t, "b", agentproto.FeatureLease)
	dir := t.TempDir()
	methods := func(c *Config) {
		c.Methods = Methods{"do": {Handle: nothing}, agentproto.MethodInventory: {Handle: func(context.Context, *Call) (any, error) { return "inventory", nil }}}
	}
	agent, stop := serveAgent(t, dir, a.url, methods)
	a.connected(t)
	b.connected(t)

	if err := a.command(t, 1, "do", "op/0/do/1"); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("a blank agent: %v", err)
	}
	if _, err := a.win(t, 1, ""); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("a blank agent obeys: %v", err)
	}
	answer, err := a.win(t, 1, agent.Identity())
	if err != nil || answer.Identity != agent.Identity() || string(answer.Inventory) != `"inventory"` {
		t.Fatal(answer, err)
	}
	if err := a.command(t, 1, "do", "op/0/do/1"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"the standby":                        b.command(t, 1, "do", "op/0/do/2"),
		"the standby, of an epoch never won": b.command(t, 9, "do", "op/0/do/3"),
		"the standby, in the primary's name": b.ask(t, "do", agentproto.Envelope{Epoch: agentproto.Epoch{Counter: 1, Node: "a"}, Request: "op/0/do/4"}, nil),
	} {
		if !fault.Is(err, fault.Fenced) {
			t.Errorf("%s commands: %v", name, err)
		}
	}
	var reply lease.PromiseReply
	promise := lease.Promise{Certificate: lease.Certify(lease.Promised, agentproto.Epoch{Counter: 2, Node: "b"}, b.key)}
	if err := b.ask(t, agentproto.MethodPromise, promise, &reply); err != nil || !reply.OK {
		t.Fatal(reply, err)
	}
	agent.Event("t", "1", nil)
	if e := <-a.events; e.Subject != "1" {
		t.Error(e)
	}

	if _, err := b.win(t, 2, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.command(t, 2, "do", "op/0/do/1"); err != nil {
		t.Fatal(err)
	}
	if err := a.command(t, 1, "do", "op/1/do/1"); !fault.Is(err, fault.Fenced) {
		t.Errorf("the former primary commands: %v", err)
	}
	if _, err := a.win(t, 1, agent.Identity()); !fault.Is(err, fault.Fenced) {
		t.Errorf("the former primary is obeyed again: %v", err)
	}
	agent.Event("t", "2", nil)
	if e := <-b.events; e.Subject != "2" {
		t.Error(e)
	}
	if a.sessions() != 1 || b.sessions() != 1 {
		t.Errorf("%d and %d sessions instead of one each", a.sessions(), b.sessions())
	}

	// A restart: b is known from disk though only a is configured, and everything promised still holds.
	stop()
	again, _ := serveAgent(t, dir, a.url, methods)
	eventually(t, "both sessions", func() bool { return a.sessions() == 2 && b.sessions() == 2 })
	a.connected(t)
	b.connected(t)
	if again.Identity() != agent.Identity() || again.Obeyed() != (agentproto.Epoch{Counter: 2, Node: "b"}) {
		t.Error(again.Identity(), again.Obeyed())
	}
	if err := a.command(t, 1, "do", "op/2/do/1"); !fault.Is(err, fault.Fenced) {
		t.Errorf("the former primary commands after a restart: %v", err)
	}
	var accept lease.AcceptReply
	old := agentproto.Epoch{Counter: 1, Node: "a"}
	if err := a.ask(t, agentproto.MethodAccept, lease.Accept{Record: &lease.Record{Epoch: old, Seq: 9}, Proof: lease.Certify(lease.Promised, old, a.key)}, &accept); err != nil || accept.OK {
		t.Error("a promise is forgotten over a restart", accept, err)
	}
}

// TestTakeOverEndsOlderWork: what runs by order of the former primary is called off, what does not end is
// named, and its end is told.
func TestTakeOverEndsOlderWork(t *testing.T) {
	c := &cloud{}
	a, b := c.start(t, "a", agentproto.FeatureLease), c.start(t, "b", agentproto.FeatureLease)
	started, release := make(chan string, 2), make(chan struct{})
	agent, _ := serveAgent(t, t.TempDir(), a.url+", "+b.url, func(c *Config) {
		c.EndGrace, c.EndPatience = time.Millisecond, time.Second
		c.Methods = Methods{
			"polite": {Handle: func(ctx context.Context, _ *Call) (any, error) {
				started <- "polite"
				<-ctx.Done()
				return nil, ctx.Err()
			}},
			"deaf": {Handle: func(context.Context, *Call) (any, error) {
				started <- "deaf"
				<-release
				return 1, nil
			}},
		}
	})
	a.connected(t)
	b.connected(t)
	if _, err := a.win(t, 1, agent.Identity()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	for _, method := range []string{"polite", "deaf"} {
		go func() { ended <- a.command(t, 1, method, "op/"+method) }()
	}
	<-started
	<-started
	answer, err := b.win(t, 2, "")
	if err != nil || len(answer.Stuck) != 1 || answer.Stuck[0].Request != "op/deaf" || answer.Stuck[0].Epoch.Counter != 1 {
		t.Fatal(answer, err)
	}
	if err := <-ended; !fault.Is(err, fault.Cancelled) || !strings.Contains(err.Error(), "took over") {
		t.Errorf("the polite one ended with %v", err)
	}
	close(release)
	if e := <-b.events; e.Type != agentproto.EventEnded || e.Subject != "op/deaf" {
		t.Error(e)
	}
	<-ended
	if answer, err := b.win(t, 2, ""); err != nil || len(answer.Stuck) != 0 {
		t.Error(answer, err)
	}
}

// TestForgedCertificates change nothing.
func TestForgedCertificates(t *testing.T) {
	c := &cloud{}
	a := c.start(t, "a", agentproto.FeatureLease)
	agent, _ := serveAgent(t, t.TempDir(), a.url)
	a.connected(t)
	_, stranger, _ := ed25519.GenerateKey(nil)
	far := agentproto.Epoch{Counter: 1 << 63, Node: "a"}
	err := a.ask(t, agentproto.MethodAnnounce, lease.Announce{Certificate: lease.Certify(lease.Won, far, stranger), Admits: agent.Identity()}, nil)
	if !fault.Is(err, fault.Denied) {
		t.Errorf("announced by a stranger: %v", err)
	}
	var reply lease.PromiseReply
	if err := a.ask(t, agentproto.MethodPromise, lease.Promise{Certificate: lease.Certify(lease.Promised, far, stranger)}, &reply); err != nil || reply.OK || reply.Promised.Epoch.Counter != 0 {
		t.Error(reply, err)
	}
	if err := a.ask(t, agentproto.MethodRenew, []int{1}, nil); !fault.Is(err, fault.Malformed) {
		t.Errorf("nonsense: %v", err)
	}
}

// TestKahunaOfTheReleaseBefore offers nothing: its commands alone raise the epoch, and it is asked nothing
// it does not know. Brought to this release, it needs a certificate.
func TestKahunaOfTheReleaseBefore(t *testing.T) {
	c := &cloud{}
	old := c.start(t, "a")
	dir := t.TempDir()
	do := func(c *Config) { c.Methods = Methods{"do": {Handle: nothing}} }
	agent, stop := serveAgent(t, dir, old.url, do)
	old.connected(t)
	for _, counter := range []uint64{1, 3} {
		if err := old.command(t, counter, "do", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.command(t, 2, "do", ""); !fault.Is(err, fault.Fenced) {
		t.Errorf("an older epoch: %v", err)
	}
	if err := old.ask(t, agentproto.MethodPrevote, lease.Prevote{}, nil); err == nil {
		t.Error("a Kahuna of the release before is served as one of this")
	}
	if !agent.Connected() {
		t.Error("not connected")
	}
	stop()

	fresh := (&cloud{}).start(t, "a", agentproto.FeatureLease)
	_, _ = serveAgent(t, dir, fresh.url, do)
	fresh.connected(t)
	if err := fresh.command(t, 4, "do", ""); !fault.Is(err, fault.Fenced) {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := fresh.win(t, 4, ""); err != nil {
		t.Fatal(err)
	}
	if err := fresh.command(t, 4, "do", ""); err != nil {
		t.Fatal(err)
	}
}

// TestOneSessionForEachKahuna: the same one under two addresses has one session.
func TestOneSessionForEachKahuna(t *testing.T) {
	c := &cloud{}
	a := c.start(t, "a", agentproto.FeatureLease)
	agent, _ := serveAgent(t, t.TempDir(), a.url+","+strings.Replace(a.url, "127.0.0.1", "localhost", 1))
	a.connected(t)
	eventually(t, "one session that stays", func() bool {
		_, err := a.win(t, 1, agent.Identity())
		return err == nil && len(agent.kahunas.live()) == 1
	})
	if n := a.sessions(); n > 2 {
		t.Errorf("%d sessions were made", n)
	}
}

// A Kahuna that only says that it has a higher epoch, as a restored copy with the production keys might,
// takes neither the list of Kahunas nor a session away.
func TestStrayWelcomeTeachesNothing(t *testing.T) {
	c := &cloud{}
	a, b := c.start(t, "a", agentproto.FeatureLease), c.start(t, "b", agentproto.FeatureLease)
	other := &cloud{}
	stray := other.start(t, "z", agentproto.FeatureLease)
	stray.epoch = agentproto.Epoch{Counter: 9, Node: "z"}
	dir := t.TempDir()
	agent, stop := serveAgent(t, dir, a.url)
	a.connected(t)
	b.connected(t)
	if _, err := a.win(t, 1, agent.Identity()); err != nil {
		t.Fatal(err)
	}
	before := agent.kahunas.last()
	stop()
	agent, _ = serveAgent(t, dir, a.url+","+stray.url)
	stray.connected(t)
	a.connected(t)
	b.connected(t)
	if got := agent.kahunas.last(); !reflect.DeepEqual(got, before) {
		t.Errorf("the list became %+v", got)
	}
	if got := agent.Obeyed(); got.Node != "a" {
		t.Errorf("obeys %s", got)
	}
}
