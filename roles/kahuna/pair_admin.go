package kahuna

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/nodes"
)

// How long an order is waited for: longer than the replica itself takes to carry it out or give it up.
const (
	handoffAtMost = 8 * time.Second
	orderAtMost   = 10 * time.Second
)

// routePair adds what a person orders a node of a pair to do.
func (s *Server) routePair(mux *http.ServeMux, local func(http.HandlerFunc) http.HandlerFunc) {
	order := func(path string, run func(context.Context, *json.Decoder) (any, error)) {
		mux.HandleFunc("POST /admin/pair/"+path, local(func(w http.ResponseWriter, r *http.Request) {
			if s.pair == nil {
				adminFail(w, fault.New(fault.Conflict, "this is a restored copy that was not promoted; restore the backup again with --promote once the original is off for good"))
				return
			}
			answer, err := run(r.Context(), json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)))
			if err != nil {
				adminFail(w, err)
				return
			}
			adminAnswer(w, answer)
		}))
	}
	mux.HandleFunc("GET /admin/pair/witnesses", local(func(w http.ResponseWriter, _ *http.Request) { adminAnswer(w, s.candidates()) }))
	order("handoff", func(ctx context.Context, _ *json.Decoder) (any, error) { return s.handoff(ctx) })
	order("promote", func(ctx context.Context, in *json.Decoder) (any, error) {
		var ask promoteRequest
		if err := in.Decode(&ask); err != nil {
			return nil, fault.Wrap(err, fault.Malformed, "read what to promote")
		}
		return s.promote(ctx, ask)
	})
	order("mode", func(ctx context.Context, in *json.Decoder) (any, error) {
		var ask modeRequest
		if err := in.Decode(&ask); err != nil {
			return nil, fault.Wrap(err, fault.Malformed, "read the mode")
		}
		return s.setMode(ctx, ask.Mode)
	})
	order("adopt", func(ctx context.Context, in *json.Decoder) (any, error) {
		var ask adoptRequest
		if err := in.Decode(&ask); err != nil {
			return nil, fault.Wrap(err, fault.Malformed, "read whom to adopt")
		}
		return s.adopt(ctx, ask)
	})
}

// HandedOver is what a handoff did.
type HandedOver struct {
	From    string  `json:"from"` // addresses
	To      string  `json:"to"`
	Seconds float64 `json:"seconds"` // from the order until the other one acts
}

// handoff has the other Kahuna act, and returns once it does.
func (s *Server) handoff(ctx context.Context) (*HandedOver, error) {
	before := s.pair.driver.Status()
	if err := s.ordered(ctx, before, lease.Handoff{}); err != nil {
		return nil, err
	}
	other, _ := before.Record.Other(s.pair.self.ID)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, handoffAtMost)
	defer cancel()
	err := s.pair.driver.Await(ctx, func(st lease.Status) bool {
		begun := st.Primary == other.ID && st.Record.Primary == other.ID && st.Published.Index > before.End.Index // its first record, published once it may act
		return begun || st.Right && st.Epoch != before.Epoch
	})
	st := s.pair.driver.Status()
	switch {
	case st.Right && st.Epoch == before.Epoch:
		return nil, fault.New(fault.Unavailable, "%s did not have every write in time; this Kahuna goes on as before", other.Address)
	case st.Right:
		return nil, fault.New(fault.Unavailable, "%s did not take over; this Kahuna acts again", other.Address)
	case err != nil:
		return nil, fault.New(fault.Unknown, "this Kahuna has stopped acting, and %s does not act yet; whichever can is elected in a few seconds: kowabunga kahuna status", other.Address)
	}
	return &HandedOver{From: s.pair.self.Address, To: other.Address, Seconds: time.Since(began).Seconds()}, nil
}

// ordered gives an order to the driver; one that only the primary takes is refused elsewhere with where
// that one is.
func (s *Server) ordered(ctx context.Context, st lease.Status, e lease.Event) error {
	if at := s.addressOf(st, st.Primary); !st.Right && at != "" && at != s.pair.self.Address {
		return fault.New(fault.Conflict, "%s acts, not this Kahuna; give the order there", at)
	}
	return s.pair.driver.Order(ctx, e)
}

type modeRequest struct {
	Mode lease.Mode `json:"mode"`
}

// setMode changes the mode, and returns once that is agreed on.
func (s *Server) setMode(ctx context.Context, mode lease.Mode) (*modeRequest, error) {
	if err := s.ordered(ctx, s.pair.driver.Status(), lease.SetMode{Mode: mode}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderAtMost)
	defer cancel()
	if err := s.pair.driver.Await(ctx, func(st lease.Status) bool { return st.Record != nil && st.Record.Mode == mode }); err != nil {
		return nil, fault.New(fault.Unknown, "the mode is not agreed on yet: kowabunga kahuna status")
	}
	return &modeRequest{mode}, nil
}

type adoptRequest struct {
	Node   string `json:"node"` // id, the beginning of one, or address; empty with DryRun
	DryRun bool   `json:"dryRun"`
}

// Adopted is what an adoption did, or would do.
type Adopted struct {
	Node       nodes.NodeStatus   `json:"node,omitzero"`
	Replaces   string             `json:"replaces,omitempty"` // address
	Candidates []nodes.NodeStatus `json:"candidates"`
	DryRun     bool               `json:"dryRun"`
}

// adopt names a node that follows in the place of the other one.
func (s *Server) adopt(ctx context.Context, ask adoptRequest) (*Adopted, error) {
	st := s.pair.driver.Status()
	out := &Adopted{DryRun: ask.DryRun, Candidates: []nodes.NodeStatus{}}
	if other, ok := st.Record.Other(s.pair.self.ID); ok {
		out.Replaces = other.Address
	}
	var chosen []lease.Node
	all, _ := s.nodeStatus(st, st.Right)
	for _, n := range all {
		if n.Self || n.Named {
			continue
		}
		out.Candidates = append(out.Candidates, n)
		for _, p := range st.Peers {
			if string(p.Node) == n.ID && ask.Node != "" && (n.Address == strings.TrimSuffix(ask.Node, "/") || strings.HasPrefix(n.ID, ask.Node)) {
				chosen, out.Node = append(chosen, p.As), n
			}
		}
	}
	switch {
	case ask.Node == "" && ask.DryRun:
		return out, nil
	case !st.Right:
		return nil, s.ordered(ctx, st, lease.Adopt{})
	case len(chosen) == 0:
		return nil, fault.New(fault.NotFound, "no node that follows this Kahuna is %q; kowabunga kahuna adopt without a name lists them", ask.Node)
	case len(chosen) > 1:
		return nil, fault.Bad("node", "%q is the beginning of %d ids; say more of it, or the address", ask.Node, len(chosen))
	case ask.DryRun:
		return out, nil
	}
	if err := s.pair.driver.Order(ctx, lease.Adopt{Node: chosen[0]}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderAtMost)
	defer cancel()
	if err := s.pair.driver.Await(ctx, func(st lease.Status) bool { _, named := st.Record.Node(chosen[0].ID); return named }); err != nil {
		return nil, fault.New(fault.Unknown, "it is not agreed on yet that %s is the other node: kowabunga kahuna status", out.Node.Address)
	}
	return out, nil
}

// lossText says what a promotion may lose.
func lossText(p *Promotion) string {
	switch {
	case !p.MayLose:
		return "nothing: this Kahuna has every acknowledged write"
	case p.Theirs > p.End:
		return fmt.Sprintf("at least records %d to %d, and what was written at the other one since this one last heard of it", p.End+1, p.Theirs)
	}
	return fmt.Sprintf("whatever was written at the other one past record %d, or since this one last heard of it", p.End)
}
