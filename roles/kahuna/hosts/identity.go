package hosts

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/store"
)

// maxIdentity is what an identity may have, in bytes; agents draw 32.
const maxIdentity = 64

// Admit records the identity of an agent's state directory and returns once that is published: the agent
// obeys this Kahuna from then on. Faults: NotFound, the agent was deleted; those of the store.
func (k *Keeper) Admit(ctx context.Context, agent string, hello agentproto.Hello) error {
	if hello.Identity == "" || len(hello.Identity) > maxIdentity {
		return fault.New(fault.Invalid, "agent %s has an identity of %d bytes, which is none", agent, len(hello.Identity))
	}
	if a, ok := model.Find[*model.Agent](k.store.View(), model.ID(agent)); ok && a.Identity == hello.Identity && a.Fenced == "" {
		return nil
	}
	before, err := "", error(nil)
	_, err = k.store.Update(ctx, store.Cause{Actor: "agent", ActorID: agent, What: "identity of an agent"}, func(d model.Draft) error {
		before, err = holding.Admit(d, model.ID(agent), hello.Identity, hello.Durable)
		return err
	})
	if err == nil && before != hello.Identity {
		k.log.Info("agent has this identity from now on", "agent", agent, "identity", hello.Identity, "before", before)
	}
	return err
}

// Report records what an agent reported with its answer that no record names, after records were lost: it
// stays taken. It is for fleet.Reign. Faults: Malformed; those of the store.
func (k *Keeper) Report(ctx context.Context, agent string, a agentproto.Announced) error {
	if len(a.Inventory) == 0 || !holding.Lost(k.store.View()) {
		return nil
	}
	var inv agentproto.Inventory
	if err := json.Unmarshal(a.Inventory, &inv); err != nil {
		return &fault.Error{Code: fault.Malformed, Op: "read the inventory of agent " + agent, Message: "it is none", Err: err}
	}
	var seed [32]byte
	rand.Read(seed[:])
	_, err := k.store.Update(ctx, store.Cause{Actor: "agent", ActorID: agent, What: "what was found undeclared"}, func(d model.Draft) error {
		return holding.Found(d, model.NewDraw(seed, k.now()), model.ID(agent), inv.Cards)
	})
	return err
}

// Candidates are the agents that may be witnesses, one for each agent there is. kahunas are the boot ids of
// the hosts that Kahunas run on. Of an agent that never connected to this Kahuna only its zone is known: it
// can stay a witness and cannot become one.
func Candidates(v model.View, live *fleet.Snapshot, kahunas ...string) []lease.Candidate {
	zones := map[model.ID]string{}
	for host := range model.All[*model.Kaktus](v) {
		for _, agent := range host.Agents {
			zones[agent] = string(host.Zone)
		}
	}
	for kiwi := range model.All[*model.Kiwi](v) {
		for _, agent := range kiwi.Agents {
			zones[agent] = string(kiwi.Region) // which zone it is in, nobody says
		}
	}
	var out []lease.Candidate
	for a := range model.All[*model.Agent](v) {
		c := lease.Candidate{Witness: lease.Witness{Agent: string(a.ID), Identity: a.Identity}, Zone: zones[a.ID], Durable: true}
		if m, ok := live.Get(string(a.ID)); ok && m.Leased {
			h := m.Hello
			c.Identity, c.Durable, c.Host = h.Identity, h.Durable, h.BootID
			c.Beside = h.BootID != "" && slices.Contains(kahunas, h.BootID)
			c.Ready = m.Connected && (m.Online || !h.Blank)
		}
		if c.Identity != "" {
			out = append(out, c)
		}
	}
	return out
}
