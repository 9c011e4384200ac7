package fleet

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
)

// Config configures a Fleet. The callbacks of one agent run one after another, never on the goroutine
// that reads from it, and may take their time: what comes meanwhile is queued, and of presence, of each
// event's type and subject, and of each state's status the newest wins.
type Config struct {
	Credentials link.Credentials
	Epoch       func() agentproto.Epoch // that agents are welcomed with; commands carry that of the right to command
	Secret      []byte                  // see link.GateConfig
	Release     string
	Cluster     string
	Features    []string
	// Node is the id of this Kahuna, Kahunas all that there are, this one too. With a Node agents are offered
	// agentproto.FeatureLease, and a new Fleet has no right to command.
	Node    string
	Kahunas func() []agentproto.Kahuna
	// Steps is what is recorded of steps. Nil: agents keep no ledger of them, and a repeat of a step after an
	// agent's restart is done again.
	Steps Steps
	Log   *slog.Logger
	Now   func() time.Time

	Heartbeat, Silence, Handshake time.Duration // 0: link's defaults
	Handshakes                    int           // at once; 0: link's default

	CallTimeout time.Duration                    // of calls that state none; 0: 1 min
	PushTimeout time.Duration                    // for an agent to apply a state; 0: 2 min
	PushBackoff func(failures int) time.Duration // nil: full jitter below 1 s doubling to 1 min

	DisconnectTimeout time.Duration // for what is done for an agent to end when its key is revoked; 0: 3 s

	AnnounceTimeout time.Duration                    // for an agent to be admitted and to obey; 0: 1 min
	AnnounceBackoff func(failures int) time.Duration // nil: full jitter below 250 ms doubling to 8 s

	OnConnect    func(agent string, hello agentproto.Hello) // it can be commanded
	OnDisconnect func(agent string, reason error)           // after OnConnect
	OnEvent      func(agent string, e agentproto.Event)
	OnStatus     func(agent string, st agentproto.Status)
	// Handle answers calls that agents make. Nil: they have no methods to call.
	Handle func(ctx context.Context, agent, method string, env agentproto.Envelope) (any, error)
}

// Fleet holds the sessions of all agents. It is the http.Handler of agentproto.Path.
type Fleet struct {
	cfg  Config
	log  *slog.Logger
	gate *link.Gate
	live atomic.Pointer[Snapshot]

	ctx   context.Context // ends with Close
	stop  context.CancelFunc
	tasks sync.WaitGroup

	mu      sync.Mutex // held for moments; never while calling out
	members map[string]*member
	command *command
	asked   map[string]*member    // steps that are not settled, by request: who was asked last
	kahunas agentproto.KahunaList // last told
	telling uint64                // how often told
	closing bool

	uses     atomic.Uint64 // stamps for "used last"
	counters counters
}

// New makes a Fleet without agents.
func New(c Config) *Fleet {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = time.Minute
	}
	if c.PushTimeout == 0 {
		c.PushTimeout = 2 * time.Minute
	}
	if c.PushBackoff == nil {
		c.PushBackoff = jitter(time.Second, time.Minute)
	}
	if c.DisconnectTimeout == 0 {
		c.DisconnectTimeout = 3 * time.Second
	}
	if c.AnnounceTimeout == 0 {
		c.AnnounceTimeout = time.Minute
	}
	if c.AnnounceBackoff == nil {
		c.AnnounceBackoff = jitter(250*time.Millisecond, 8*time.Second)
	}
	f := &Fleet{cfg: c, log: c.Log, members: map[string]*member{}, asked: map[string]*member{}, command: newCommand(Reign{})}
	if c.Steps != nil {
		c.Features = append(slices.Clone(c.Features), agentproto.FeatureLedger)
	}
	if c.Node == "" {
		f.command.reign.Epoch = c.Epoch()
	} else {
		c.Features = append(slices.Clone(c.Features), agentproto.FeatureLease)
		f.command.over(fault.New(fault.Unavailable, "this Kahuna does not command yet"))
	}
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.live.Store(&Snapshot{changed: make(chan struct{})})
	f.gate = link.NewGate(link.GateConfig{
		Credentials: c.Credentials, Epoch: c.Epoch, Secret: c.Secret, Release: c.Release, Cluster: c.Cluster, Features: c.Features, Node: c.Node, Kahunas: c.Kahunas,
		Heartbeat: c.Heartbeat, Silence: c.Silence, Handshake: c.Handshake, Slots: c.Handshakes, Now: c.Now, Log: c.Log,
	})
	return f
}

// jitter waits a random part of a bound that doubles with each failure.
func jitter(least, most time.Duration) func(failures int) time.Duration {
	return func(failures int) time.Duration {
		return time.Duration(rand.Float64() * float64(min(most, least<<min(failures, 10))))
	}
}

// ServeHTTP answers one agent that dials in.
func (f *Fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	closing := f.closing
	if !closing {
		f.tasks.Add(1)
	}
	f.mu.Unlock()
	if closing {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Kahuna is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer f.tasks.Done()
	adm, err := f.gate.Accept(w, r)
	if err != nil {
		f.counters.refused.Add(1)
		f.log.Info("an agent was not admitted", "remote", r.RemoteAddr, "error", err)
		return
	}
	f.admit(adm)
}

// admit makes the agent's new connection its session. Between the first and the second step the key is
// looked up again: a key revoked during the handshake lets nobody in.
func (f *Fleet) admit(adm *link.Admission) {
	id := adm.Hello.Agent
	if adm.Hello.Trial {
		f.log.Info("a host proved the key of an agent", "agent", id, "remote", adm.Conn.Remote())
		adm.Welcome(stranger{})
		adm.Conn.Close("the key is the agent's")
		<-adm.Conn.Gone()
		return
	}
	f.mu.Lock()
	m := f.member(id)
	s := &session{fleet: f, member: m, conn: adm.Conn, hello: adm.Hello, proved: adm.Credential, since: f.cfg.Now(),
		leased: f.cfg.Node != "" && slices.Contains(adm.Hello.Features, agentproto.FeatureLease),
		ledger: f.cfg.Steps != nil && slices.Contains(adm.Hello.Features, agentproto.FeatureLedger)}
	m.arriving[s] = struct{}{}
	f.mu.Unlock()

	cred, ok := f.cfg.Credentials.Lookup(id)
	valid := ok && cred.Same(adm.Credential) && !cred.Expired(f.cfg.Now())

	f.mu.Lock()
	delete(m.arriving, s)
	var refusal error
	switch {
	case f.closing:
		refusal = fault.New(fault.Unavailable, "Kahuna is shutting down")
	case !valid || s.revoked:
		refusal = fault.New(fault.Unauthenticated, "the agent's key was revoked")
	}
	if refusal != nil {
		f.mu.Unlock()
		f.counters.refused.Add(1)
		adm.Refuse(refusal)
		<-adm.Conn.Gone()
		return
	}
	old := m.session
	m.session = s
	m.hello, m.leased = s.hello, s.leased
	var greeting greeting
	right := f.command
	if !s.leased {
		greeting = m.greet(f.command.reign.Epoch)
	}
	if !cred.Expires.IsZero() {
		s.expiry = time.AfterFunc(cred.Expires.Sub(f.cfg.Now()), func() { s.conn.Revoke("the key expired") })
	}
	f.publish()
	f.tasks.Add(1) // until the session is gone
	f.mu.Unlock()

	f.counters.connects.Add(1)
	log := f.log.With("agent", id, "kind", adm.Hello.Kind, "remote", adm.Conn.Remote(), "session", adm.Hello.Session)
	if old != nil {
		f.counters.superseded.Add(1)
		if old.hello.Identity != adm.Hello.Identity {
			log.Warn("a second host connected as this agent; the older session ends", "identity", adm.Hello.Identity, "before", old.hello.Identity)
		}
		old.conn.Supersede()
	}
	log.Info("agent connected", "release", adm.Hello.Release)
	if s.leased {
		adm.Welcome(s)
		f.attend(s)
	} else {
		if right.ctx.Err() == nil {
			right.welcomed(s)
		}
		f.connected(m, greeting)
		adm.Welcome(s)
		f.resume(s, greeting)
	}
	adm.Conn.AfterDone(s.ended)
}

// ended runs when a connection is over. Only the session that is still the agent's own is removed: a
// newer one stays (an older watcher never unregisters it).
func (s *session) ended() {
	f, m := s.fleet, s.member
	f.mu.Lock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	current, online := m.session == s, f.command.commands(s)
	if current {
		m.session = nil
		m.left(s)
		f.publish()
	}
	f.mu.Unlock()
	if current {
		f.departed(m, online, s.conn.Err())
	}
	<-s.conn.Gone()
	f.tasks.Done()
}

func (f *Fleet) departed(m *member, online bool, reason error) {
	f.log.Info("agent disconnected", "agent", m.id, "reason", reason)
	if online && f.cfg.OnDisconnect != nil {
		f.post(m, presenceKey, func() { f.cfg.OnDisconnect(m.id, reason) })
	}
}

// Disconnect ends the agent's session because its key may not be used any more; call it after the
// credential is changed. When it returns the agent is offline, nothing it sends is acted upon, and no
// handshake that began with the old credential lets it in. What is still done for the agent delays it by
// DisconnectTimeout at most.
func (f *Fleet) Disconnect(agent string) {
	s := f.cutOff(agent)
	if s == nil {
		return
	}
	timer := time.NewTimer(f.cfg.DisconnectTimeout) // a handler of ours that does not end holds the connection's end, not its use
	defer timer.Stop()
	select {
	case <-s.conn.Gone():
	case <-timer.C:
	}
}

// cutOff is Disconnect, but waits for nothing. It returns the session, nil if there was none.
func (f *Fleet) cutOff(agent string) *session {
	f.mu.Lock()
	m, ok := f.members[agent]
	if !ok {
		f.mu.Unlock()
		return nil
	}
	for s := range m.arriving {
		s.revoked = true
	}
	s := m.session
	online := f.command.commands(s)
	if s != nil {
		m.session = nil
		m.left(s)
		f.publish()
	}
	f.mu.Unlock()
	if s == nil {
		return nil
	}
	f.departed(m, online, fault.New(fault.Denied, "the agent's key was revoked"))
	s.conn.Revoke("the agent's key was revoked")
	return s
}

// Forget disconnects an agent and drops everything known of it, its desired states too. It is for
// agents that were deleted.
func (f *Fleet) Forget(agent string) {
	f.Disconnect(agent)
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.members[agent]; ok && m.session == nil {
		m.desired = map[string]*want{}
		delete(f.members, agent)
		f.publish()
	}
}

// Close refuses new agents, says goodbye to all and waits until every session and callback ended, or
// ctx does. Calls still waiting fail with Unavailable.
func (f *Fleet) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closing = true
	var sessions []*session
	for _, m := range f.members {
		if m.session != nil {
			sessions = append(sessions, m.session)
		}
	}
	f.mu.Unlock()
	f.stop()
	for _, s := range sessions {
		s.conn.Close("Kahuna is shutting down")
	}
	done := make(chan struct{})
	go func() {
		f.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "say goodbye to the agents")
	}
}
