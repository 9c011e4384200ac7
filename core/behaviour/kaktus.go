package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func init() {
	register(model.KindKaktus, catalogue.Create, "", host(insert(checkKaktus)))
	register(model.KindKaktus, catalogue.Update, "", host(replace(checkKaktus)))
	register(model.KindKaktus, catalogue.Delete, "", remove(vacate))
}

// host refuses what would spread a directory pool over two hosts, seen once the change is made.
func host(change Func) Func {
	return func(d model.Draft, r *Request) (Outcome, error) {
		out, err := change(d, r)
		if err != nil {
			return out, err
		}
		for _, agent := range r.Object.(*model.Kaktus).Agents {
			for pool := range model.By[*model.Pool](d, "agent", agent) {
				if _, err := directoryHost(d, pool); err != nil {
					return Outcome{}, fault.Bad("agents", "agent %s serves directory pool %q, which is on another host", agent, pool.Name)
				}
			}
		}
		return out, nil
	}
}

func checkKaktus(d model.Draft, r *Request, o model.Object) error {
	host := o.(*model.Kaktus)
	if host.OvercommitCPU == 0 {
		host.OvercommitCPU = 3
	}
	if host.OvercommitMemory == 0 {
		host.OvercommitMemory = 2
	}
	if host.CPUCost.Price < 0 {
		return fault.Bad("cpu_cost.price", "must not be negative")
	}
	if host.MemoryCost.Price < 0 {
		return fault.Bad("memory_cost.price", "must not be negative")
	}
	if err := kaktusAgents(d, host.Agents); err != nil {
		return err
	}
	for _, id := range host.Agents {
		for other := range model.By[*model.Kaktus](d, "agent", id) {
			if other.ID != host.ID {
				return fault.Bad("agents", "agent %s serves kaktus %q already; a host has its own agents", id, other.Name)
			}
		}
	}
	return nil
}

// kaktusAgents checks a list of agents that must be of type Kaktus.
func kaktusAgents(v model.View, ids []model.ID) error { return agentsOf(v, "Kaktus", ids) }

// agentsOf checks a list of agents that must be of one type.
func agentsOf(v model.View, typ string, ids []model.ID) error {
	if err := distinct("agents", ids); err != nil {
		return err
	}
	for _, id := range ids {
		agent, ok := model.Find[*model.Agent](v, id)
		if !ok {
			return fault.Bad("agents", "there is no agent %s", id)
		}
		if agent.Type != typ {
			return fault.Bad("agents", "agent %q is of type %s, not %s", agent.Name, agent.Type, typ)
		}
	}
	return nil
}
