package wire

import "log/slog"

// ServicesSchema is the version of ServicesState that this release writes and reads.
const ServicesSchema = 1

// ServicesState is everything that runs on one Kaktus besides machines. Nodes that are not listed are
// taken down. An empty Host means: nothing, for an agent that serves no Kaktus.
type ServicesState struct {
	Schema int           `json:"schema"`
	Host   string        `json:"host"` // id of the Kaktus
	Kawaii []KawaiiState `json:"kawaii"`
	Konvey []KonveyState `json:"konvey"`
}

// LogValue names the nodes and leaves the rest out.
func (s ServicesState) LogValue() slog.Value {
	var nodes []string
	for i := range s.Kawaii {
		nodes = append(nodes, s.Kawaii[i].Node)
	}
	for i := range s.Konvey {
		nodes = append(nodes, s.Konvey[i].Node)
	}
	return slog.GroupValue(slog.String("host", s.Host), slog.Any("nodes", nodes))
}

// Problem is how an agent reports what is wrong with one node of several in a Status: Kahuna shows it to
// whom the node belongs to.
func Problem(node, text string) string { return node + ": " + text }
