package kahuna

import (
	"context"
	"slices"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// staff is what is done about who the witnesses are. The lock is held while a set is chosen and ordered, so
// that no set which was chosen before somebody left is ordered afterwards.
type staff struct {
	mu      sync.Mutex
	leaving map[string]int  // agents that are about to be removed, by how many requests
	ordered []lease.Witness // last: it may not be on its way yet
}

// reappoint orders the best set of witnesses that there is, without those who leave. Unless it must, it does
// nothing where that is the present one.
func (s *Server) reappoint(ctx context.Context, must bool) error {
	s.staff.mu.Lock()
	defer s.staff.mu.Unlock()
	st := s.pair.driver.Status()
	if st.Record == nil {
		return errNoPrimary
	}
	var present []lease.Witness
	for _, r := range append([]*lease.Record{st.Record}, st.Pending...) {
		if present = nil; len(r.Witnesses) > 0 {
			present = r.Witnesses[len(r.Witnesses)-1]
		}
	}
	leaves := func(w lease.Witness) bool { return s.staff.leaving[w.Agent] > 0 }
	want := lease.ChooseWitnesses(present, slices.DeleteFunc(s.eligible(), func(c lease.Candidate) bool { return leaves(c.Witness) }))
	if slices.Equal(want, present) && !must {
		return nil
	}
	s.staff.ordered = want
	return s.pair.driver.Order(ctx, lease.SetWitnesses{Witnesses: want})
}

// testify are those of some agents that are witnesses, or may become some by what is under way.
func (s *Server) testify(st lease.Status, agents []model.ID) (out []string) {
	s.staff.mu.Lock()
	all := slices.Clone(s.staff.ordered)
	s.staff.mu.Unlock()
	for _, r := range append([]*lease.Record{st.Record}, st.Pending...) {
		all = append(all, r.All()...)
	}
	for _, id := range agents {
		if slices.ContainsFunc(all, func(w lease.Witness) bool { return w.Agent == string(id) }) {
			out = append(out, string(id))
		}
	}
	return out
}

// dismissAtMost is how long the removal of an agent waits for others to be witnesses in its place. It takes
// a moment where the other Kahuna or most witnesses answer.
const dismissAtMost = 10 * time.Second

// dismiss implements operate.Config's Dismiss. A witness that is gone for good would count in every majority
// that is needed, also in that for replacing it.
func (s *Server) dismiss(ctx context.Context, agents []model.ID) (done func(), err error) {
	if s.pair == nil {
		return func() {}, nil
	}
	leave := func(by int) {
		s.staff.mu.Lock()
		defer s.staff.mu.Unlock()
		for _, id := range agents {
			if s.staff.leaving == nil {
				s.staff.leaving = map[string]int{}
			}
			if s.staff.leaving[string(id)] += by; s.staff.leaving[string(id)] == 0 {
				delete(s.staff.leaving, string(id))
			}
		}
	}
	leave(1)
	if err := s.replace(ctx, agents); err != nil {
		leave(-1)
		return nil, err
	}
	return func() { leave(-1) }, nil
}

func (s *Server) replace(ctx context.Context, agents []model.ID) error {
	st := s.pair.driver.Status()
	if len(s.testify(st, agents)) == 0 {
		return nil
	}
	if !st.Right {
		return errNoPrimary
	}
	within, cancel := context.WithTimeout(ctx, dismissAtMost)
	defer cancel()
	err := s.reappoint(within, true)
	if err == nil {
		err = s.pair.driver.Await(within, func(st lease.Status) bool { return !st.Right || len(s.testify(st, agents)) == 0 })
	}
	st = s.pair.driver.Status()
	still := s.testify(st, agents)
	switch {
	case len(still) == 0:
		return nil
	case ctx.Err() != nil:
		return fault.From(ctx.Err())
	case !st.Right:
		return errNoPrimary
	case len(st.Record.Nodes) < 2: // it needs nobody's voice
		s.log.Warn("an agent is removed that is still named as a witness", "agents", still, "error", err)
		return nil
	}
	return fault.New(fault.Conflict, "agent %s helps to decide which Kahuna acts (it is a witness), and it is not agreed on yet that others do so in its place: the other Kahuna or most of the present witnesses have to answer. kowabunga pair shows who does not; delete it again then", s.agentName(still[0]))
}
