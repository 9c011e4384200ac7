package world

import (
	"fmt"

	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/store/journal"
)

// verb is what a client asks for.
type verb uint8

const (
	reads   verb = iota
	writes       // sets an object
	creates      // refused when the object is there
)

// request is what a client says to a node, and a standby to the primary.
type request struct {
	id     string // the same when it is repeated
	verb   verb
	object model.ID
	value  string
	stale  bool // a standby may answer from what it has
	from   place
	passed bool // by a standby
}

// reply is what comes back.
type reply struct {
	id      string
	to      place
	done    bool // false: no answer, try again
	refused bool
	stale   bool
	at      lease.Position // published, with what the answer is about
	value   string
	why     string
}

// request is served by the node, or passed to the primary.
func (n *node) request(from place, r request) {
	if !r.passed {
		r.from = from
	}
	no := func(why string) { n.w.send(n.at, from, reply{id: r.id, to: r.from, why: why}) }
	switch {
	case r.verb == reads && r.stale:
		n.readStale(from, r)
	case n.serving && n.acts() && !n.draining:
		n.execute(from, r)
	case n.serving && n.acts() && r.verb == reads:
		n.execute(from, r)
	case r.passed:
		no("not the primary")
	default:
		primary := n.replica.Status(n.host.clock()).Primary
		to, ok := n.w.find(lease.Address{Node: primary})
		if !ok || primary == n.durable.Node {
			no("no primary")
			return
		}
		r.passed = true
		n.w.send(n.at, to, r)
	}
}

// relay hands what the primary answered to the client.
func (n *node) relay(r reply) { n.w.send(n.at, r.to, r) }

func (n *node) readStale(from place, r request) {
	shown, at := n.shown, n.published
	if n.w.opts.Flaws.Has(lease.FlawShowUnannounced) {
		shown, at = n.log.head, n.log.End()
	}
	n.w.send(n.at, from, reply{id: r.id, to: r.from, done: true, stale: true, at: at, value: string(shown.objects[r.object])})
}

func (n *node) execute(from place, r request) {
	answer := reply{id: r.id, to: r.from, done: true}
	if r.verb == reads {
		answer.at, answer.value = n.published, string(n.shown.objects[r.object])
		n.w.send(n.at, from, answer)
		return
	}
	n.commit.submit(tx{
		cause: journal.Cause{Actor: "user", Request: r.id, What: fmt.Sprintf("set %s to %s", r.object, r.value)},
		decide: func(s state) []journal.Change {
			if _, done := s.requests[r.id]; done {
				return nil // the first answer counts
			}
			if _, there := s.objects[r.object]; there && r.verb == creates {
				answer.refused = true
				return nil
			}
			return []journal.Change{put(s, "entry", r.object, []byte(r.value))}
		},
		done: func(at lease.Position) {
			answer.at = at
			if !n.w.truth.shown(at) {
				n.w.broken("an answer is of what is published", "%s answers %s with record %d, which is not published", n.name, r.id, at.Index)
			}
			n.w.send(n.at, from, answer)
		},
		gone: func() {
			if n.up {
				n.w.send(n.at, from, reply{id: r.id, to: r.from, why: "outcome unknown"})
			}
		},
	})
}
