package hosts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/store"
)

// backlog is what the next pass has to take into account.
type backlog struct {
	everything bool   // make all states anew
	seen       uint64 // index of the last commit whose changes are below
	changes    []change
}

type change struct {
	index uint64
	ref   netplan.Ref
}

// push is a state as it was last handed to the fleet.
type push struct {
	generation uint64
	body       []byte
	problem    string // why it was not handed over
}

// largest is what a state may have, in bytes, so that the message around it has room.
const largest = agentproto.MaxMessage - 4096

// changed remembers what a commit changed, for the next pass.
func (k *Keeper) changed(record store.Record) {
	k.mu.Lock()
	for _, c := range record.Changes {
		if concerns(c.Kind) {
			k.backlog.changes = append(k.backlog.changes, change{record.Index, netplan.Ref{Kind: c.Kind, ID: c.ID}})
		}
	}
	k.backlog.seen = record.Index
	k.mu.Unlock()
	k.waken()
}

// concerns tells whether objects of a kind have to do with desired states. Those that change most often
// have not.
func concerns(kind model.Kind) bool {
	switch kind {
	case model.KindUser, model.KindTeam, model.KindToken, model.KindSession, model.KindSetting, model.KindPair, model.KindKompute, operation.Kind:
		return false
	}
	return true
}

// replan has all desired states made anew. seen is the index up to which commits need not be waited for.
func (k *Keeper) replan(seen uint64) {
	k.mu.Lock()
	k.backlog.everything = true
	k.backlog.seen = max(k.backlog.seen, seen)
	k.mu.Unlock()
	k.waken()
}

func (k *Keeper) waken() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// plan computes and pushes desired states whenever something changed, once for many commits.
func (k *Keeper) plan(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		v, refs, everything, ok := k.take(ctx)
		if !ok {
			return
		}
		if everything || len(refs) > 0 {
			k.pass(v, refs, everything)
		}
	}
}

// take returns a view and all that changed up to it since the last pass: what a plan is told must be
// complete, so that a view that is ahead of the journal is waited for.
func (k *Keeper) take(ctx context.Context) (v model.View, refs []netplan.Ref, everything, ok bool) {
	v = k.store.View()
	for {
		k.mu.Lock()
		if everything = k.backlog.everything; everything {
			k.backlog.everything = false
			v = k.store.View() // at least as new as the request
		}
		if everything || k.backlog.seen >= v.Index() {
			k.backlog.changes = slices.DeleteFunc(k.backlog.changes, func(c change) bool {
				if c.index > v.Index() {
					return false
				}
				refs = append(refs, c.ref)
				return true
			})
			k.mu.Unlock()
			return v, refs, everything, true
		}
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, nil, false, false
		case <-k.wake:
		}
	}
}

// pass takes the plan to a view and pushes what may be another state now.
func (k *Keeper) pass(v model.View, refs []netplan.Ref, everything bool) {
	k.pushing.Lock()
	defer k.pushing.Unlock()
	agents := map[model.ID]bool{}
	// A plan that an early agent had made may be ahead; the others are still to be told.
	ahead := k.planned != nil && k.planned.View().Index() > v.Index()
	if k.planned == nil || everything || ahead {
		if !ahead {
			k.planned = netplan.New(v)
		}
		for a := range model.All[*model.Agent](v) {
			agents[a.ID] = true
		}
	} else {
		affected := k.planned.Update(v, refs)
		agents = affected.Agents
		for region := range affected.Regions {
			for o := range model.By[*model.Kiwi](v, "region", region) {
				for _, agent := range o.Agents {
					agents[agent] = true
				}
			}
		}
		for host := range affected.Hosts {
			if o, ok := model.Find[*model.Kaktus](v, host); ok {
				for _, agent := range o.Agents {
					agents[agent] = true
				}
			}
		}
	}
	for agent := range agents {
		k.push(agent)
	}
}

// pushTo gives an agent its desired states, for instance because it has just connected.
func (k *Keeper) pushTo(agent model.ID) {
	k.pushing.Lock()
	defer k.pushing.Unlock()
	if k.planned == nil {
		k.planned = netplan.New(k.store.View())
	}
	k.push(agent)
}

// push hands those states of an agent to the fleet that are others than it was given last. Their
// generation is the index of the view they were computed from, which only rises. It needs pushing.
func (k *Keeper) push(agent model.ID) {
	v := k.planned.View()
	o, ok := model.Find[*model.Agent](v, agent)
	if !ok {
		return
	}
	switch agentproto.Kind(o.Type) {
	case agentproto.Kaktus:
		if state, ok := netplan.Kaktus(v, agent); ok {
			body, err := json.Marshal(state)
			if err != nil {
				k.log.Error("desired state cannot be encoded", "agent", agent, "error", err)
				return
			}
			k.hand(held{agent, agentproto.StateKaktus}, body)
		}
		if m, known := k.fleet.Live().Get(string(agent)); known && runsServices(m) {
			k.hand(held{agent, agentproto.StateServices}, k.planned.Services(netplan.HostOf(v, agent)))
		}
	case agentproto.Kiwi:
		k.hand(held{agent, agentproto.StateKiwi}, k.planned.Kiwi(netplan.RegionOf(v, agent)))
	}
}

// runsServices tells whether an agent said that it runs gateways and load balancers.
func runsServices(m fleet.Member) bool {
	return slices.Contains(m.Hello.Features, agentproto.FeatureServices)
}

func (k *Keeper) hand(to held, body []byte) {
	if bytes.Equal(k.pushed[to].body, body) {
		return
	}
	generation := k.planned.View().Index()
	if len(body) > largest {
		k.log.Error("desired state is larger than a message may be and is not sent", "agent", to.agent, "state", to.name, "bytes", len(body))
		k.pushed[to] = push{generation, body, fmt.Sprintf("its state has %d bytes, a message may have %d, so that it is not sent; split the region", len(body), largest)}
		return
	}
	k.pushed[to] = push{generation: generation, body: body}
	k.fleet.Push(string(to.agent), agentproto.State{Name: to.name, Generation: generation, Body: body})
}
