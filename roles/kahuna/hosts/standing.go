package hosts

import (
	"strings"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/netplan"
)

// noServices is what is wrong with a host whose agent has no part for gateways and load balancers.
const noServices = "the agent of this host runs no gateways and load balancers; install a release that does"

// Standing is how agents stand to what is wanted of them on behalf of an agent, a Kiwi, a Kawaii or a
// Konvey. Of other objects nothing is wanted.
func (k *Keeper) Standing(o model.Object) agentproto.Standing {
	k.pushing.Lock()
	defer k.pushing.Unlock()
	if k.planned == nil {
		k.planned = netplan.New(k.store.View())
	}
	v := k.planned.View()
	out := agentproto.Standing{Problems: append([]string{}, k.planned.Problems(o)...), States: []agentproto.StateHeld{}}
	switch o := o.(type) {
	case *model.Agent:
		names := []string{agentproto.StateKaktus, agentproto.StateServices}
		if agentproto.Kind(o.Type) == agentproto.Kiwi {
			names = []string{agentproto.StateKiwi}
		}
		for _, name := range names {
			out.States = append(out.States, k.standing(v, held{o.ID, name}, ""))
		}
	case *model.Kiwi:
		for _, agent := range o.Agents {
			out.States = append(out.States, k.standing(v, held{agent, agentproto.StateKiwi}, ""))
		}
	case *model.Kawaii, *model.Konvey:
		for n := range model.By[*model.Node](v, "owner", o.Base().ID) {
			if host, ok := model.Find[*model.Kaktus](v, n.Kaktus); ok {
				for _, agent := range host.Agents {
					out.States = append(out.States, k.standing(v, held{agent, agentproto.StateServices}, string(n.ID)))
				}
			}
		}
	}
	return out
}

// standing is one state of one agent; of what it says is wrong, only what is about the node, when one is
// named: other nodes of its host are other projects'.
func (k *Keeper) standing(v model.View, of held, node string) agentproto.StateHeld {
	s := agentproto.StateHeld{Agent: string(of.agent), Node: node, State: of.name, Problems: []string{}}
	if a, ok := model.Find[*model.Agent](v, of.agent); ok {
		s.Name = a.Name
	}
	live := k.fleet.Live()
	m, _ := live.Get(string(of.agent))
	s.Online = live.Up(string(of.agent))
	s.Wanted = k.pushed[of].generation
	k.mu.Lock()
	st, said := k.applied[of]
	k.mu.Unlock()
	if said {
		s.Held = st.Generation
		s.Applied = st.Applied && st.Generation == s.Wanted
		for _, problem := range st.Problems {
			if node == "" || strings.HasPrefix(problem, node+": ") {
				s.Problems = append(s.Problems, problem)
			}
		}
	}
	if problem := k.pushed[of].problem; problem != "" {
		s.Problems = append(s.Problems, problem)
	}
	if m.Objects != "" {
		s.Problems = append(s.Problems, "the agent is connected and does not obey yet: "+m.Objects)
	}
	if of.name == agentproto.StateServices && s.Online && !runsServices(m) {
		s.Problems = append(s.Problems, noServices)
	}
	return s
}
