package fleet

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
)

// want is the latest desired state of one name for one agent. Guarded by Fleet.mu.
type want struct {
	state    agentproto.State
	version  uint64 // of the Push
	settled  bool   // the agent runs it
	failures int
	notYet   time.Time // do not try before
}

// Push makes a state the desired one of an agent, replacing an earlier one of the same name. It
// returns at once. The state is sent, in the epoch of the right to command, until the agent runs it: now if it is
// connected, at every reconnect that finds it behind, and again with growing pauses when it fails.
// What the agent makes of it goes to OnStatus.
func (f *Fleet) Push(agent string, st agentproto.State) {
	f.mu.Lock()
	if f.closing || f.command.reason != nil {
		f.mu.Unlock()
		return
	}
	f.tasks.Add(1)
	defer f.tasks.Done()
	m := f.member(agent)
	w, known := m.desired[st.Name]
	if !known {
		w = &want{}
		m.desired[st.Name] = w
	}
	if known && w.settled && w.state.Generation == st.Generation {
		f.mu.Unlock()
		return
	}
	*w = want{state: st, version: w.version + 1}
	if s := m.session; s != nil && !known {
		w.settled = f.command.commands(s) && holds(m.hello, st, f.command.reign.Epoch)
	}
	settled := w.settled
	f.mu.Unlock()
	if settled {
		f.status(m, agentproto.Status{Name: st.Name, Generation: st.Generation, Applied: true})
		return
	}
	f.push(m)
}

// holds reports whether an agent said in its hello that it runs this generation of this epoch.
func holds(h agentproto.Hello, st agentproto.State, epoch agentproto.Epoch) bool {
	generation, ok := h.Generations[st.Name]
	return ok && generation == st.Generation && h.Epochs[st.Name] == epoch
}

// greeting is what an agent that can be commanded now is greeted with.
type greeting struct {
	hello   agentproto.Hello
	held    []agentproto.Status // the states that are as they should be
	cancels []string            // requests to call off
}

// greet compares what a new session holds with what it should. It needs the lock.
func (m *member) greet(epoch agentproto.Epoch) greeting {
	g := greeting{hello: m.hello, cancels: m.cancels}
	m.cancels = nil
	for name, w := range m.desired {
		w.settled, w.failures, w.notYet = holds(m.hello, w.state, epoch), 0, time.Time{}
		if w.settled {
			g.held = append(g.held, agentproto.Status{Name: name, Generation: w.state.Generation, Applied: true})
		}
	}
	return g
}

// connected reports that an agent can be commanded, resume goes on with what it was in the middle of.
func (f *Fleet) connected(m *member, g greeting) {
	if f.cfg.OnConnect != nil {
		f.post(m, presenceKey, func() { f.cfg.OnConnect(m.id, g.hello) })
	}
	for _, st := range g.held {
		f.status(m, st)
	}
}

func (f *Fleet) resume(s *session, g greeting) {
	for _, request := range g.cancels {
		_ = s.conn.TryNotify(agentproto.MethodCancel, agentproto.Cancel{Request: request}) // its deadline ends it otherwise
	}
	f.compareSteps(s)
	f.push(s.member)
}

// push makes sure that somebody sends what is not settled.
func (f *Fleet) push(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	if m.pushing || !f.command.commands(m.session) || len(m.desired) == 0 || f.closing {
		return
	}
	m.pushing = true
	f.tasks.Add(1)
	go f.pushAll(m)
}

// pushAll sends states until all are settled or the agent is offline.
func (f *Fleet) pushAll(m *member) {
	defer f.tasks.Done()
	for {
		s, w, pause := f.nextPush(m)
		if s == nil {
			return
		}
		if w == nil {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-m.wake:
			case <-s.conn.Done():
			case <-f.ctx.Done():
			}
			timer.Stop()
			continue
		}
		f.pushOne(m, s, w)
	}
}

// nextPush returns the session and the next state to send, or how long to wait for one. Without
// anything to do it returns nothing and the pushing is over.
func (f *Fleet) nextPush(m *member) (*session, *want, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pause := time.Duration(-1)
	if f.command.commands(m.session) && !f.closing && m.session.conn.Err() == nil {
		for _, w := range m.desired {
			if w.settled {
				continue
			}
			wait := max(0, time.Until(w.notYet))
			if wait == 0 {
				return m.session, w, 0
			}
			if pause < 0 || wait < pause {
				pause = wait
			}
		}
		if pause >= 0 {
			return m.session, nil, pause
		}
	}
	m.pushing = false
	return nil, nil, 0
}

func (f *Fleet) pushOne(m *member, s *session, w *want) {
	f.mu.Lock()
	st, version, right, wanted := w.state, w.version, f.command, m.desired[w.state.Name] == w && f.command.commands(s)
	f.mu.Unlock()
	if !wanted {
		return
	}
	st.Epoch = right.reign.Epoch // and not a later one, which this right is not of
	status, err := f.apply(right, s, st)
	if right.ctx.Err() != nil {
		return // it is another Kahuna's now to want something
	}
	ok := err == nil && status.Applied && status.Generation == st.Generation

	f.mu.Lock()
	if w.version == version {
		if ok {
			w.settled, w.failures, w.notYet = true, 0, time.Time{}
		} else {
			w.notYet = time.Now().Add(f.cfg.PushBackoff(w.failures))
			w.failures++
		}
	}
	f.mu.Unlock()
	if s.conn.Err() != nil && err != nil {
		return // the next session begins anew
	}
	f.counters.pushes.Add(1)
	if !ok {
		f.counters.pushFailures.Add(1)
		f.log.Warn("an agent does not run its desired state", "agent", m.id, "state", st.Name, "generation", st.Generation, "problems", status.Problems, "error", err)
	}
	if err != nil {
		status = agentproto.Status{Name: st.Name, Generation: s.hello.Generations[st.Name], Problems: []string{fault.From(err).Error()}}
	}
	f.status(m, status)
}

func (f *Fleet) apply(right *command, s *session, st agentproto.State) (agentproto.Status, error) {
	var status agentproto.Status
	raw, err := json.Marshal(release.More(st))
	if err != nil {
		return status, fault.Wrap(err, fault.Internal, "encode a desired state")
	}
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.PushTimeout)
	defer cancel()
	defer context.AfterFunc(right.ctx, cancel)()
	err = s.conn.Call(ctx, agentproto.MethodState, agentproto.Envelope{Epoch: st.Epoch, Deadline: f.cfg.PushTimeout.Milliseconds(), Args: raw}, &status)
	return status, err
}

// Counters are totals since the fleet was made, and the number of agents now.
type Counters struct {
	Online       int // that can be commanded
	Connected    int
	Connects     uint64
	Superseded   uint64 // sessions that a newer one replaced
	Refused      uint64
	Calls        uint64
	CallFailures uint64
	Resent       uint64 // calls asked again after a drop
	Events       uint64
	MailDropped  uint64 // reports dropped because callbacks were too slow
	Pushes       uint64
	PushFailures uint64
}

type counters struct {
	connects, superseded, refused, calls, callFailures, resent, events, mailDropped, pushes, pushFailures atomic.Uint64
}

// Counters returns the totals, for metrics.
func (f *Fleet) Counters() Counters {
	c := &f.counters
	n := Counters{
		Connects: c.connects.Load(), Superseded: c.superseded.Load(), Refused: c.refused.Load(), Calls: c.calls.Load(),
		CallFailures: c.callFailures.Load(), Resent: c.resent.Load(), Events: c.events.Load(), MailDropped: c.mailDropped.Load(),
		Pushes: c.pushes.Load(), PushFailures: c.pushFailures.Load(),
	}
	for _, m := range f.Live().All() {
		if m.Online {
			n.Online++
		}
		if m.Connected {
			n.Connected++
		}
	}
	return n
}
