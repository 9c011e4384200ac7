package hosts

import (
	"context"
	"maps"
	"slices"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/store"
)

// Drift is how a host differs from what the store says of it. Orphans are things of Kowabunga's that
// nobody declares; they are reported and never removed.
type Drift struct {
	At      time.Time `json:"at"`
	Agent   model.ID  `json:"agent"`
	Missing []string  `json:"missing,omitempty"` // "instance ID", "volume ID", "template ID", "kylo ID"
	Orphans []string  `json:"orphans,omitempty"`
	Foreign int       `json:"foreign"` // domains that are not Kowabunga's
}

// Drifts returns the latest comparison of each host.
func (k *Keeper) Drifts() []Drift {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.SortedFunc(maps.Values(k.drift), func(a, b Drift) int { return a.At.Compare(b.At) })
}

func (k *Keeper) inspectAll() {
	for agent, member := range k.fleet.Live().All() {
		if member.Online && member.Hello.Kind == agentproto.Kaktus {
			k.inspect(model.ID(agent))
		}
	}
}

// inspect asks a host for its inventory, records its size and compares the rest with the store.
func (k *Keeper) inspect(agent model.ID) {
	k.mu.Lock()
	ctx := k.ctx
	k.mu.Unlock()
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-ctx.Done():
		return
	}
	before := k.store.View()
	var inv agentproto.Inventory
	err := k.fleet.Call(ctx, []string{string(agent)}, agentproto.MethodInventory, fleet.CallOptions{Timeout: time.Minute, WaitReturn: time.Second}, agentproto.Empty{}, &inv)
	if err != nil {
		if ctx.Err() == nil {
			k.log.Warn("no inventory", "agent", agent, "error", err)
		}
		return
	}
	after := k.store.View()
	if _, ok := after.Get(model.KindAgent, agent); !ok {
		return // deleted meanwhile
	}
	d := Compare(before, after, agent, inv)
	k.recordCaps(agent, inv.Caps)
	k.recordPools(agent, inv.Pools)
	k.recordShares(agent, inv.Shares)
	k.staff(agent)
	d.At = k.now()
	k.mu.Lock()
	k.drift[agent] = d
	k.mu.Unlock()
	if len(d.Missing)+len(d.Orphans) > 0 {
		k.log.Warn("host differs from what is declared", "agent", agent, "missing", d.Missing, "orphans", d.Orphans, "foreign", d.Foreign)
	}
}

func (k *Keeper) recordCaps(agent model.ID, caps agentproto.Caps) {
	next := model.Caps{Arch: caps.Arch, Vendor: caps.Vendor, Model: caps.Model, Sockets: caps.Sockets, Cores: caps.Cores, Threads: caps.Threads, Memory: caps.Memory, Accel: caps.Accel}
	if next.Threads <= 0 || next.Memory <= 0 {
		return // a host that does not know its size has not lost it
	}
	for host := range model.By[*model.Kaktus](k.store.View(), "agent", agent) {
		if host.Caps == next {
			continue
		}
		k.update("host reported its size", agent, func(d model.Draft) error {
			host, ok := model.Find[*model.Kaktus](d, host.ID)
			if !ok || host.Caps == next {
				return nil
			}
			host = model.Edit(host)
			host.Caps = next
			return d.Put(host)
		})
	}
}

// recordPools records the size of pools. What is available moves all the time; it is written down when
// it moved by more than a hundredth of the capacity.
func (k *Keeper) recordPools(agent model.ID, pools []agentproto.PoolStatus) {
	v := k.store.View()
	for _, p := range pools {
		if !p.Ready {
			k.log.Warn("pool is not ready", "agent", agent, "pool", p.ID, "problem", p.Problem)
			continue
		}
		old, ok := model.Find[*model.Pool](v, model.ID(p.ID))
		if !ok || !slices.Contains(old.Agents, agent) {
			continue
		}
		if moved := old.Available - p.Available; old.Capacity == p.Capacity && max(moved, -moved) <= p.Capacity/100 {
			continue
		}
		k.update("pool reported its size", agent, func(d model.Draft) error {
			pool, ok := model.Find[*model.Pool](d, old.ID)
			if !ok {
				return nil
			}
			pool = model.Edit(pool)
			pool.Capacity, pool.Available = p.Capacity, p.Available
			return d.Put(pool)
		})
	}
}

// recordShares records what the files of shares take. An agent is believed about those of its own pools.
func (k *Keeper) recordShares(agent model.ID, shares []agentproto.ShareStatus) {
	v := k.store.View()
	for _, s := range shares {
		old, ok := model.Find[*model.Kylo](v, model.ID(s.Share))
		if !ok || old.Size == s.Size || s.Size < 0 || !reaches(v, agent, old.NFS) {
			continue
		}
		k.update("share reported its size", agent, func(d model.Draft) error {
			share, ok := model.Find[*model.Kylo](d, old.ID)
			if !ok {
				return nil
			}
			share = model.Edit(share)
			share.Size = s.Size
			return d.Put(share)
		})
	}
}

// reaches tells whether an agent is one of those of an NFS storage's pool.
func reaches(v model.View, agent, nfs model.ID) bool {
	n, ok := model.Find[*model.NFS](v, nfs)
	if !ok {
		return false
	}
	pool, ok := model.Find[*model.Pool](v, n.Pool)
	return ok && slices.Contains(pool.Agents, agent)
}

func (k *Keeper) update(what string, agent model.ID, f func(model.Draft) error) {
	if _, err := k.store.Update(context.Background(), store.Cause{Actor: "agent", ActorID: string(agent), What: what}, f); err != nil {
		k.log.Warn("report of an agent not recorded", "agent", agent, "what", what, "error", err)
	}
}

// Compare tells how the inventory of an agent's host differs from what is declared. The inventory was
// taken between the two views: what is missing was declared in both, and what is an orphan in neither.
// Objects that an operation is working on may be on either side and are left out.
func Compare(before, after model.View, agent model.ID, inv agentproto.Inventory) Drift {
	d := Drift{Agent: agent, Foreign: inv.Foreign}
	was, want := declared(before, agent), declared(after, agent)
	found := func(kind model.Kind, id string) {
		name := string(kind) + " " + id
		_, then := was[name]
		_, now := want[name]
		if !then && !now {
			d.Orphans = append(d.Orphans, name)
		}
		delete(want, name)
	}
	for _, m := range inv.Machines {
		found(model.KindInstance, m.Machine)
	}
	for _, o := range inv.Volumes {
		found(model.KindVolume, o.Volume)
	}
	for _, o := range inv.Images {
		found(model.KindTemplate, o.Image)
	}
	for _, o := range inv.Shares {
		found(model.KindKylo, o.Share)
	}
	for _, s := range inv.Seeds {
		_, then := before.Get(model.KindInstance, model.ID(s.Volume))
		_, now := after.Get(model.KindInstance, model.ID(s.Volume))
		if !then && !now {
			d.Orphans = append(d.Orphans, "seed "+s.Volume)
		}
	}
	for name, settled := range want {
		if settled && was[name] {
			d.Missing = append(d.Missing, name)
		}
	}
	slices.Sort(d.Missing)
	slices.Sort(d.Orphans)
	return d
}

// declared lists what should be on an agent's host, and whether no operation is working on it.
func declared(v model.View, agent model.ID) map[string]bool {
	out := map[string]bool{}
	declare := func(o model.Object) { out[string(o.Kind())+" "+string(o.Base().ID)] = o.Base().Phase == model.Ready }
	for host := range model.By[*model.Kaktus](v, "agent", agent) {
		for o := range model.By[*model.Instance](v, "kaktus", host.ID) {
			declare(o)
		}
	}
	for pool := range model.By[*model.Pool](v, "agent", agent) {
		if _, local := pool.Directory(); !local {
			continue
		}
		for o := range model.By[*model.Volume](v, "pool", pool.ID) {
			declare(o)
		}
		for o := range model.By[*model.Template](v, "pool", pool.ID) {
			declare(o)
		}
		for n := range model.By[*model.NFS](v, "pool", pool.ID) {
			for o := range model.By[*model.Kylo](v, "nfs", n.ID) {
				declare(o)
			}
		}
	}
	return out
}
