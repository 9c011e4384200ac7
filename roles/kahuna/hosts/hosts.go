// Package hosts keeps Kahuna and its hosts in step: it computes what each agent must have and pushes
// it, records what hosts report of themselves, compares their inventory with the store, and asks hosts for
// the state of machines.
package hosts

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/store"
	"kowabunga/store/journal"
)

// inspections is how many hosts are asked for their inventory at the same time, when all come back at once.
const inspections = 32

// Store is what this package needs of the store.
type Store interface {
	View() model.View
	Update(ctx context.Context, cause store.Cause, f func(model.Draft) error) (uint64, error)
	Watch(ctx context.Context, from uint64) iter.Seq2[store.Record, error]
}

// Keeper keeps hosts in step. Its On methods are the callbacks of the fleet.
type Keeper struct {
	store Store
	fleet *fleet.Fleet
	log   *slog.Logger
	now   func() time.Time

	wake  chan struct{} // there is something for the next pass
	slots chan struct{} // inventories asked for at the same time

	pushing sync.Mutex // held while a state is computed and handed over, so that none overtakes another
	planned *netplan.Plan
	pushed  map[held]push

	mu      sync.Mutex
	ctx     context.Context // ends with Run
	drift   map[model.ID]Drift
	applied map[held]agentproto.Status
	backlog backlog
}

// held is a desired state of an agent, by name.
type held struct {
	agent model.ID
	name  string
}

// New makes a keeper; Attach gives it the fleet, which needs the keeper's callbacks to be made.
func New(s Store, now func() time.Time, log *slog.Logger) *Keeper {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	return &Keeper{store: s, log: log, now: now, ctx: ctx, wake: make(chan struct{}, 1), slots: make(chan struct{}, inspections), pushed: map[held]push{}, drift: map[model.ID]Drift{}, applied: map[held]agentproto.Status{}}
}

// Attach gives the keeper the fleet it works with.
func (k *Keeper) Attach(f *fleet.Fleet) { k.fleet = f }

// Run follows the journal until ctx ends: whatever concerns hosts is computed anew and pushed. An hourly pass over everything makes up for what was missed.
func (k *Keeper) Run(ctx context.Context) error {
	k.mu.Lock()
	k.ctx = ctx
	k.mu.Unlock()
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() { k.plan(ctx) })
	others.Go(func() { k.hourly(ctx) })
	v := k.store.View()
	from := v.Index() + 1
	k.replan(v.Index())
	for ctx.Err() == nil {
		for record, err := range k.store.Watch(ctx, from) {
			if err != nil {
				if ctx.Err() == nil {
					k.log.Warn("the journal cannot be followed; beginning with the present state", "error", err)
				}
				break
			}
			from = record.Index + 1
			k.noticed(record)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second): // so that a store that cannot be read keeps nobody busy
		}
		// What was missed is found by comparing.
		from = k.store.View().Index() + 1
		k.replan(from - 1)
	}
	return nil
}

func (k *Keeper) hourly(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.replan(0)
			k.inspectAll()
		case <-ctx.Done():
			return
		}
	}
}

// noticed reacts to a commit.
func (k *Keeper) noticed(record store.Record) {
	k.changed(record)
	for _, c := range record.Changes {
		switch c.Kind {
		case model.KindSetting:
			if c.Op == journal.Delete {
				k.staffAll() // what was lost is known again
			}
		case model.KindAgent:
			if c.Op == journal.Delete {
				k.forget(c.ID)
			}
		}
	}
}

// forget drops everything known of an agent that was deleted.
func (k *Keeper) forget(agent model.ID) {
	k.fleet.Forget(string(agent))
	k.pushing.Lock()
	defer k.pushing.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.drift, agent)
	for _, name := range []string{agentproto.StateKaktus, agentproto.StateServices, agentproto.StateKiwi} {
		delete(k.pushed, held{agent, name})
		delete(k.applied, held{agent, name})
	}
}

// OnConnect is the fleet's callback for a new session.
func (k *Keeper) OnConnect(agent string, hello agentproto.Hello) {
	k.log.Info("agent connected", "agent", agent, "kind", hello.Kind, "release", hello.Release, "boot", hello.BootID)
	if err := k.Admit(context.Background(), agent, hello); err != nil {
		k.log.Warn("the identity of an agent is not recorded", "agent", agent, "error", err)
	}
	k.pushTo(model.ID(agent))
	if hello.Kind == agentproto.Kaktus {
		k.inspect(model.ID(agent))
	}
}

// OnDisconnect is the fleet's callback for a session that ended.
func (k *Keeper) OnDisconnect(agent string, reason error) {
	k.log.Warn("agent disconnected", "agent", agent, "reason", reason)
}

// OnStatus is the fleet's callback for what an agent made of its desired state.
func (k *Keeper) OnStatus(agent string, status agentproto.Status) {
	k.mu.Lock()
	k.applied[held{model.ID(agent), status.Name}] = status
	k.mu.Unlock()
	if len(status.Problems) > 0 || !status.Applied {
		k.log.Warn("host does not match its desired state", "agent", agent, "state", status.Name, "generation", status.Generation, "applied", status.Applied, "problems", status.Problems)
		return
	}
	if status.Name == agentproto.StateKaktus { // pools are ready now; their size is worth knowing
		k.inspect(model.ID(agent))
	}
}

// OnEvent is the fleet's callback for what happened at a host.
func (k *Keeper) OnEvent(agent string, e agentproto.Event) {
	switch e.Type {
	case agentproto.EventMachine:
		var s agentproto.MachineStatus
		if json.Unmarshal(e.Body, &s) == nil {
			k.log.Info("machine changed state", "agent", agent, "instance", s.Machine, "state", s.State, "reason", s.Reason)
		}
	case agentproto.EventPool:
		var s agentproto.PoolStatus
		if json.Unmarshal(e.Body, &s) == nil {
			k.recordPools(model.ID(agent), []agentproto.PoolStatus{s})
		}
	case agentproto.EventShare:
		var s agentproto.ShareStatus
		if json.Unmarshal(e.Body, &s) == nil {
			k.recordShares(model.ID(agent), []agentproto.ShareStatus{s})
		}
	}
}

// State is the state of an instance in the words of API v1 and the reason for it. Faults: Unavailable
// when its host cannot be asked.
func (k *Keeper) State(ctx context.Context, instance model.ID) (string, string, error) {
	host, err := k.hostOf(instance)
	if err != nil {
		return "", "", err
	}
	var status agentproto.MachineStatus
	err = k.fleet.Call(ctx, texts(host.Agents), agentproto.MethodMachineState, fleet.CallOptions{Timeout: 10 * time.Second, WaitReturn: 5 * time.Second},
		agentproto.MachineRef{Machine: string(instance)}, &status)
	if err != nil {
		return "", "", fault.Wrap(err, fault.Unavailable, "ask the host of instance "+string(instance))
	}
	if !status.Known {
		return agentproto.StateNone, "the host does not have this machine", nil
	}
	if status.Note != "" {
		status.Reason += "; " + status.Note
	}
	return status.State, status.Reason, nil
}

func texts(ids []model.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}
