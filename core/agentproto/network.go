package agentproto

import "log/slog"

// The desired states of the network. Their bodies are the documents of package wire.
const (
	StateKiwi     = "kiwi"     // of a Kiwi: wire.KiwiState, the same for all agents of a region
	StateServices = "services" // of a Kaktus: wire.ServicesState, the nodes on its host

	FeatureServices = "services" // the Kaktus runs gateways and load balancers: it takes StateServices
)

// LogValue leaves the body out of logs: it may hold keys.
func (s State) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", s.Name), slog.Uint64("generation", s.Generation), slog.String("epoch", s.Epoch.String()))
}

// Standing is how agents stand to what Kahuna wants of them on behalf of one object: an agent itself, a
// Kiwi, a Kawaii or a Konvey.
type Standing struct {
	Problems []string    `json:"problems"` // what could not be planned
	States   []StateHeld `json:"states"`
}

// StateHeld is one desired state of one agent.
type StateHeld struct {
	Agent    string   `json:"agent"`          // id
	Name     string   `json:"name"`           // of the agent
	Node     string   `json:"node,omitempty"` // of a Kawaii or Konvey: id of the node that the state is about
	State    string   `json:"state"`          // name of the desired state
	Online   bool     `json:"online"`
	Wanted   uint64   `json:"wanted"`   // generation that was last made for it; 0 before there was one
	Held     uint64   `json:"held"`     // generation it last said it runs; 0 before it said anything
	Applied  bool     `json:"applied"`  // it runs what is wanted
	Problems []string `json:"problems"` // what it says is wrong
}
