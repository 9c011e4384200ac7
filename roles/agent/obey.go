package agent

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/roles/agent/link"
)

// How long work of an older epoch may take to end by itself, and, called off then, to end after all.
const (
	endGrace    = 3 * time.Second
	endPatience = 15 * time.Second
)

// boottime is the clock of leases: it runs on while the machine is suspended.
func boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("no CLOCK_BOOTTIME: " + err.Error()) // Linux 2.6.39
	}
	return time.Duration(t.Nano())
}

// obedience is whom the agent obeys: a lease.Keeper and what its effects are done with.
type obedience struct {
	agent *Agent

	mu      sync.Mutex
	keeper  *lease.Keeper
	callOff map[uint64]func(error) // what runs, by the keeper's id
	stuck   map[uint64]string      // requests that an answer named
	waiting []*announcement
	timer   *time.Timer
	over    bool
}

// announcement is one that waits for its answer.
type announcement struct {
	epoch agentproto.Epoch
	done  chan struct{}
	stuck []lease.Work // valid once done is closed
	err   error
}

func newObedience(a *Agent, kept kept) *obedience {
	o := &obedience{agent: a, callOff: map[uint64]func(error){}, stuck: map[uint64]string{}}
	o.keeper = lease.NewKeeper(kept.obeyed, lease.KeeperConfig{
		Self: lease.Witness{Agent: a.cfg.ID, Identity: kept.identity}, Valid: a.kahunas.signed, Grace: a.cfg.EndGrace, Patience: a.cfg.EndPatience,
	})
	return o
}

// certified tells that a command of an epoch may run now; uncertified, for a session of the release
// before, that a higher one is obeyed from now on.
func (o *obedience) certified(e agentproto.Epoch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counted(o.keeper.Allows(e))
}

func (o *obedience) uncertified(e agentproto.Epoch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	effects, err := o.keeper.Uncertified(e)
	if err != nil {
		return o.counted(err)
	}
	return o.perform(effects)
}

func (o *obedience) counted(err error) error {
	if fault.Is(err, fault.Fenced) {
		o.agent.counters.fenced.Add(1)
	}
	return err
}

// blank tells that the agent's identity was never admitted.
func (o *obedience) blank() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.keeper.Admitted
}

// begin lets work run; callOff ends it early. The returned function tells that it ended.
func (o *obedience) begin(w lease.Work, callOff func(error)) (ended func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id, err := o.keeper.Begin(w)
	if err != nil {
		return nil, o.counted(err)
	}
	o.callOff[id] = callOff
	return func() { o.end(id) }, nil
}

func (o *obedience) end(id uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.callOff, id)
	if o.over {
		return // the state directory may be another process's by now
	}
	if request, ok := o.stuck[id]; ok {
		delete(o.stuck, id)
		o.agent.Event(agentproto.EventEnded, request, agentproto.Empty{})
	}
	_ = o.perform(o.keeper.End(boottime(), id)) // whoever waits is told
}

func (o *obedience) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		_ = o.perform(o.keeper.Tick(boottime()))
	}
}

// announce takes the news of a won epoch and waits until it is obeyed.
func (o *obedience) announce(ctx context.Context, m lease.Announce) ([]lease.Work, error) {
	o.mu.Lock()
	if o.over {
		o.mu.Unlock()
		return nil, fault.New(fault.Unavailable, "the agent is shutting down")
	}
	n := &announcement{epoch: m.Certificate.Epoch, done: make(chan struct{})}
	o.waiting = append(o.waiting, n)
	effects, err := o.keeper.Announce(boottime(), m)
	if err != nil {
		o.counted(err)
		o.forget(n)
		o.mu.Unlock()
		return nil, err
	}
	_ = o.perform(effects)
	o.mu.Unlock()
	select {
	case <-n.done:
		return n.stuck, n.err
	case <-ctx.Done():
		o.mu.Lock()
		o.forget(n)
		o.mu.Unlock()
		return nil, context.Cause(ctx)
	}
}

func (o *obedience) forget(n *announcement) {
	o.waiting = slices.DeleteFunc(o.waiting, func(w *announcement) bool { return w == n })
}

// perform does what the keeper wants. It needs the lock: nothing begins while an epoch is being saved.
func (o *obedience) perform(effects []lease.Effect) (failed error) {
	for len(effects) > 0 {
		e := effects[0]
		effects = effects[1:]
		switch e := e.(type) {
		case lease.SaveObedience:
			if err := o.agent.disk.setObedience(o.agent.identity, e.State); err != nil {
				failed = fault.Wrap(err, fault.Unavailable, "keep the obeyed epoch")
				o.keeper.NotSaved()
				o.agent.log.Error("the obeyed epoch cannot be kept; nothing of a lower one begins, and the next announcement tries again", "epoch", e.State.Obeyed.Epoch.String(), "error", err)
				o.answer(func(n *announcement) bool { return n.epoch == e.State.Obeyed.Epoch }, nil, failed)
				continue
			}
			effects = append(effects, o.keeper.Saved()...)
			o.agent.raised(e.State.Obeyed.Epoch)
		case lease.EndWork:
			for _, w := range e.Work {
				if callOff := o.callOff[w.ID]; callOff != nil {
					callOff(fault.New(fault.Cancelled, "the call was ended because another Kahuna took over"))
				}
			}
		case lease.Obeyed:
			for _, w := range e.Stuck {
				o.stuck[w.ID] = w.Request
			}
			o.answer(func(n *announcement) bool { return n.epoch == e.Epoch }, e.Stuck, nil)
			o.answer(func(n *announcement) bool { return n.epoch.Compare(e.Epoch) < 0 }, nil,
				fault.New(fault.Fenced, "the agent obeys %s meanwhile", e.Epoch))
		}
	}
	o.schedule()
	return failed
}

func (o *obedience) answer(whom func(*announcement) bool, stuck []lease.Work, err error) {
	o.waiting = slices.DeleteFunc(o.waiting, func(n *announcement) bool {
		if !whom(n) {
			return false
		}
		n.stuck, n.err = stuck, err
		close(n.done)
		return true
	})
}

// schedule arms the keeper's next tick.
func (o *obedience) schedule() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if at, ever := o.keeper.Next(); ever && !o.over {
		o.timer = time.AfterFunc(max(0, at-boottime()), o.tick)
	}
}

func (o *obedience) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.schedule()
}

// raised tells the rest of the agent whom it obeys now.
func (a *Agent) raised(e agentproto.Epoch) {
	before := *a.obeyed.Load()
	a.obeyed.Store(&e)
	a.kahunas.bump()
	if a.steps != nil {
		a.steps.obey(e)
	}
	if before != e {
		a.log.Info("obeying a newer Kahuna", "epoch", e.String(), "before", before.String())
	}
}

// announced answers agentproto.MethodAnnounce.
func (a *Agent) announced(ctx context.Context, params json.RawMessage) (any, error) {
	var m lease.Announce
	if err := json.Unmarshal(params, &m); err != nil {
		return nil, link.BadParams(agentproto.MethodAnnounce, err)
	}
	stuck, err := a.obedience.announce(ctx, m)
	if err != nil {
		return nil, err
	}
	a.learnFrom(m.Certificate.Epoch)
	answer := agentproto.Announced{Epoch: m.Certificate.Epoch, Identity: a.identity}
	for _, w := range stuck {
		answer.Stuck = append(answer.Stuck, agentproto.StuckCall{Request: w.Request, Method: w.What, Epoch: w.Epoch})
	}
	answer.Generations, answer.Epochs = a.states.held()
	if method, ok := a.cfg.Methods[agentproto.MethodInventory]; ok {
		inventory, err := method.Handle(ctx, &Call{Method: agentproto.MethodInventory, Progress: func(int64, int64, string) {}})
		if err == nil {
			answer.Inventory, err = json.Marshal(release.More(inventory))
		}
		if err != nil {
			return nil, &fault.Error{Code: fault.Unavailable, Op: "answer the announcement", Message: "its inventory cannot be taken now: " + fault.From(err).Public(), Err: err}
		}
	}
	if obeyed := a.Obeyed(); obeyed != answer.Epoch {
		return nil, fault.New(fault.Fenced, "the agent obeys %s meanwhile", obeyed)
	}
	return answer, nil
}
