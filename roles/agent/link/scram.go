package link

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// The SCRAM library trusts the shape of what it parses: an empty first field or a proof of more than
// 32 bytes makes it panic. So every message is checked against the one shape our side sends first.

const (
	gs2Header = "n,,"
	gs2Bound  = "biws" // base64 of gs2Header
	proofText = 44     // base64 length of 32 bytes
	maxSCRAM  = 1024
)

func malformed(what string) error {
	return fault.New(fault.Malformed, "the handshake's %s message has the wrong shape", what)
}

// checkClientFirst accepts "n,,n=Kind/id,r=nonce".
func checkClientFirst(m string) (kind agentproto.Kind, agent string, err error) {
	rest, ok := strings.CutPrefix(m, gs2Header+"n=")
	name, nonce, ok2 := strings.Cut(rest, ",r=")
	kind, agent, ok3 := agentproto.ParseUserName(name)
	if !ok || !ok2 || !ok3 || len(m) > maxSCRAM || len(nonce) < 16 || strings.ContainsAny(nonce, ",\x00") {
		return "", "", malformed("first")
	}
	return kind, agent, nil
}

// checkClientFinal accepts "c=biws,r=nonce,p=proof" with a proof of 32 bytes.
func checkClientFinal(m string) error {
	fields := strings.Split(m, ",")
	if len(m) > maxSCRAM || len(fields) != 3 || fields[0] != "c="+gs2Bound || !strings.HasPrefix(fields[1], "r=") || !proof(fields[2], "p=") {
		return malformed("final")
	}
	return nil
}

// checkServerFirst accepts "r=nonce,s=salt,i=rounds" and returns the epoch inside the nonce.
func checkServerFirst(m string) (agentproto.Epoch, error) {
	fields := strings.Split(m, ",")
	if len(m) > maxSCRAM || len(fields) != 3 || !strings.HasPrefix(fields[0], "r=") || !strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return agentproto.Epoch{}, malformed("server's first")
	}
	rounds, err := strconv.Atoi(fields[2][2:])
	if err != nil || rounds < agentproto.MinIterations || rounds > agentproto.MaxIterations {
		return agentproto.Epoch{}, fault.New(fault.Denied, "Kahuna asks for %s key rounds, outside %d to %d; this is not a Kahuna to trust", fields[2][2:], agentproto.MinIterations, agentproto.MaxIterations)
	}
	epoch, ok := agentproto.NonceEpoch(fields[0][2:])
	if !ok {
		return agentproto.Epoch{}, malformed("server's first")
	}
	return epoch, nil
}

func proof(field, prefix string) bool {
	text, ok := strings.CutPrefix(field, prefix)
	if !ok || len(text) != proofText {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(raw) == 32
}

// clientProof is the agent's half.
type clientProof struct {
	conv  *scram.ClientConversation
	epoch agentproto.Epoch // signed by both sides once finish succeeded
}

func newClientProof(kind agentproto.Kind, agent, key string) (*clientProof, string, error) {
	client, err := scram.SHA256.NewClientUnprepped(agentproto.UserName(kind, agent), key, "")
	if err != nil {
		return nil, "", fault.Wrap(err, fault.Internal, "start the handshake")
	}
	p := &clientProof{conv: client.WithMinIterations(agentproto.MinIterations).NewConversation()}
	first, err := p.conv.Step("")
	return p, first, fault.Wrap(err, fault.Internal, "start the handshake")
}

func (p *clientProof) answer(serverFirst string) (string, error) {
	epoch, err := checkServerFirst(serverFirst)
	if err != nil {
		return "", err
	}
	p.epoch = epoch
	final, err := p.conv.Step(serverFirst)
	return final, fault.Wrap(err, fault.Denied, "answer Kahuna's challenge")
}

func (p *clientProof) finish(serverFinal string) error {
	if !proof(serverFinal, "v=") {
		return malformed("server's final")
	}
	if _, err := p.conv.Step(serverFinal); err != nil || !p.conv.Valid() {
		return &fault.Error{Code: fault.Denied, Message: "the server does not know this agent's key, so it is not the agent's Kahuna; check the URL", Err: err}
	}
	return nil
}

// serverProof is Kahuna's half.
type serverProof struct {
	conv  *scram.ServerConversation
	kind  agentproto.Kind
	agent string
	cred  Credential
	why   string // for the log: what is wrong although the exchange goes on; empty if nothing
}

// newServerProof answers the first message. look gives the credential and, when the agent may not come
// in, the reason; the exchange then goes on with a pretended one.
func newServerProof(first string, epoch agentproto.Epoch, look func(kind agentproto.Kind, agent string) (Credential, string)) (*serverProof, string, error) {
	kind, agent, err := checkClientFirst(first)
	if err != nil {
		return nil, "", err
	}
	p := &serverProof{kind: kind, agent: agent}
	p.cred, p.why = look(kind, agent)
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(p.cred.Salt), Iters: p.cred.Iterations},
			StoredKey:  p.cred.StoredKey, ServerKey: p.cred.ServerKey,
		}, nil
	})
	if err != nil {
		return nil, "", fault.Wrap(err, fault.Internal, "verify an agent")
	}
	nonce := agentproto.ServerNonce(base64.StdEncoding.EncodeToString(drawNonce()), epoch)
	p.conv = server.WithNonceGenerator(func() string { return nonce }).NewConversation()
	answer, err := p.conv.Step(first)
	if err != nil {
		return nil, "", malformed("first")
	}
	return p, answer, nil
}

func (p *serverProof) finish(final string) (string, error) {
	if err := checkClientFinal(final); err != nil {
		return "", err
	}
	answer, err := p.conv.Step(final)
	if err != nil || !p.conv.Valid() || p.why != "" {
		refusal := errProof()
		refusal.Err = err
		return "", refusal
	}
	return answer, nil
}

func drawNonce() []byte {
	raw := make([]byte, 24)
	rand.Read(raw)
	return raw
}
