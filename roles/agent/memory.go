package agent

import (
	"maps"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/lease"
)

// memory forgets everything at the end of the process.
type memory struct {
	mu     sync.Mutex
	states map[string]agentproto.State
}

var _ keeper = (*memory)(nil)

func (m *memory) recall(draw func() string) (kept, error)    { return kept{identity: draw()}, nil }
func (m *memory) setObedience(string, lease.Obedience) error { return nil }
func (m *memory) setVoter(string, lease.VoterState) error    { return nil }
func (m *memory) kahunas() (l agentproto.KahunaList)         { return l }
func (m *memory) setKahunas(agentproto.KahunaList) error     { return nil }
func (m *memory) durable() bool                              { return false }
func (m *memory) ledger() (*ledgerFile, string, error)       { return nil, "", nil }
func (m *memory) close()                                     {}

func (m *memory) state(name string) (agentproto.State, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.states[name]
	return s, ok, nil
}

func (m *memory) setState(s agentproto.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = maps.Clone(m.states)
	m.states[s.Name] = s
	return nil
}
