package agentproto

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"kowabunga/core/fault"
)

// The handshake is six text frames before the first JSON-RPC message, each one JSON object with
// exactly one member:
//
//	agent  -> {"scram": client-first}     user name Kind/id, the agent's nonce
//	Kahuna -> {"scram": server-first}     both nonces and Kahuna's epoch, salt, iterations
//	agent  -> {"scram": client-final}     the proof
//	Kahuna -> {"scram": server-final}     Kahuna's own proof: it knows the agent's verifier
//	agent  -> {"hello": Hello}
//	Kahuna -> {"welcome": Welcome}        its epoch must be the one signed above
//
// Instead of any of its frames Kahuna may send {"refused": Refusal} and close.
const (
	Mechanism     = "SCRAM-SHA-256" // RFC 7677
	MaxHandshake  = 64 << 10        // bytes in one frame of the handshake
	MinIterations = 4096            // PBKDF2 rounds, RFC 7677 section 4
	MaxIterations = 1 << 20         // more would let a false Kahuna burn the agent's processor
)

// Frame is one frame of the handshake.
type Frame struct {
	SCRAM   string   `json:"scram,omitempty"`
	Hello   *Hello   `json:"hello,omitempty"`
	Welcome *Welcome `json:"welcome,omitempty"`
	Refused *Refusal `json:"refused,omitempty"`
}

// Refusal tells an agent why it may not come in. Every failure to prove an identity has the same one.
type Refusal struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// DecodeFrame reads one frame; it must have exactly one member.
func DecodeFrame(data []byte) (Frame, error) {
	var f Frame
	if len(data) > MaxHandshake {
		return Frame{}, fault.New(fault.Malformed, "a handshake frame of %d bytes is larger than %d", len(data), MaxHandshake)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return Frame{}, &fault.Error{Code: fault.Malformed, Message: "a handshake frame is not a JSON object", Err: err}
	}
	members := 0
	for _, there := range []bool{f.SCRAM != "", f.Hello != nil, f.Welcome != nil, f.Refused != nil} {
		if there {
			members++
		}
	}
	if members != 1 {
		return Frame{}, fault.New(fault.Malformed, "a handshake frame has %d members instead of one", members)
	}
	return f, nil
}

// UserName is the SCRAM user name of an agent, "Kind/id", so that the signature covers its kind.
func UserName(kind Kind, agent string) string { return string(kind) + "/" + agent }

// ParseUserName is the inverse of UserName.
func ParseUserName(name string) (Kind, string, bool) {
	kind, agent, ok := strings.Cut(name, "/")
	return Kind(kind), agent, ok && kind != "" && agent != "" && !strings.ContainsAny(name, ",=\x00")
}

// ServerNonce folds an epoch into Kahuna's half of the SCRAM nonce, so that both signatures cover it:
// "random.counter.node", the node in unpadded base64url. random must have neither comma nor control
// characters.
func ServerNonce(random string, e Epoch) string {
	return random + "." + strconv.FormatUint(e.Counter, 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(e.Node))
}

// NonceEpoch reads the epoch back from a whole nonce.
func NonceEpoch(nonce string) (Epoch, bool) {
	rest, node, ok := cutLast(nonce)
	if !ok {
		return Epoch{}, false
	}
	_, counter, ok := cutLast(rest)
	if !ok {
		return Epoch{}, false
	}
	n, err := strconv.ParseUint(counter, 10, 64)
	if err != nil {
		return Epoch{}, false
	}
	name, err := base64.RawURLEncoding.DecodeString(node)
	if err != nil {
		return Epoch{}, false
	}
	return Epoch{Counter: n, Node: string(name)}, true
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
