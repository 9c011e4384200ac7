package kaktus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// keepEvery is how often the desired state is looked after without being asked: a pool's disk was
// mounted, somebody took a bridge down.
const keepEvery = 30 * time.Second

// desired is the desired state that is in force, nil before the first.
type desired struct {
	mu       sync.Mutex
	state    *agentproto.KaktusState
	problems []string
}

// Apply makes bridges, pools and the rules about what machines may send as declared. What cannot be had is a problem and holds up nothing
// else; only a state that cannot be read is an error.
func (k *kaktus) Apply(_ context.Context, state agentproto.State) ([]string, error) {
	var want agentproto.KaktusState
	if err := json.Unmarshal(state.Body, &want); err != nil {
		return nil, &fault.Error{Code: fault.Malformed, Op: "apply desired state", Message: "it cannot be read", Err: err}
	}
	k.desired.mu.Lock()
	k.desired.state = &want
	k.allow(want.Cards)
	problems := k.keep()
	k.desired.mu.Unlock()
	k.look()
	return problems, nil
}

// keep makes the host match the desired state. The caller holds desired.mu.
func (k *kaktus) keep() []string {
	if k.desired.state == nil {
		return nil
	}
	bridges, problems := uplinked(k.desired.state.Bridges, k.cfg.Uplinks)
	problems = append(problems, k.bridges.Apply(bridges)...)
	problems = append(problems, k.store.Apply(k.desired.state.Pools)...)
	problems = append(problems, k.protect()...)
	if !slices.Equal(problems, k.desired.problems) {
		k.log.Info("the host differs from its desired state", "problems", problems)
		k.desired.problems = problems
	}
	return problems
}

// uplinked gives bridges of a VLAN the interface that carries VLANs on this host, the first of the
// configured uplinks. Kahuna does not know the names of interfaces. Without one the bridge still joins
// the machines of this host, which is a problem to report.
func uplinked(want []agentproto.Bridge, uplinks []string) (out []agentproto.Bridge, problems []string) {
	for _, b := range want {
		if b.VLAN != 0 && b.Uplink == "" {
			if len(uplinks) == 0 {
				problems = append(problems, fmt.Sprintf("bridge %s: VLAN %d has no interface to travel on; name it in bridges.uplinks", b.Name, b.VLAN))
				b.VLAN = 0
			} else {
				b.Uplink = uplinks[0]
			}
		}
		out = append(out, b)
	}
	return out, problems
}

// upkeep looks after the desired state and the pools while ctx lasts.
func (k *kaktus) upkeep(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		k.desired.mu.Lock()
		k.keep()
		k.desired.mu.Unlock()
		k.look()
	}
}

// poolReports remembers what was told of each pool.
type poolReports struct {
	mu   sync.Mutex
	told map[string]agentproto.PoolStatus
}

// look reports pools that changed: in what they can do, or by more than a hundredth of their size.
func (k *kaktus) look() {
	k.pools.mu.Lock()
	defer k.pools.mu.Unlock()
	if k.pools.told == nil {
		k.pools.told = map[string]agentproto.PoolStatus{}
	}
	for _, now := range k.store.Status() {
		last, known := k.pools.told[now.ID]
		moved := now.Available - last.Available
		if known && last.Ready == now.Ready && last.Problem == now.Problem && last.Capacity == now.Capacity && max(moved, -moved) <= now.Capacity/100 {
			continue
		}
		k.pools.told[now.ID] = now
		k.agent.Event(agentproto.EventPool, now.ID, now)
	}
}
