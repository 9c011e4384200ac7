package kahuna

import (
	"context"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/kahuna/hosts"
	"kowabunga/roles/kahuna/pair"
)

// witnesses asks agents over their sessions.
type witnesses struct{ s *Server }

// Ask implements pair.Witnesses.
func (w witnesses) Ask(ctx context.Context, to lease.Witness, m lease.Message) (lease.Message, error) {
	switch m := m.(type) {
	case lease.Prevote:
		return asked[lease.PrevoteReply](ctx, w.s, to, agentproto.MethodPrevote, m)
	case lease.Promise:
		return asked[lease.PromiseReply](ctx, w.s, to, agentproto.MethodPromise, m)
	case lease.Accept:
		return asked[lease.AcceptReply](ctx, w.s, to, agentproto.MethodAccept, m)
	case lease.Renew:
		return asked[lease.RenewReply](ctx, w.s, to, agentproto.MethodRenew, m)
	}
	return nil, fault.New(fault.Internal, "a witness is not asked for %T", m)
}

func asked[T lease.Message](ctx context.Context, s *Server, to lease.Witness, method string, m lease.Message) (lease.Message, error) {
	var reply T
	if err := s.fleet.Ask(ctx, to.Agent, to.Identity, method, m, &reply); err != nil {
		return nil, err
	}
	return reply, nil
}

// chooseEvery is how often it is seen whether other agents should be witnesses.
const chooseEvery = 5 * time.Second

// chooseWitnesses sees to it that there are the best witnesses there can be. One Kahuna alone needs none to act;
// for it they remember what its disk had.
func (r *reign) chooseWitnesses(ctx context.Context) error {
	tick := time.NewTicker(chooseEvery)
	defer tick.Stop()
	for {
		r.s.chooseOnce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) chooseOnce(ctx context.Context) {
	st := s.pair.driver.Status()
	if !st.Right || len(st.Pending) > 0 || st.Record == nil || len(st.Record.Witnesses) > 1 {
		return
	}
	if err := s.reappoint(ctx, false); err != nil && ctx.Err() == nil {
		s.log.Warn("the witnesses stay as they are", "error", err)
	}
}

// eligible are the agents as they may be witnesses.
func (s *Server) eligible() []lease.Candidate {
	all := hosts.Candidates(s.store.View(), s.fleet.Live(), append(s.pair.transport.Boots(), pair.BootID())...)
	for i := range all {
		if s.cfg.apart {
			all[i].Host, all[i].Beside, all[i].Durable = "", false, true
		}
	}
	return all
}
