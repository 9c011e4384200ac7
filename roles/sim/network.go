package sim

import (
	"context"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/wire"
	"kowabunga/roles/agent"
)

// network is what a simulated agent holds of the network. It checks the documents like a real one,
// refusing what it could not carry out, and does nothing with them. They survive a restart with the
// agent's state directory.
type network struct {
	mu       sync.Mutex
	kiwi     *wire.KiwiState
	services *wire.ServicesState
	fresh    chan struct{} // closed when one of them is replaced
}

func newNetwork() *network { return &network{fresh: make(chan struct{})} }

func (n *network) replace(set func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	set()
	close(n.fresh)
	n.fresh = make(chan struct{})
}

// routes takes the desired state of a Kiwi, runs that of the nodes on a Kaktus.
type (
	routes struct{ *network }
	runs   struct{ *network }
)

var (
	_ agent.Applier = routes{}
	_ agent.Applier = runs{}
)

// Apply implements agent.Applier.
func (a routes) Apply(_ context.Context, st agentproto.State) ([]string, error) {
	s, err := wire.DecodeKiwi(st.Body)
	if err != nil {
		return nil, err
	}
	a.replace(func() { a.kiwi = s })
	return nil, nil
}

// Apply implements agent.Applier. A node that cannot do anything says so, by its name.
func (a runs) Apply(_ context.Context, st agentproto.State) ([]string, error) {
	s, err := wire.DecodeServices(st.Body)
	if err != nil {
		return nil, err
	}
	var problems []string
	for i := range s.Kawaii {
		if k := &s.Kawaii[i]; len(k.VIPs) == 0 {
			problems = append(problems, wire.Problem(k.Node, "this gateway has no addresses to hold"))
		}
	}
	for i := range s.Konvey {
		if k := &s.Konvey[i]; len(k.VIPs) == 0 {
			problems = append(problems, wire.Problem(k.Node, "this load balancer has no address to hold"))
		}
	}
	a.replace(func() { a.services = s })
	return problems, nil
}

// Kiwi is the state of the region's routers that the agent holds, nil while it holds none. It is not to be
// changed. The channel is closed when there is another.
func (k *Kaktus) Kiwi() (*wire.KiwiState, <-chan struct{}) {
	k.network.mu.Lock()
	defer k.network.mu.Unlock()
	return k.network.kiwi, k.network.fresh
}

// Services is the state of the nodes on the host that the agent holds, nil while it holds none. It is not
// to be changed. The channel is closed when there is another.
func (k *Kaktus) Services() (*wire.ServicesState, <-chan struct{}) {
	k.network.mu.Lock()
	defer k.network.mu.Unlock()
	return k.network.services, k.network.fresh
}
