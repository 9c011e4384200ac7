package link

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// PipeProtocol is what both ends of a pipe must offer in the WebSocket handshake.
const PipeProtocol = "kowabunga.pair.v1"

// pipeKind stands where an agent's kind is in the user name of the handshake.
const pipeKind agentproto.Kind = "Kahuna"

// PipeMessage bounds one message of a pipe, in bytes.
const PipeMessage = 8 << 20

// Pipe is a connection of two that hold the same key. One goroutine may read and one may write at a time.
type Pipe struct {
	sock *socket
	Name string // what the peer calls itself; only the key proves anything

	in, out *atomic.Uint64 // bytes of messages, counted for the caller; may be nil
}

// Count adds the bytes of all messages that are read and written from now on to what the caller keeps. It is
// called before the first Read and Write.
func (p *Pipe) Count(in, out *atomic.Uint64) { p.in, p.out = in, out }

// PipeTarget says where a pipe leads.
type PipeTarget struct {
	URL   string // https://HOST[:PORT]; plain http only to this machine itself
	Path  string // of the door
	Name  string // of this end: letters, digits and dashes
	Key   string // random, of at least 128 bits
	Roots *x509.CertPool
}

// DialPipe connects and proves, both ways, that the key is the same. Faults: Denied and Unauthenticated
// when it is not; Unavailable when nobody answers.
func DialPipe(ctx context.Context, t PipeTarget) (*Pipe, error) {
	address, plain, err := doorOf(t.URL, t.Path)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport("", plain)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig.RootCAs = t.Roots
	ctx, cancel := context.WithTimeout(ctx, DefaultHandshake)
	defer cancel()
	sock, err := dialSocket(ctx, address, PipeProtocol, transport)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "connect to "+address)
	}
	if err := provePipe(ctx, sock, t); err != nil {
		sock.drop()
		return nil, fault.Wrap(err, fault.Unavailable, "introduce this Kahuna to "+address)
	}
	sock.binary(PipeMessage)
	return &Pipe{sock: sock}, nil
}

func provePipe(ctx context.Context, sock *socket, t PipeTarget) error {
	proof, first, err := newClientProof(pipeKind, t.Name, t.Key)
	if err != nil {
		return err
	}
	challenge, err := exchange(ctx, sock, agentproto.Frame{SCRAM: first})
	if err != nil {
		return err
	}
	final, err := proof.answer(challenge.SCRAM)
	if err != nil {
		return err
	}
	verdict, err := exchange(ctx, sock, agentproto.Frame{SCRAM: final})
	if err != nil {
		return err
	}
	if err := proof.finish(verdict.SCRAM); err != nil {
		return &fault.Error{Code: fault.Denied, Message: "the other end does not know the pair key; check the URL and the key file", Err: err}
	}
	return nil
}

// Door is the other end of pipes.
type Door struct {
	cred  Credential
	slots chan struct{}
	blame *blame
}

// NewDoor makes the door for those who hold the key.
func NewDoor(key string) *Door {
	cred := Derive(key, NewSalt(), Iterations)
	cred.Kind = pipeKind
	return &Door{cred: cred, slots: make(chan struct{}, 8), blame: newBlame(rate.Limit(1), 20)}
}

// Accept answers one request for a pipe. On error the answer is already given.
func (d *Door) Accept(w http.ResponseWriter, r *http.Request) (*Pipe, error) {
	if r.Header.Get("Origin") != "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !offers(r.Header, PipeProtocol) {
		return nil, turnAway(w, http.StatusForbidden, fault.Denied, "this address is for the other Kahuna, which speaks "+PipeProtocol+" over WebSocket")
	}
	remote := remoteKey(r.RemoteAddr)
	if !d.blame.innocent(remote, time.Now()) {
		return nil, turnAway(w, http.StatusTooManyRequests, fault.Throttled, "too many failed handshakes from this address")
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		return nil, turnAway(w, http.StatusServiceUnavailable, fault.Unavailable, "too many handshakes at once")
	}
	sock, err := acceptSocket(w, r, PipeProtocol)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), DefaultHandshake)
	defer cancel()
	name, err := d.verify(ctx, sock)
	if err != nil {
		d.blame.failed(remote, time.Now())
		_ = sendFrame(ctx, sock, agentproto.Frame{Refused: refusal(err)}) // the peer may be gone already
		sock.drop()
		return nil, fault.Wrap(err, fault.Unavailable, "admit the other Kahuna")
	}
	sock.binary(PipeMessage)
	return &Pipe{sock: sock, Name: name}, nil
}

func (d *Door) verify(ctx context.Context, sock *socket) (string, error) {
	frame, err := readFrame(ctx, sock)
	if err != nil {
		return "", err
	}
	proof, challenge, err := newServerProof(frame.SCRAM, agentproto.Epoch{}, func(kind agentproto.Kind, _ string) (Credential, string) {
		if kind != pipeKind {
			return d.cred, "this is no Kahuna"
		}
		return d.cred, ""
	})
	if err != nil {
		return "", err
	}
	if err := sendFrame(ctx, sock, agentproto.Frame{SCRAM: challenge}); err != nil {
		return "", err
	}
	if frame, err = readFrame(ctx, sock); err != nil {
		return "", err
	}
	verdict, err := proof.finish(frame.SCRAM)
	if err != nil {
		return "", fault.New(fault.Unauthenticated, "the pair key is not the same at both ends; copy it anew from the primary (kowabunga kahuna pair-key)")
	}
	return proof.agent, sendFrame(ctx, sock, agentproto.Frame{SCRAM: verdict})
}

// Read returns the next message, which is valid until the next Read.
func (p *Pipe) Read(ctx context.Context) ([]byte, error) {
	raw, err := p.sock.read(ctx)
	if p.in != nil {
		p.in.Add(uint64(len(raw)))
	}
	return raw, err
}

// Write sends one message; a piece of it that nobody takes for so long ends the connection.
func (p *Pipe) Write(ctx context.Context, message []byte, stall time.Duration) error {
	err := p.sock.write(ctx, message, stall)
	if p.out != nil && err == nil {
		p.out.Add(uint64(len(message)))
	}
	return err
}

// Close ends the connection at once.
func (p *Pipe) Close() { p.sock.drop() }

// Remote is the peer's address; empty at the dialling end.
func (p *Pipe) Remote() string { return p.sock.remote }

// NewPairKey draws a key for pipes.
func NewPairKey() string { return rand.Text() + rand.Text() }
