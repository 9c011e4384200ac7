package behaviour

import (
	"time"

	"kowabunga/core/access/credential"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/holding"
	"kowabunga/core/model"
)

// An agent is an identity and nothing else; it can connect once it was given a key.
func init() {
	register(model.KindAgent, catalogue.Create, "", insert(checkAgent))
	register(model.KindAgent, catalogue.Update, "", replace(checkAgent))
	register(model.KindAgent, catalogue.Delete, "", remove(nil))
	register(model.KindAgent, catalogue.Action, "token", issueAgentKey)
	register(model.KindAgent, catalogue.Action, "fence", fenceAgent)
	register(model.KindAgent, catalogue.Action, "waive", waiveAgent)
}

// fenceAgent records a person's word that an agent can do nothing: its host is off, or was made anew. What
// it held may then be given to others. Of an agent that is connected only state directories that it had
// before can be meant.
func fenceAgent(d model.Draft, r *Request) (Outcome, error) {
	a := model.Edit(r.Target.(*model.Agent))
	live := r.Live(a.ID)
	if live && len(a.Former) == 0 {
		return Outcome{}, fault.New(fault.Conflict, "agent %q is connected, so its host is not off; nothing waits for it", a.Name)
	}
	a.Former = nil
	if !live {
		a.Fenced = word(r)
	}
	return Outcome{Object: a.ID}, d.Put(a)
}

// waiveAgent records a person's word that an agent holds nothing of what may have been lost.
func waiveAgent(d model.Draft, r *Request) (Outcome, error) {
	if !holding.Lost(d) {
		return Outcome{}, fault.New(fault.Conflict, "nothing was lost, so that nothing has to be waived")
	}
	a := model.Edit(r.Target.(*model.Agent))
	a.Waived = word(r)
	return Outcome{Object: a.ID}, d.Put(a)
}

// word says whose word it is, and since when.
func word(r *Request) string {
	return r.Who.Name + " at " + r.Now.UTC().Format(time.RFC3339)
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
