package agent

import (
	"encoding/json"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

// witness is the agent as one of those who decide which Kahuna may act.
type witness struct {
	agent *Agent

	mu    sync.Mutex
	voter *lease.Voter
	dirty bool // what it knows is not on disk
}

func newWitness(a *Agent, kept kept) *witness {
	return &witness{agent: a, voter: lease.NewVoter(kept.voter, boottime(), lease.DefaultTimers().Lease, false, 0)}
}

// leaseMethods are those that a session serves whatever epoch its Kahuna has.
var leaseMethods = map[string]func(json.RawMessage) (lease.Message, error){
	agentproto.MethodPrevote: message[lease.Prevote],
	agentproto.MethodPromise: message[lease.Promise],
	agentproto.MethodAccept:  message[lease.Accept],
	agentproto.MethodRenew:   message[lease.Renew],
}

func message[M lease.Message](params json.RawMessage) (lease.Message, error) {
	var m M
	err := json.Unmarshal(params, &m)
	return m, err
}

// answer answers a message for voters. What the answer states is on disk before it leaves.
func (w *witness) answer(method string, params json.RawMessage) (any, error) {
	m, err := leaseMethods[method](params)
	if err != nil {
		return nil, link.BadParams(method, err)
	}
	if w.agent.cfg.StateDir == "" {
		return nil, fault.New(fault.Unavailable, "this agent keeps nothing across restarts and cannot be a witness")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	reply, changed := w.voter.Answer(boottime(), m, w.agent.kahunas.signed)
	w.dirty = w.dirty || changed
	if w.dirty {
		if err := w.agent.disk.setVoter(w.agent.identity, w.voter.VoterState); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "keep the witness's state")
		}
		w.dirty = false
	}
	return reply, nil
}
