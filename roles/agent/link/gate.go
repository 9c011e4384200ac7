package link

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
)

// GateConfig configures Kahuna's door for agents.
type GateConfig struct {
	Credentials Credentials
	Epoch       func() agentproto.Epoch
	Secret      []byte // for what unknown agents are shown; the same across restarts. Empty: drawn
	Release     string
	Cluster     string
	Features    []string
	Node        string                     // id of this Kahuna, for agents that know of several
	Kahunas     func() []agentproto.Kahuna // all that there are, this one too; nil: none are told
	Heartbeat   time.Duration              // 0: DefaultHeartbeat
	Silence     time.Duration              // 0: DefaultSilence
	Handshake   time.Duration              // bound of one handshake; 0: DefaultHandshake
	Slots       int                        // handshakes at once; 0: 64
	Wait        time.Duration              // for a free slot before 503; 0: 2 s
	Failures    int                        // failed handshakes one remote may have at once, refilled one a second; 0: 60
	Now         func() time.Time
	Log         *slog.Logger
}

// Gate lets agents in: it answers the HTTP upgrade and does Kahuna's half of the handshake.
type Gate struct {
	GateConfig
	slots chan struct{}
	blame *blame
}

// NewGate fills in defaults.
func NewGate(c GateConfig) *Gate {
	c.Heartbeat, c.Silence = liveness(c.Heartbeat, c.Silence)
	if c.Handshake == 0 {
		c.Handshake = DefaultHandshake
	}
	if c.Slots == 0 {
		c.Slots = 64
	}
	if c.Wait == 0 {
		c.Wait = 2 * time.Second
	}
	if c.Failures == 0 {
		c.Failures = 60
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Secret) == 0 {
		c.Secret = make([]byte, 32)
		rand.Read(c.Secret)
	}
	if release.Feature != "" {
		c.Features = append(slices.Clone(c.Features), release.Feature)
	}
	return &Gate{GateConfig: c, slots: make(chan struct{}, c.Slots), blame: newBlame(rate.Limit(1), c.Failures)}
}

// Admission is an agent that proved who it is and said hello. It must be answered with Welcome or Refuse.
type Admission struct {
	Conn       *Conn
	Hello      agentproto.Hello
	Credential Credential
	welcome    []byte
}

// Accept answers one request for agentproto.Path. On error the answer is already given and the
// connection closed; the error is for the log of the caller and says who it was.
func (g *Gate) Accept(w http.ResponseWriter, r *http.Request) (*Admission, error) {
	if err := refuseForeign(w, r); err != nil {
		return nil, err
	}
	remote := remoteKey(r.RemoteAddr)
	if !g.blame.innocent(remote, g.Now()) {
		return nil, turnAway(w, http.StatusTooManyRequests, fault.Throttled, "too many failed handshakes from this address")
	}
	timer := time.NewTimer(g.Wait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
	case <-timer.C:
		return nil, turnAway(w, http.StatusServiceUnavailable, fault.Unavailable, "too many agents are connecting at once")
	case <-r.Context().Done():
		return nil, fault.From(r.Context().Err())
	}
	sock, adm, err := g.handshake(w, r)
	if err == nil {
		return adm, nil
	}
	if code := fault.CodeOf(err); code != fault.Fenced && code != fault.Internal {
		g.blame.failed(remote, g.Now())
	}
	if sock != nil {
		g.refuse(sock, err)
	}
	return nil, err
}

// handshake gives the slot back at its end, before a refused agent, which may be slow to leave, is seen off.
func (g *Gate) handshake(w http.ResponseWriter, r *http.Request) (*socket, *Admission, error) {
	defer func() { <-g.slots }()
	sock, err := acceptSocket(w, r, agentproto.Subprotocol)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.Handshake)
	defer cancel()
	adm, err := g.verify(ctx, sock)
	return sock, adm, fault.Wrap(err, fault.Unavailable, "admit an agent")
}

// verify is Kahuna's half of the handshake up to Hello.
func (g *Gate) verify(ctx context.Context, sock *socket) (*Admission, error) {
	epoch := g.Epoch()
	frame, err := readFrame(ctx, sock)
	if err != nil {
		return nil, err
	}
	proof, challenge, err := newServerProof(frame.SCRAM, epoch, g.look)
	if err != nil {
		return nil, err
	}
	log := g.Log.With("agent", proof.agent, "kind", proof.kind, "remote", sock.remote)
	if err := sendFrame(ctx, sock, agentproto.Frame{SCRAM: challenge}); err != nil {
		return nil, err
	}
	if frame, err = readFrame(ctx, sock); err != nil {
		return nil, err
	}
	verdict, err := proof.finish(frame.SCRAM)
	if err != nil {
		log.Warn("an agent was refused", "why", refusalReason(proof))
		return nil, err
	}
	if err := sendFrame(ctx, sock, agentproto.Frame{SCRAM: verdict}); err != nil {
		return nil, err
	}
	if frame, err = readFrame(ctx, sock); err != nil {
		return nil, err
	}
	if err := checkHello(frame.Hello, proof, epoch, g.Features); err != nil {
		log.Warn("an agent was refused", "why", fault.From(err).Public())
		return nil, err
	}
	hail := agentproto.Welcome{
		Protocol: agentproto.Version, Release: g.Release, Cluster: g.Cluster, Epoch: epoch, Features: g.Features,
		Heartbeat: g.Heartbeat.Milliseconds(), Silence: g.Silence.Milliseconds(), Node: g.Node,
	}
	if g.Kahunas != nil {
		hail.Kahunas = g.Kahunas()
	}
	welcome, err := json.Marshal(release.More(agentproto.Frame{Welcome: &hail}))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "welcome an agent")
	}
	conn := newConn(sock, g.Log.With("agent", proof.agent), g.Heartbeat, g.Silence)
	return &Admission{Conn: conn, Hello: *frame.Hello, Credential: proof.cred, welcome: welcome}, nil
}

// look finds the credential of an agent. Whoever may not come in goes through the same exchange.
func (g *Gate) look(kind agentproto.Kind, agent string) (Credential, string) {
	cred, ok := g.Credentials.Lookup(agent)
	switch {
	case !ok || len(cred.Salt) != SaltSize:
		return pretend(g.Secret, agent, nil), "no such agent, or it has no key"
	case cred.Kind != kind:
		return pretend(g.Secret, agent, cred.Salt), "the agent is a " + string(cred.Kind)
	case cred.Expired(g.Now()):
		return pretend(g.Secret, agent, cred.Salt), "the key expired"
	}
	return cred, ""
}

func refusalReason(p *serverProof) string {
	if p.why != "" {
		return p.why
	}
	return "the key is wrong"
}

func checkHello(h *agentproto.Hello, p *serverProof, epoch agentproto.Epoch, features []string) error {
	switch {
	case h == nil:
		return malformed("hello")
	case h.Agent != p.agent || h.Kind != p.kind:
		return fault.New(fault.Denied, "the hello names another agent than the proof")
	case h.Identity == "" || h.Session == "":
		return fault.New(fault.Malformed, "the hello lacks the agent's identity or session")
	case h.Protocol < agentproto.Version-1 || h.Protocol > agentproto.Version+1:
		return fault.New(fault.Denied, "the agent speaks protocol %d, this Kahuna %d; bring them to releases at most one apart", h.Protocol, agentproto.Version)
	case epoch.Compare(h.Obeyed) < 0 && !leased(h.Features, features):
		return fencedBy(epoch, h.Obeyed)
	}
	return nil
}

// Welcome lets the agent in and starts the connection. Whatever is sent to it comes after the welcome.
func (a *Admission) Welcome(peer Peer) {
	if cost, ok := a.Conn.out.tryReserve(len(a.welcome)); ok {
		a.Conn.out.push(a.welcome, cost)
	}
	a.Conn.start(peer)
}

// Refuse turns the agent away after all, at once; the socket closes behind it.
func (a *Admission) Refuse(err error) {
	if data, e := json.Marshal(release.More(agentproto.Frame{Refused: refusal(err)})); e == nil {
		if cost, ok := a.Conn.out.tryReserve(len(data)); ok {
			a.Conn.out.push(data, cost)
		}
	}
	a.Conn.end(err, closePolicy, fault.From(err).Public(), true)
}

func refusal(err error) *agentproto.Refusal {
	f := fault.From(err)
	return &agentproto.Refusal{Code: f.Code, Message: f.Public()}
}

func (g *Gate) refuse(sock *socket, err error) {
	timer := time.AfterFunc(2*linger, sock.cut)
	defer timer.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), linger)
	defer cancel()
	_ = sendFrame(ctx, sock, agentproto.Frame{Refused: refusal(err)}) // the peer may be gone already
	sock.close(closePolicy, fault.From(err).Public())
}

// refuseForeign turns away browsers, agents of the earlier system and whoever does not ask for a
// WebSocket of our protocol.
func refuseForeign(w http.ResponseWriter, r *http.Request) error {
	h := r.Header
	switch {
	case h.Get("Origin") != "":
		return turnAway(w, http.StatusForbidden, fault.Denied, "this address is for Kowabunga agents, not for browsers")
	case h.Get("X-WS-Kowabunga-Agent") != "" || h.Get("X-WS-Kowabunga-Id") != "" || h.Get("X-WS-Kowabunga-Api-Key") != "":
		return turnAway(w, http.StatusUpgradeRequired, fault.Denied, "this is an agent of the earlier Kowabunga; install the `kowabunga` executable on the host, then run `kowabunga kaktus join` with a new key")
	case !strings.EqualFold(h.Get("Upgrade"), "websocket") || !offers(h, agentproto.Subprotocol):
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		return turnAway(w, http.StatusUpgradeRequired, fault.Denied, "this address is for Kowabunga agents that speak "+agentproto.Subprotocol+" over WebSocket; install the `kowabunga` executable of this release")
	}
	return nil
}

func offers(h http.Header, protocol string) bool {
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for _, one := range strings.Split(line, ",") {
			if strings.TrimSpace(one) == protocol {
				return true
			}
		}
	}
	return false
}

func turnAway(w http.ResponseWriter, status int, code fault.Code, text string) error {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, text, status)
	return fault.New(code, "%s", text)
}
