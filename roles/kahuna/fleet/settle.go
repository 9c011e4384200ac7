package fleet

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
)

// Steps is what is recorded of the steps that agents are asked for. Both are read from published state.
type Steps interface {
	Settled(request string) bool // nobody asks under this request id any more
	Open() []string              // requests that are not settled and may have been asked
}

const (
	settleBatch   = 1024
	settleTimeout = time.Minute
)

// remember notes who is told when a step is settled. It needs the lock.
func (f *Fleet) remember(request string, m *member) {
	if f.cfg.Steps != nil && !strings.HasPrefix(request, agentproto.ReadPrefix) {
		f.asked[request] = m
	}
}

// Settle tells the agent that was asked last under a request id that its answer is recorded, so that the
// agent forgets it. It returns at once. What an agent is not told now, as it is not online, it is told when
// it is: then it names what it remembers.
func (f *Fleet) Settle(request string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.asked[request]
	delete(f.asked, request)
	if m == nil || !f.settles(m.session) {
		return
	}
	m.settled = append(m.settled, request)
	f.settleUp(m)
}

// settles tells whether a session may be told what is settled. It needs the lock.
func (f *Fleet) settles(s *session) bool {
	return s != nil && s.ledger && f.command.reason == nil && f.command.commands(s) && s.conn.Err() == nil && !f.closing
}

// compareSteps has an agent name the steps it remembers.
func (f *Fleet) compareSteps(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.compare = s.ledger
	if s.compare {
		f.settleUp(s.member)
	}
}

// settleUp makes sure that somebody tells an agent. It needs the lock.
func (f *Fleet) settleUp(m *member) {
	if m.settling || f.closing {
		return
	}
	m.settling = true
	f.tasks.Add(1)
	go f.settleAll(m)
}

func (f *Fleet) settleAll(m *member) {
	defer f.tasks.Done()
	for failures := 0; ; {
		f.mu.Lock()
		s, right := m.session, f.command
		if !f.settles(s) {
			m.settled = nil
		}
		batch := m.settled[:min(len(m.settled), settleBatch)]
		m.settled = m.settled[len(batch):]
		compare := f.settles(s) && s.compare
		if !compare && len(batch) == 0 {
			m.settled, m.settling = nil, false
			f.mu.Unlock()
			return
		}
		s.compare = false // s is the one that may be told: there would be nothing to do otherwise
		f.mu.Unlock()
		ctx, cancel := context.WithTimeout(f.ctx, settleTimeout)
		unregister := context.AfterFunc(right.ctx, cancel)
		var err error
		if compare {
			err = f.compared(ctx, right, s)
		}
		if err == nil && len(batch) > 0 {
			err = f.tellSettled(ctx, right, s, agentproto.Settled{Requests: batch})
		}
		unregister()
		cancel()
		if err == nil {
			failures = 0
			continue
		}
		f.log.Debug("an agent was not told what is settled; it is to name all it remembers", "agent", m.id, "error", err)
		pause := time.NewTimer(f.cfg.PushBackoff(failures))
		failures++
		select {
		case <-pause.C:
		case <-s.conn.Done():
		case <-f.ctx.Done():
		}
		pause.Stop()
		f.mu.Lock()
		s.compare = true
		f.mu.Unlock()
	}
}

// compared asks an agent for what it remembers, and tells what of it is settled. One whose ledger lost
// something is told all that it may have been asked for.
func (f *Fleet) compared(ctx context.Context, right *command, s *session) error {
	for after := ""; ; {
		args, err := json.Marshal(release.More(agentproto.OpenSteps{After: after}))
		if err != nil {
			return err
		}
		var list agentproto.OpenStepsList
		if err := s.conn.Call(ctx, agentproto.MethodOpenSteps, agentproto.Envelope{Epoch: right.reign.Epoch, Args: args}, &list); err != nil {
			return err
		}
		told := agentproto.Settled{Whole: list.Lost}
		for _, request := range list.Requests {
			if f.cfg.Steps.Settled(request) {
				told.Requests = append(told.Requests, request)
			}
		}
		if list.Lost {
			told.Open = f.cfg.Steps.Open()
			f.log.Warn("an agent's ledger of steps was damaged; what it may have been asked for is found out", "agent", s.member.id, "open", len(told.Open))
		}
		if list.Lost || len(told.Requests) > 0 {
			if err := f.tellSettled(ctx, right, s, told); err != nil {
				return err
			}
		}
		if !list.More {
			return nil
		}
		if len(list.Requests) == 0 || list.Requests[len(list.Requests)-1] <= after {
			return fault.New(fault.Malformed, "the agent lists its steps without end")
		}
		after = list.Requests[len(list.Requests)-1]
	}
}

func (f *Fleet) tellSettled(ctx context.Context, right *command, s *session, told agentproto.Settled) error {
	args, err := json.Marshal(release.More(told))
	if err != nil {
		return err
	}
	return s.conn.Call(ctx, agentproto.MethodSettle, agentproto.Envelope{Epoch: right.reign.Epoch, Args: args}, nil)
}
