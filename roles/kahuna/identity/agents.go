package identity

import (
	"kowabunga/core/access/credential"
	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/roles/agent/link"
)

// AgentCredential is what Kahuna's door for agents needs to know of one: its kind as the record has it,
// what verifies its proof, and when its key ends. Not for agents that were given no key.
func AgentCredential(v model.View, agent model.ID) (link.Credential, bool) {
	a, ok := model.Find[*model.Agent](v, agent)
	if !ok {
		return link.Credential{}, false
	}
	t, ok := model.One[*model.Token](v, "agent", agent)
	if !ok {
		return link.Credential{}, false
	}
	p, ok := credential.ProofOf(t)
	return link.Credential{
		Kind: agentproto.Kind(a.Type), Salt: p.Salt, Iterations: p.Iterations, StoredKey: p.StoredKey, ServerKey: p.ServerKey,
		Expires: credential.Ends(t), TokenID: string(t.ID),
	}, ok
}

// Agents looks credentials up in the present state, so that a revoked key is refused, and its session
// ended, by whoever asks next.
type Agents struct{ Views Views }

var _ link.Credentials = Agents{}

// Lookup is AgentCredential for the present state.
func (a Agents) Lookup(agent string) (link.Credential, bool) {
	return AgentCredential(a.Views.View(), model.ID(agent))
}
