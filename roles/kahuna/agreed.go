package kahuna

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/store"
)

// agreed are the records that were chosen while this node acts and that the store does not tell of yet,
// oldest first.
type agreed struct {
	mu      sync.Mutex
	waiting []*lease.Record
	more    chan struct{} // holds one while some may be new
}

func newAgreed() *agreed { return &agreed{more: make(chan struct{}, 1)} }

func (a *agreed) add(r *lease.Record, self string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r == nil || string(r.Primary) != self {
		a.waiting = nil
		return
	}
	a.waiting = append(a.waiting, r)
	select {
	case a.more <- struct{}{}:
	default:
	}
}

func (a *agreed) first() *lease.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		return nil
	}
	return a.waiting[0]
}

func (a *agreed) done(r *lease.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) > 0 && a.waiting[0] == r {
		a.waiting = a.waiting[1:]
	}
}

// tellPair writes each record that is agreed on into the store, one after the other, so that each change
// of the sync set and the like is an event and stands in the audit.
func (r *reign) tellPair(ctx context.Context) error {
	for {
		for next := r.s.agreed.first(); next != nil && ctx.Err() == nil; next = r.s.agreed.first() {
			if err := r.s.tellRecord(ctx, next); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				r.s.log.Warn("a change of the pair is not in the audit yet", "error", err)
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
				continue
			}
			r.s.agreed.done(next)
		}
		select {
		case <-r.s.agreed.more:
		case <-ctx.Done():
			return nil
		}
	}
}

const pairName = "pair"

// tellRecord writes a record into the store. A Kahuna that never had a standby has nothing to tell.
func (s *Server) tellRecord(ctx context.Context, r *lease.Record) error {
	old, there := model.One[*model.Pair](s.store.View(), "name", pairName)
	if !there && len(r.Nodes) < 2 {
		return nil
	}
	next := s.paired(r)
	if !there {
		old = &model.Pair{Mode: next.Mode}
	}
	what := changed(old, next)
	if what == "" {
		return nil
	}
	_, err := s.store.Update(ctx, store.Cause{Actor: "kahuna", What: what}, func(d model.Draft) error {
		if now, ok := model.One[*model.Pair](d, "name", pairName); ok {
			next.Meta = now.Meta
		} else {
			var seed [32]byte
			rand.Read(seed[:])
			next.Meta = model.Meta{ID: model.NewDraw(seed, time.Now()).ID(), Name: pairName}
		}
		return d.Put(next)
	})
	return err
}

// paired puts a record of this node into words.
func (s *Server) paired(r *lease.Record) *model.Pair {
	self := s.pair.driver.State()
	out := &model.Pair{Epoch: r.Epoch.String(), Primary: s.pair.self.Address, Nodes: []string{}, InSync: []string{}, Witnesses: []string{}, Mode: string(r.Mode)}
	for _, n := range r.Nodes {
		address := n.Address
		if n.ID == self.Node {
			address = s.pair.self.Address
		}
		out.Nodes = append(out.Nodes, address)
		mine := n.ID == self.Node
		if slices.ContainsFunc(r.Sync, func(l lease.LogID) bool { return (l == self.Log) == mine }) {
			out.InSync = append(out.InSync, address)
		}
	}
	if sets := len(r.Witnesses); sets > 0 {
		for _, w := range r.Witnesses[sets-1] {
			out.Witnesses = append(out.Witnesses, s.agentName(w.Agent))
		}
	}
	return out
}

// changed says what is another in two states of a pair; empty when nothing is.
func changed(old, next *model.Pair) string {
	var out []string
	add := func(is bool, text string) {
		if is {
			out = append(out, text)
		}
	}
	add(old.Primary != next.Primary, next.Primary+" acts")
	add(old.Primary == next.Primary && old.Epoch != next.Epoch, next.Primary+" acts in a new epoch")
	add(!slices.Equal(old.Nodes, next.Nodes), "the Kahunas are "+strings.Join(next.Nodes, ", "))
	add(len(old.InSync) > len(next.InSync), "the sync set shrinks")
	add(len(old.InSync) < len(next.InSync), "the sync set grows")
	add(old.Mode != next.Mode, "the mode is "+next.Mode)
	add(!slices.Equal(old.Witnesses, next.Witnesses), "other witnesses")
	return strings.Join(out, "; ")
}
