package behaviour

import (
	"kowabunga/core/access/credential"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// An agent is an identity and nothing else; it can connect once it was given a key.
func init() {
	register(model.KindAgent, catalogue.Create, "", insert(checkAgent))
	register(model.KindAgent, catalogue.Update, "", replace(checkAgent))
	register(model.KindAgent, catalogue.Delete, "", remove(nil))
	register(model.KindAgent, catalogue.Action, "token", issueAgentKey)
}

func checkAgent(_ model.Draft, _ *Request, o model.Object) error {
	return checkPeopleName(o.Base().Name)
}

// issueAgentKey makes the agent's key, in place of the one it had. What is kept can verify the agent's
// proof and tell the agent that this is its Kahuna; it cannot be used to pretend to be the agent.
func issueAgentKey(d model.Draft, r *Request) (Outcome, error) {
	owner := r.Target.(*model.Agent)
	t, ok := model.One[*model.Token](d, "agent", owner.ID)
	if t = token(r, t, ok, owner.Name); !ok {
		t.Agent = owner.ID
	}
	key := credential.NewAgentKey(r.Draw)
	credential.NewProof(r.Draw, key).Keep(t)
	return issue(d, r, t, key)
}
