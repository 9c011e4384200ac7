package world

import (
	"fmt"
	"strings"
	"time"

	"kowabunga/core/lease"
	"kowabunga/store/journal"
)

// Violation is a broken rule.
type Violation struct {
	Seed   uint64        `json:"seed"`
	At     time.Duration `json:"at"`   // nanoseconds of virtual time
	Rule   string        `json:"rule"` // which one, in a few words
	Detail string        `json:"detail"`
	Trace  []string      `json:"trace"` // the last lines
}

// Error tells the whole story.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s\nat %.3f s: %s: %s", strings.Join(v.Trace, "\n"), v.At.Seconds(), v.Rule, v.Detail)
}

// truth knows what nobody in the world knows: what was ever published or acknowledged, by anybody.
type truth struct {
	w         *World
	published []published // from index 1 on
	acked     uint64      // the highest index a client was told of
	losses    int         // that a person accepted
	lossy     bool        // a person accepted a loss; what was published past kept may be gone
	requests  map[string]uint64
	obeyed    map[string]lease.Epoch // by agents, by identity
	admitted  map[string]bool        // identities that a published record names
	effects   map[string]int         // of steps, by what must happen once
}

type published struct {
	hash [32]byte
	time time.Time
	by   string
}

// broken notes the first rule that is broken and ends the run.
func (w *World) broken(rule, format string, args ...any) {
	if w.violation != nil {
		return
	}
	w.say("!", "BROKEN  %s: %s", rule, fmt.Sprintf(format, args...))
	w.violation = &Violation{Seed: w.opts.Seed, At: w.now, Rule: rule, Detail: fmt.Sprintf(format, args...), Trace: append([]string(nil), w.trace.last...)}
}

// shows is told of each record that a node publishes.
func (t *truth) shows(who string, r *journal.Record) {
	if r.Index > uint64(len(t.published))+1 {
		t.w.broken("published in order", "%s publishes record %d, of which %d to %d were published by nobody", who, r.Index, len(t.published)+1, r.Index-1)
		return
	}
	if r.Index <= uint64(len(t.published)) {
		if p := t.published[r.Index-1]; p.hash != r.Hash {
			t.w.broken("nothing published is unpublished", "%s publishes another record %d (%s, %s) than %s did", who, r.Index, r.Epoch, r.Cause.What, p.by)
		}
		return
	}
	if n := len(t.published); n > 0 && r.Time.Before(t.published[n-1].time) {
		t.w.broken("record times never decrease", "record %d is older than the one before it", r.Index)
	}
	if id := r.Cause.Request; id != "" {
		if first, twice := t.requests[id]; twice {
			t.w.broken("a request is done once", "request %s is done by record %d and by record %d", id, first, r.Index)
		}
		t.requests[id] = r.Index
	}
	for _, c := range r.Changes {
		if strings.HasPrefix(string(c.ID), "agent/") {
			t.admitted[string(c.After)] = true
		}
	}
	t.published = append(t.published, published{r.Hash, r.Time, who})
}

// shown tells whether a position was published.
func (t *truth) shown(p lease.Position) bool {
	return p.Index == 0 || p.Index <= uint64(len(t.published)) && t.published[p.Index-1].hash == p.Hash
}

// end is the highest index that was published.
func (t *truth) end() uint64 { return uint64(len(t.published)) }

// acting checks a node that has the right to act.
func (t *truth) acting(n *node) {
	if n.published.Index < t.end() && !t.lossy {
		t.w.broken("no primary is behind what was published", "%s acts with %d published, and %d were", n.name, n.published.Index, t.end())
	}
	for _, o := range t.w.nodes {
		if o != n && o.serving && o.acts() && !t.lossy {
			t.w.broken("one primary acts", "%s and %s act at the same time", n.name, o.name)
		}
	}
}

// forget lets go of what a person accepted to lose: all that a log does not have.
func (t *truth) forget(log *chain) {
	t.lossy = true
	t.losses++
	t.effects = map[string]int{} // what was done may be asked for again: that it was done is lost
	kept := min(t.end(), log.End().Index)
	for ; kept > log.cut.Index; kept-- {
		if r, ok := log.get(kept); !ok || r.pos.Hash == t.published[kept-1].hash {
			break
		}
	}
	if kept < t.end() {
		for id, index := range t.requests {
			if index > kept {
				delete(t.requests, id)
			}
		}
		t.published = t.published[:kept]
	}
	t.acked = min(t.acked, kept)
}
