package world

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// ask has the client ask a node for something once.
func (s *script) ask(args []string, words int, r request) error {
	if len(args) != words {
		return fmt.Errorf("%d arguments", len(args))
	}
	n := s.w.node(args[0])
	if n == nil {
		return fmt.Errorf("there is no node %q", args[0])
	}
	r.id, r.object, r.value = args[1], model.ID(args[1]), args[1]
	if words > 2 {
		r.object = model.ID(args[2])
	}
	a := s.client.results[r.id]
	if a == nil {
		a = &asked{request: r}
	}
	a.to = n
	s.w.say(s.client.name, "asks %s: %s %s as %s", n.name, map[verb]string{reads: "read", writes: "write", creates: "create"}[r.verb], r.object, r.id)
	s.client.send(a)
	return nil
}

func (s *script) write(args []string) error  { return s.ask(args, 2, request{verb: writes}) }
func (s *script) create(args []string) error { return s.ask(args, 3, request{verb: creates}) }
func (s *script) read(args []string) error   { return s.ask(args, 3, request{verb: reads}) }
func (s *script) peek(args []string) error {
	return s.ask(args, 3, request{verb: reads, stale: true})
}

// order gives the primary an order of a person.
func (s *script) order(e lease.Event, format string, args ...any) error {
	p := s.w.primary()
	if p == nil {
		return fmt.Errorf("nobody serves")
	}
	s.w.say("world", "asks %s for %s", p.name, fmt.Sprintf(format, args...))
	p.run(func() { p.step(e) })
	return nil
}

func (s *script) someWitnesses(names []string) (out []lease.Witness, err error) {
	for _, name := range names {
		a := s.w.agent(name)
		if a == nil {
			return nil, fmt.Errorf("there is no agent %q", name)
		}
		out = append(out, a.witness())
	}
	return out, nil
}

func (s *script) witnesses(names []string) error {
	set, err := s.someWitnesses(names)
	if err != nil {
		return err
	}
	return s.order(lease.SetWitnesses{Witnesses: set}, "witnesses %s", strings.Join(names, " "))
}

func (s *script) mode(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments", len(args))
	}
	return s.order(lease.SetMode{Mode: lease.Mode(args[0])}, "mode %s", args[0])
}

func (s *script) handoff([]string) error { return s.order(lease.Handoff{}, "a handoff") }

func (s *script) promote(args []string) error {
	if len(args) < 1 || s.w.node(args[0]) == nil {
		return fmt.Errorf("no such node")
	}
	n := s.w.node(args[0])
	set, err := s.someWitnesses(args[1:])
	if err != nil {
		return err
	}
	s.w.promote(n, set)
	return nil
}

// promote is a person's word that the other node is off; what this one does not have is lost.
func (w *World) promote(n *node, set []lease.Witness) {
	end := n.log.End().Index
	w.say("world", "a person promotes %s, losing what comes after %d", n.name, end)
	w.truth.forget(n.log)
	if w.script != nil {
		for _, o := range w.nodes {
			o.off = o != n
		}
	}
	n.lossy = true
	n.run(func() { n.step(lease.Promote{LoseAfter: end, Witnesses: set}) })
}

func (s *script) numbered(args []string) (n *node, number uint64, err error) {
	if len(args) != 2 || s.w.node(args[0]) == nil {
		return nil, 0, fmt.Errorf("not NODE N")
	}
	number, err = strconv.ParseUint(args[1], 10, 64)
	return s.w.node(args[0]), number, err
}

func (s *script) rollback(args []string) error {
	n, count, err := s.numbered(args)
	if err != nil || n.up {
		return fmt.Errorf("not NODE N, or the node is up")
	}
	end := n.log.End().Index
	n.log.trim(end - min(count, end))
	s.w.say(n.name, "has a disk that is back at record %d", n.log.End().Index)
	return nil
}

func (s *script) retain(args []string) error {
	n, count, err := s.numbered(args)
	if err != nil || n.published.Index < count {
		return fmt.Errorf("not NODE N, or it has not published as many")
	}
	n.log.forget(n.published.Index - count)
	s.w.say(n.name, "keeps records from %d on", n.log.cut.Index+1)
	return nil
}

// restore makes a node of a backup of another one: its published state, nothing of what it decided.
func (s *script) restore(args []string) error {
	if len(args) != 2 || s.w.node(args[0]) == nil || s.w.node(args[1]) == nil {
		return fmt.Errorf("not NODE FROM")
	}
	s.w.restore(s.w.node(args[0]), s.w.node(args[1]))
	return nil
}

func (w *World) restore(n, of *node) {
	w.kill(n, "is taken down")
	w.say(n.name, "is restored from a backup of %s up to record %d", of.name, of.published.Index)
	n.log = of.log.clone()
	n.log.trim(of.published.Index)
	n.log.synced = n.log.End().Index
	n.newID()
	n.durable = lease.Durable{Node: n.durable.Node, Log: n.newLog(), Restored: true}
	if w.opts.Flaws.Has(lease.FlawRestoredCommands) {
		n.durable = lease.Found(of.self(), n.newLog(), of.durable.Voter.Record.Epoch, w.opts.Timers)
		n.key = of.key
	}
}

// open ends hold or drop; what was held stays held.
func (s *script) open(args []string) error {
	s.w.say("world", "lets new %s pass", strings.Join(args, " "))
	return s.some(args, func(r rule) {
		s.rules = slices.DeleteFunc(s.rules, func(o rule) bool { return o.from == r.from && o.to == r.to && o.kind == r.kind })
	})
}

// askPromise has a node ask a witness for a promise far above, as one does that cannot hear the primary.
func (s *script) askPromise(args []string) error {
	if len(args) != 2 || s.w.node(args[0]) == nil || s.w.agent(args[1]) == nil {
		return fmt.Errorf("not NODE WITNESS")
	}
	n, g := s.w.node(args[0]), s.w.agent(args[1])
	e := lease.Epoch{Counter: n.durable.Voter.Promised.Epoch.Counter + 5, Node: string(n.durable.Node)}
	s.w.say(n.name, "asks %s to promise epoch %s", g.name, e)
	s.w.send(n.at, g.at, lease.Promise{Certificate: n.sign(lease.Promised, e)})
	return nil
}

// claim has an agent that is out of its mind tell a node of an epoch far above, which no node signed.
func (s *script) claim(args []string) error {
	if len(args) != 2 || s.w.agent(args[0]) == nil || s.w.node(args[1]) == nil {
		return fmt.Errorf("not AGENT NODE")
	}
	g, n := s.w.agent(args[0]), s.w.node(args[1])
	e := lease.Epoch{Counter: 1 << 63, Node: string(s.w.nodes[1].durable.Node)}
	s.w.say(g.name, "claims epoch %s to %s", e, n.name)
	promised := lease.Certificate{Kind: lease.Promised, Epoch: e}
	won := lease.Certificate{Kind: lease.Won, Epoch: e}
	now := n.durable.Voter.Promised.Epoch
	s.w.send(g.at, n.at, lease.RenewReply{Epoch: now, N: 1, Promised: promised})
	s.w.send(g.at, n.at, lease.AcceptReply{Epoch: now, Promised: promised})
	s.w.send(g.at, n.at, lease.Promise{Certificate: promised})
	s.w.send(g.at, n.at, lease.Announce{Certificate: won, Record: n.durable.Voter.Record})
	return nil
}

// hasty gives a node a configuration that differs from the record; it counts from its next start.
func (s *script) hasty(args []string) error {
	if len(args) != 1 || s.w.node(args[0]) == nil {
		return fmt.Errorf("not NODE")
	}
	t := lease.DefaultTimers()
	s.w.node(args[0]).timers = &lease.Timers{Renew: t.Renew / 5, Stop: t.Stop / 5, Lease: t.Lease / 5, Wait: t.Wait / 5}
	s.w.say(args[0], "has timers of its own")
	return nil
}

func (s *script) address(args []string) error {
	if len(args) != 3 && (len(args) != 2 || args[0] != "remove") {
		return fmt.Errorf("not add N AGENT or remove N")
	}
	s.w.say("world", "somebody wants address: %s", strings.Join(args, " "))
	s.wanted = append(s.wanted, strings.Join(args, " "))
	return nil
}

func (s *script) setUndo(args []string) error {
	s.undo = slices.Equal(args, []string{"yes"})
	return nil
}

func (s *script) slow(args []string) (err error) {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments", len(args))
	}
	s.slowest, err = time.ParseDuration(args[0])
	s.slowly = err == nil
	return err
}

func (s *script) settle([]string) error {
	w := s.w
	w.say("world", "all is mended")
	s.rules, s.held = nil, nil
	w.mendAll()
	for _, h := range w.hosts {
		h.disk.mend()
		h.wake()
	}
	for _, n := range w.nodes {
		if !n.apart {
			n.resume()
			n.start()
		}
	}
	for _, a := range w.agents {
		a.resume()
		a.start()
	}
	if !w.runWhile(w.now+settling, func() bool { return !w.together() }) {
		w.broken("after faults stop, all comes together within a minute", "%s", w.missing())
		return nil
	}
	w.runUntil(w.now + 3*time.Second)
	for _, n := range w.nodes {
		if !n.apart && !n.shown.equal(w.nodes[0].shown) {
			w.broken("replicas converge", "%s shows other objects than %s", n.name, w.nodes[0].name)
		}
	}
	for _, id := range s.client.acked() {
		if !slices.ContainsFunc(w.nodes, func(n *node) bool { _, there := n.shown.requests[id]; return there }) {
			w.broken("no acknowledged write is lost", "%s was acknowledged and is gone", id)
		}
	}
	return nil
}
