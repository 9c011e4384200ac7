package world

import (
	"fmt"
	"slices"

	"kowabunga/core/lease"
)

// obeys is told of each epoch that an agent obeys, when it answers and when it starts.
func (t *truth) obeys(a *agent, e lease.Epoch) {
	key := a.identity
	if a.w.opts.Flaws.Has(lease.FlawKeepWitnessIdentity) {
		key = fmt.Sprintf("%s/%d", a.identity, a.images)
	}
	if old := t.obeyed[key]; e.Compare(old) < 0 {
		t.w.broken("an agent's obeyed epoch only rises", "agent %s obeys %s after %s", a.name, e, old)
	}
	t.obeyed[key] = e
	if e.Counter > 0 && !t.admitted[a.identity] && !t.lossy {
		t.w.broken("a blank agent obeys nobody", "agent %s obeys %s, and no published record names its identity %s", a.name, e, a.identity)
	}
}

// effect is told of each effect before it happens.
func (t *truth) effect(a *agent, m step) {
	key := fmt.Sprintf("%s/%d/%s/%s", a.name, a.host.boots, m.id.Operation, m.id.Direction)
	if t.effects[key]++; t.effects[key] > 1 {
		t.w.broken("a step has one effect", "agent %s does %s of address %s once more, as %s", a.name, m.sum, m.address, m.request)
	}
	if m.sum != "add" {
		return
	}
	for _, g := range t.w.agents {
		if g != a && slices.Contains(g.work.live, m.address) {
			t.w.broken("no address is live on two agents", "address %s is live on agents %s and %s", m.address, g.name, a.name)
		}
	}
}
