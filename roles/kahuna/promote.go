package kahuna

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

type promoteRequest struct {
	LoseAfter *uint64 `json:"loseAfter"`
	Statement string  `json:"statement"`
	DryRun    bool    `json:"dryRun"`
}

// Promotion is what promoting this node did, or would do.
type Promotion struct {
	Node      string   `json:"node"`            // address
	Other     string   `json:"other,omitempty"` // address, where it is known
	End       uint64   `json:"end"`             // index of the last record here
	Published uint64   `json:"published"`       // index of the last one known here as published
	Theirs    uint64   `json:"theirs"`          // index of the last one that the other is known to have published
	Silent    string   `json:"silent,omitempty"`
	MayLose   bool     `json:"mayLose"`
	Loses     string   `json:"loses"`     // in words
	Statement string   `json:"statement"` // that has to be typed
	Hindered  []string `json:"hindered"`  // why it is refused at present
	DryRun    bool     `json:"dryRun"`
	Epoch     string   `json:"epoch,omitempty"` // that it acts in since
	Witnesses []string `json:"witnesses"`       // names of agents
}

// isOff is what a person has to type.
func isOff(other string) string {
	if other == "" {
		return "the other Kahuna is off"
	}
	return "the Kahuna at " + other + " is off"
}

// prospect is what promoting this node would do.
func (s *Server) prospect(ctx context.Context, st lease.Status) *Promotion {
	state := s.pair.driver.State()
	out := &Promotion{Node: s.pair.self.Address, End: st.End.Index, Published: st.Published.Index, Theirs: max(st.Published.Index+st.Behind, st.Lacks.Index), Hindered: []string{}, Witnesses: []string{}}
	if other, ok := st.Record.Other(state.Node); ok {
		out.Other = other.Address
	}
	if out.Other == "" && s.cfg.StandbyOf != "" {
		out.Other = s.cfg.StandbyOf
	}
	out.Statement = isOff(out.Other)
	out.MayLose = !s.complete(st, state)
	out.Loses = lossText(out)
	if st.Role != "primary" {
		out.Silent = st.Silent.Round(100 * time.Millisecond).String()
	}
	out.Hindered = append(out.Hindered, s.contradictions(ctx, st)...)
	return out
}

// complete tells whether this node surely has every acknowledged write. Where there are witnesses the other
// one may have had them agree to go on without this one, which did not hear of it.
func (s *Server) complete(st lease.Status, state lease.Durable) bool {
	r := st.Record
	switch {
	case state.Restored || r == nil || r.Base.Index > st.End.Index:
		return false
	case r.Only(state.Log):
		return true
	}
	return r.InSync(state.Log) && len(r.All()) == 0
}

// contradictions are what this node sees that a node which is off would not do.
func (s *Server) contradictions(ctx context.Context, st lease.Status) []string {
	var out []string
	for _, n := range s.pair.transport.Nodes() {
		if n.ID != s.pair.self.ID && n.Address != "" && (st.Primary == n.ID || st.Record == nil || named(st.Record, n.ID)) {
			out = append(out, fmt.Sprintf("%s is connected to this one, so it is not off", n.Address))
		}
	}
	lasts := lease.DefaultTimers().Lease
	if st.Record != nil {
		lasts = st.Record.Timers.Lease
	}
	if at := s.addressOf(st, st.Primary); st.Role != "primary" && st.Primary != "" && st.Silent < lasts && len(out) == 0 {
		out = append(out, fmt.Sprintf("%s was heard %v ago and its lease may last; try again in a moment", at, st.Silent.Round(100*time.Millisecond)))
	}
	return append(out, s.leases(ctx, st)...)
}

func named(r *lease.Record, id lease.NodeID) bool {
	_, ok := r.Node(id)
	return ok
}

// leases asks all agents, without any effect, whether they would promise this node an epoch. One that gave
// another node a lease says no, and so does one that just started and does not know.
func (s *Server) leases(ctx context.Context, st lease.Status) []string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answers := make(chan string)
	asked, words := 0, s.words(st)
	for agent, m := range s.fleet.Live().All() {
		if !m.Connected || !m.Leased || !m.Hello.Durable && !s.cfg.apart {
			continue
		}
		asked++
		go func() {
			w := lease.Witness{Agent: agent, Identity: m.Hello.Identity}
			reply, err := witnesses{s}.Ask(ctx, w, lease.Prevote{Epoch: lease.Epoch{Counter: 1 << 62, Node: string(s.pair.self.ID)}}) // above all that can be promised
			no, ok := reply.(lease.PrevoteReply)
			switch {
			case err != nil || !ok || no.OK:
				answers <- ""
			default:
				answers <- "agent " + s.agentName(agent) + ": " + words.Replace(no.Why)
			}
		}()
	}
	var out []string
	for range asked {
		if a := <-answers; a != "" {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out
}

// promote makes this node the primary on the word of a person.
func (s *Server) promote(ctx context.Context, ask promoteRequest) (*Promotion, error) {
	st := s.pair.driver.Status()
	if st.Right {
		return nil, fault.New(fault.Conflict, "this Kahuna acts already")
	}
	out := s.prospect(ctx, st)
	if out.DryRun = ask.DryRun; ask.DryRun {
		return out, nil
	}
	switch {
	case ask.LoseAfter == nil:
		return nil, fault.Bad("lose-after", "say which record is the last that must be kept: the journal here ends at %d", out.End)
	case ask.Statement != out.Statement:
		return nil, fault.Bad("other-is-off", "promoting this Kahuna while the other one works makes two that command; once you have made sure that it is off, and stays off until this one acts, say exactly %q", out.Statement)
	case len(out.Hindered) > 0:
		return nil, fault.New(fault.Conflict, "what this Kahuna sees contradicts that: %s", strings.Join(out.Hindered, "; "))
	}
	var chosen []lease.Witness
	for _, w := range lease.ChooseWitnesses(nil, s.eligible()) {
		chosen = append(chosen, w)
		out.Witnesses = append(out.Witnesses, s.agentName(w.Agent))
	}
	if out.MayLose {
		if err := s.cfg.markLoss(fmt.Sprintf("promoted by a person after record %d", out.End)); err != nil {
			return nil, err
		}
	}
	if err := s.pair.driver.Order(ctx, lease.Promote{LoseAfter: *ask.LoseAfter, Witnesses: chosen}); err != nil {
		if out.MayLose {
			if e := s.cfg.unmarkLoss(); e != nil {
				s.log.Error("the note that records may be lost stays", "error", e)
			}
		}
		return nil, err
	}
	s.log.Warn("this Kahuna was promoted by a person", "statement", ask.Statement, "lose-after", *ask.LoseAfter, "end", out.End, "loses", out.Loses)
	ctx, cancel := context.WithTimeout(ctx, orderAtMost)
	defer cancel()
	if err := s.pair.driver.Await(ctx, func(st lease.Status) bool { return st.Right }); err != nil {
		return nil, fault.New(fault.Unknown, "this Kahuna is promoted and does not act yet: kowabunga kahuna status")
	}
	out.Epoch = s.pair.driver.Status().Epoch.String()
	return out, nil
}
