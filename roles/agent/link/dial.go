package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
)

// Defaults of a connection's liveness: a ping each way every 15 s, given up after 45 s of silence, so
// that a stall of the network or a paused peer does not cut off a region.
const (
	DefaultHeartbeat = 15 * time.Second
	DefaultSilence   = 45 * time.Second
	DefaultHandshake = 10 * time.Second // for the whole handshake, TLS included
)

// Target says where an agent dials and who it is.
type Target struct {
	URL       string // https://HOST[:PORT][/PREFIX]; plain http only to this machine itself
	CAFile    string // PEM certificates to trust instead of the system's; empty: the system's
	Key       string
	Hello     agentproto.Hello // Kind, Agent and Obeyed are used in the handshake too
	Handshake time.Duration    // 0: DefaultHandshake
	Log       *slog.Logger
}

// Dial connects to Kahuna, proves who the agent is, checks that Kahuna knows its key, and exchanges
// Hello and Welcome. The connection does nothing before Start. Errors: Unauthenticated when Kahuna
// refuses id, kind or key; Denied when it is no Kahuna to trust or the URL is not safe; Fenced when
// its epoch is lower than the one obeyed, unless both know of several Kahunas; Throttled and Unavailable ask to come back later.
func Dial(ctx context.Context, t Target) (*Conn, agentproto.Welcome, error) {
	address, plain, err := Address(t.URL)
	if err != nil {
		return nil, agentproto.Welcome{}, err
	}
	transport, err := newTransport(t.CAFile, plain)
	if err != nil {
		return nil, agentproto.Welcome{}, err
	}
	if t.Handshake == 0 {
		t.Handshake = DefaultHandshake
	}
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, t.Handshake)
	defer cancel()
	sock, err := dialSocket(ctx, address, agentproto.Subprotocol, transport)
	if err != nil {
		return nil, agentproto.Welcome{}, fault.Wrap(err, fault.Unavailable, "connect to "+address)
	}
	welcome, err := introduce(ctx, sock, t)
	if err != nil {
		go sock.close(closePolicy, "handshake failed")
		time.AfterFunc(linger, sock.cut)
		return nil, agentproto.Welcome{}, fault.Wrap(err, fault.Unavailable, "introduce the agent to "+address)
	}
	beats, silence := liveness(time.Duration(welcome.Heartbeat)*time.Millisecond, time.Duration(welcome.Silence)*time.Millisecond)
	return newConn(sock, t.Log, beats, silence), welcome, nil
}

// Start begins to answer the peer's calls and allows calls to it.
func (c *Conn) Start(peer Peer) { c.start(peer) }

// introduce is the agent's half of the handshake.
func introduce(ctx context.Context, sock *socket, t Target) (agentproto.Welcome, error) {
	none := agentproto.Welcome{}
	proof, first, err := newClientProof(t.Hello.Kind, t.Hello.Agent, t.Key)
	if err != nil {
		return none, err
	}
	challenge, err := exchange(ctx, sock, agentproto.Frame{SCRAM: first})
	if err != nil {
		return none, err
	}
	final, err := proof.answer(challenge.SCRAM)
	if err != nil {
		return none, err
	}
	verdict, err := exchange(ctx, sock, agentproto.Frame{SCRAM: final})
	if err != nil {
		return none, err
	}
	if err := proof.finish(verdict.SCRAM); err != nil {
		return none, err
	}
	answer, err := exchange(ctx, sock, agentproto.Frame{Hello: &t.Hello})
	if err != nil {
		return none, err
	}
	switch {
	case answer.Welcome == nil:
		return none, malformed("welcome")
	case answer.Welcome.Epoch != proof.epoch:
		return none, fault.New(fault.Denied, "Kahuna welcomes with epoch %s but signed %s; somebody may be in between", answer.Welcome.Epoch, proof.epoch)
	case proof.epoch.Compare(t.Hello.Obeyed) < 0 && !leased(t.Hello.Features, answer.Welcome.Features):
		return none, fencedBy(proof.epoch, t.Hello.Obeyed)
	}
	return *answer.Welcome, nil
}

// leased tells whether both ends know that there may be two Kahunas: then a session is to any of them, and
// each message is judged by its own epoch.
func leased(agent, kahuna []string) bool {
	return slices.Contains(agent, agentproto.FeatureLease) && slices.Contains(kahuna, agentproto.FeatureLease)
}

func fencedBy(offered, obeyed agentproto.Epoch) error {
	return fault.New(fault.Fenced, "this Kahuna's epoch %s is older than %s, which the agent obeys; another Kahuna took over", offered, obeyed)
}

// exchange sends a frame and reads the answer; a refusal becomes its fault.
func exchange(ctx context.Context, sock *socket, f agentproto.Frame) (agentproto.Frame, error) {
	if err := sendFrame(ctx, sock, f); err != nil {
		return agentproto.Frame{}, err
	}
	answer, err := readFrame(ctx, sock)
	if err == nil && answer.Refused != nil {
		return agentproto.Frame{}, fault.New(answer.Refused.Code, "%s", answer.Refused.Message)
	}
	return answer, err
}

func sendFrame(ctx context.Context, sock *socket, f agentproto.Frame) error {
	data, err := json.Marshal(release.More(f))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode the handshake")
	}
	return fault.Wrap(sock.write(ctx, data, DefaultHandshake), fault.Unavailable, "send the handshake")
}

func readFrame(ctx context.Context, sock *socket) (agentproto.Frame, error) {
	data, err := sock.read(ctx)
	if err != nil {
		return agentproto.Frame{}, err
	}
	return agentproto.DecodeFrame(data)
}

// liveness fills in defaults and keeps room for at least one lost ping.
func liveness(beats, silence time.Duration) (time.Duration, time.Duration) {
	if beats <= 0 {
		beats = DefaultHeartbeat
	}
	if silence <= 0 {
		silence = DefaultSilence
	}
	return beats, max(silence, 2*beats)
}

// Address checks the URL of a Kahuna and returns that of its agents' door. Plain HTTP is refused
// except to the machine itself: without TLS nobody knows whom the commands come from.
func Address(text string) (address string, plain bool, err error) {
	return doorOf(text, agentproto.Path)
}

// doorOf is the WebSocket URL of a path at a Kahuna.
func doorOf(text, path string) (address string, plain bool, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", false, fault.Bad("url", "%q is not a URL; give https://HOST[:PORT]", text)
	}
	switch u.Scheme {
	case "https", "wss":
		u.Scheme = "wss"
	case "http", "ws":
		if !loopback(u.Hostname()) {
			return "", false, fault.Bad("url", "%s would go over the network unprotected; use https (plain http is for this machine itself, 127.0.0.1)", text)
		}
		u.Scheme, plain = "ws", true
	default:
		return "", false, fault.Bad("url", "%q has scheme %q; use https", text, u.Scheme)
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), path) + path
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String(), plain, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// newTransport trusts the given certificates. A plain connection must really end on this machine,
// whatever its name resolves to.
func newTransport(caFile string, plain bool) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, &fault.Error{Code: fault.Invalid, Op: "read the CA file", Field: "ca", Message: "cannot read " + caFile, Err: err}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.Bad("ca", "%s holds no PEM certificate", caFile)
		}
	}
	dialer := &net.Dialer{KeepAlive: DefaultHeartbeat}
	transport := &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: 64 << 10, ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10,
		DialContext: dialer.DialContext,
	}
	if !plain {
		transport.Proxy = http.ProxyFromEnvironment
		return transport, nil
	}
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
			conn.Close()
			return nil, fault.New(fault.Denied, "%s is not this machine; use https", addr)
		}
		return conn, nil
	}
	return transport, nil
}
