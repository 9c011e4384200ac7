package agentproto

import (
	"cmp"
	"encoding/json"
	"fmt"

	"kowabunga/core/release"
)

// Path is where Kahuna accepts agents, Subprotocol what both sides must offer in the WebSocket
// handshake. A client that asks for the path without the subprotocol, or with the headers of the
// earlier system, is refused with a text that says so.
const (
	Path        = "/ws"
	Subprotocol = "kowabunga.agent.v2"
	Version     = 2 + release.Ahead // protocol version of this release; peers one apart must work
	MaxMessage  = 4 << 20           // bytes in one message; bulk data has a socket of its own
)

// Kind is the kind of an agent, as the API names it.
type Kind string

// The kinds of agents. Only Kaktus and Kiwi exist in API v1.
const (
	Kaktus Kind = "Kaktus"
	Kiwi   Kind = "Kiwi"
)

// Epoch orders the reigns of Kahunas: by counter, then by node. Every command carries one; an agent
// keeps the highest it obeyed on disk and refuses commands of a lower one.
type Epoch struct {
	Counter uint64 `json:"counter"`
	Node    string `json:"node,omitempty"`
}

// Compare is negative when e is older than o, positive when it is newer.
func (e Epoch) Compare(o Epoch) int {
	if c := cmp.Compare(e.Counter, o.Counter); c != 0 {
		return c
	}
	return cmp.Compare(e.Node, o.Node)
}

// String shows the epoch as "7@node".
func (e Epoch) String() string { return fmt.Sprintf("%d@%s", e.Counter, e.Node) }

// Hello is what an agent says once it is authenticated.
type Hello struct {
	Protocol    int               `json:"protocol"`
	Release     string            `json:"release"`
	Kind        Kind              `json:"kind"`
	Agent       string            `json:"agent"`    // id of the agent resource
	Identity    string            `json:"identity"` // random id of the agent's state directory; a re-imaged host has another
	Session     string            `json:"session"`  // random id of this connection attempt
	BootID      string            `json:"bootId"`   // the kernel's boot id
	Features    []string          `json:"features,omitempty"`
	Methods     []string          `json:"methods"`
	Obeyed      Epoch             `json:"obeyed"`                // highest epoch obeyed so far
	Generations map[string]uint64 `json:"generations,omitempty"` // desired states held, by name
	Epochs      map[string]Epoch  `json:"epochs,omitempty"`      // and the epochs they came from: generations compare only within one
	Blank       bool              `json:"blank,omitempty"`       // its identity is new; with FeatureLease it obeys nobody until admitted
	Durable     bool              `json:"durable,omitempty"`     // its state directory survives a reboot: it can be a witness
	Trial       bool              `json:"trial,omitempty"`       // it only proves its key: it is welcomed and sent away, and is no session of the agent
}

// Welcome answers Hello. Heartbeat and Silence are milliseconds: how often to send a WebSocket ping,
// and after how long without any frame to give the peer up.
type Welcome struct {
	Protocol  int      `json:"protocol"`
	Release   string   `json:"release"`
	Cluster   string   `json:"cluster"`
	Epoch     Epoch    `json:"epoch"`
	Features  []string `json:"features,omitempty"`
	Heartbeat int64    `json:"heartbeatMs"`
	Silence   int64    `json:"silenceMs"`
	Node      string   `json:"node,omitempty"`    // id of this Kahuna, with FeatureLease
	Kahunas   []Kahuna `json:"kahunas,omitempty"` // all that there are, this one too, with FeatureLease
}

// Envelope is the params object of every call in either direction.
type Envelope struct {
	Epoch    Epoch           `json:"epoch"`
	Request  string          `json:"request,omitempty"`    // idempotency id: operation/step/direction/attempt
	Trace    string          `json:"trace,omitempty"`      // request id of the API call this serves, for logs
	Deadline int64           `json:"deadlineMs,omitempty"` // milliseconds the caller is ready to wait; 0 = no limit
	Args     json.RawMessage `json:"args,omitempty"`
}

// ReadPrefix begins the request ids of calls that change nothing, such as reading a state. Their answers
// are remembered apart and briefly, so that polling never drives out the answers of operations.
const ReadPrefix = "~"

// Methods every agent and Kahuna know, all of them notifications but MethodState.
const (
	MethodCancel   = "call.cancel"   // {request}: stop working on that call
	MethodProgress = "call.progress" // Progress
	MethodEvent    = "agent.event"   // Event
	MethodStatus   = "agent.status"  // Status
	MethodState    = "state.apply"   // State -> Status: take this whole desired state
)

// Cancel asks the peer to stop the call with this request id. The call is still answered once.
type Cancel struct {
	Request string `json:"request"`
}

// Progress tells how far a long call is. Total is 0 while it is unknown.
type Progress struct {
	Request string `json:"request"`
	Done    int64  `json:"done"`
	Total   int64  `json:"total,omitempty"`
	Unit    string `json:"unit,omitempty"` // "bytes" or empty
	Note    string `json:"note,omitempty"`
}

// State is one whole desired state of an agent, numbered. The agent compares (epoch, generation) with
// what it holds, refuses older ones, applies the rest atomically and keeps the last good one on disk.
type State struct {
	Name       string          `json:"name"` // e.g. "kaktus"
	Generation uint64          `json:"generation"`
	Epoch      Epoch           `json:"epoch"`
	Body       json.RawMessage `json:"body"`
}

// Status is what an agent reports of a desired state: the generation it runs and what went wrong.
type Status struct {
	Name       string   `json:"name"`
	Generation uint64   `json:"generation"`
	Applied    bool     `json:"applied"`
	Problems   []string `json:"problems,omitempty"`
}

// Event is something that happened at the agent without being asked for.
type Event struct {
	Type    string          `json:"type"` // e.g. EventMachine
	Subject string          `json:"subject,omitempty"`
	At      int64           `json:"at"` // Unix milliseconds on the agent's clock
	Body    json.RawMessage `json:"body,omitempty"`
}
