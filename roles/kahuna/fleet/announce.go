package fleet

import (
	"context"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// Tell sends the list of Kahunas, of the present epoch, to all agents that obey it. Those that come to obey
// it later get Config.Kahunas, or the list told last in the epoch.
func (f *Fleet) Tell(list agentproto.KahunaList) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kahunas = list
	f.telling++
	for _, m := range f.members {
		if m.session != nil && m.session.leased {
			f.see(m.session)
		}
	}
}

// again has the epoch announced once more, so that the agent tells what is stuck there by now.
func (f *Fleet) again(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.outdated = s.leased
	f.see(s)
}

// attend makes sure that somebody announces the epoch to an agent and tells it of the Kahunas.
func (f *Fleet) attend(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.see(s)
}

// see is attend with the lock held.
func (f *Fleet) see(s *session) {
	if s.attended || f.closing {
		return
	}
	s.attended = true
	f.tasks.Add(1)
	go f.seeTo(s)
}

// duty is what an agent waits for.
type duty int

const (
	nothing duty = iota
	announcing
	telling
)

// next decides what to do for an agent. With nothing to do nobody attends to it any more.
func (f *Fleet) next(s *session) (*command, duty) {
	f.mu.Lock()
	defer f.mu.Unlock()
	right := f.command
	due := !f.closing && s.leased && s.member.session == s && s.conn.Err() == nil &&
		right.reason == nil && right.reign.Announce != nil && s.refuses != right
	switch {
	case due && (s.obeys != right || s.outdated):
		s.outdated = false
		return right, announcing
	case due && (!s.listed || s.told != f.telling):
		return right, telling
	}
	s.attended = false
	return right, nothing
}

func (f *Fleet) seeTo(s *session) {
	defer f.tasks.Done()
	failures, before := 0, (*command)(nil)
	for {
		right, duty := f.next(s)
		if right != before {
			failures, before = 0, right
		}
		var err error
		switch duty {
		case nothing:
			return
		case announcing:
			err = f.announce(right, s)
		case telling:
			err = f.tell(right, s)
		}
		if err == nil {
			continue
		}
		timer := time.NewTimer(f.cfg.AnnounceBackoff(failures))
		failures++
		select {
		case <-timer.C:
		case <-right.ctx.Done():
		case <-s.conn.Done():
		case <-f.ctx.Done():
		}
		timer.Stop()
	}
}

// announce tells an agent that the epoch was won, and waits until the agent obeys it. An error means: try
// again.
func (f *Fleet) announce(right *command, s *session) error {
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.AnnounceTimeout)
	defer cancel()
	defer context.AfterFunc(right.ctx, cancel)()
	log := f.log.With("agent", s.member.id, "epoch", right.reign.Epoch.String())
	f.mu.Lock()
	blank := s.member.hello.Blank
	f.mu.Unlock()
	admits := ""
	if blank && right.reign.Admit != nil {
		if err := right.reign.Admit(ctx, s.member.id, s.hello); err != nil {
			log.Warn("the identity of a new agent is not admitted", "identity", s.hello.Identity, "error", err)
			return err
		}
		admits = s.hello.Identity
	}
	m := right.reign.Announce() // after the admission, so that its record is at least as new
	m.Admits = admits
	var answer agentproto.Announced
	err := s.conn.Call(ctx, agentproto.MethodAnnounce, m, &answer)
	if err == nil && (answer.Epoch != right.reign.Epoch || answer.Identity != s.hello.Identity) {
		err = fault.New(fault.Internal, "the agent answered for epoch %s and identity %s", answer.Epoch, answer.Identity)
	}
	if err == nil && right.reign.Report != nil {
		if err := right.reign.Report(ctx, s.member.id, answer); err != nil {
			log.Warn("what an agent reported is not recorded", "error", err)
			return err
		}
	}
	switch {
	case err == nil:
		f.obeyed(right, s, answer)
		return nil
	case right.ctx.Err() != nil || s.conn.Err() != nil:
		return err
	case fault.Is(err, fault.Fenced):
		log.Warn("an agent obeys a newer Kahuna; this one is old", "error", err)
	case fault.Is(err, fault.Denied):
		log.Error("an agent does not know the key that this Kahuna signs its epochs with, and obeys it in nothing; see that secrets/pair-key is this node's own, then restart Kahuna", "error", err)
	default:
		log.Info("an agent does not obey yet", "error", err)
		f.objected(s, err)
		return err
	}
	f.mu.Lock()
	s.refuses = right
	f.mu.Unlock()
	f.objected(s, err)
	return nil
}

// objected keeps for show why an agent does not obey.
func (f *Fleet) objected(s *session, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if why := fault.From(err).Public(); s.objects != why {
		s.objects = why
		f.publish()
	}
}

// obeyed brings an agent online that answered the announcement.
func (f *Fleet) obeyed(right *command, s *session, a agentproto.Announced) {
	if right.reign.Answered != nil {
		right.reign.Answered(s.member.id, a)
	}
	f.mu.Lock()
	m := s.member
	if f.command != right || m.session != s || s.obeys == right {
		f.mu.Unlock()
		return
	}
	s.obeys, s.objects, s.listed = right, "", false // it took the list that it was welcomed with
	m.hello.Obeyed, m.hello.Blank, m.hello.Generations, m.hello.Epochs = a.Epoch, false, a.Generations, a.Epochs
	greeting := m.greet(right.reign.Epoch)
	f.publish()
	f.connected(m, greeting)
	f.mu.Unlock()
	f.resume(s, greeting)
}

// tell sends an agent the newest list of Kahunas.
func (f *Fleet) tell(right *command, s *session) error {
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.AnnounceTimeout)
	defer cancel()
	defer context.AfterFunc(right.ctx, cancel)()
	f.mu.Lock()
	list, telling := f.kahunas, f.telling
	f.mu.Unlock()
	if list.Epoch != right.reign.Epoch {
		list = agentproto.KahunaList{Epoch: right.reign.Epoch}
		if f.cfg.Kahunas != nil {
			list.Kahunas = f.cfg.Kahunas()
		}
	}
	if err := s.conn.Notify(ctx, agentproto.MethodKahunas, list); err != nil {
		return err
	}
	f.mu.Lock()
	s.listed, s.told = true, telling
	f.mu.Unlock()
	return nil
}
