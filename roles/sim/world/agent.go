package world

import (
	"fmt"
	"time"

	"kowabunga/core/lease"
)

// agent is a host's agent: a witness if the record says so, and what holds and does what operations ask.
type agent struct {
	process
	at       place
	images   int // how often the host was installed
	identity string
	kept     lease.VoterState // on disk
	voter    *lease.Voter
	work     work
}

func (a *agent) title() string { return a.name }

func (w *World) newAgent(name string, h *host) *agent {
	a := &agent{process: process{w: w, name: name, host: h}}
	h.runs = append(h.runs, &a.process)
	a.at = w.join(a)
	a.work.a = a
	w.agents = append(w.agents, a)
	a.image()
	return a
}

func (a *agent) witness() lease.Witness { return lease.Witness{Agent: a.name, Identity: a.identity} }

// image installs the host anew: nothing of what the agent kept is there.
func (a *agent) image() {
	a.images++
	if a.images == 1 || !a.w.opts.Flaws.Has(lease.FlawKeepWitnessIdentity) {
		a.identity = fmt.Sprintf("%s%c", a.name, 'a'+rune(a.images-1)%26)
		if a.images > 26 {
			a.identity = fmt.Sprintf("%s.%d", a.name, a.images)
		}
	}
	a.kept = lease.VoterState{}
	a.work.blank()
}

// start runs the program.
func (a *agent) start() {
	if a.up {
		return
	}
	a.begin()
	if a.images > 1 || a.life > 1 {
		a.w.say(a.name, "starts")
	}
	state := a.kept
	if a.w.opts.Flaws.Has(lease.FlawForgetVoter) {
		state = lease.VoterState{Record: state.Record}
	}
	a.voter = lease.NewVoter(state, a.host.clock(), a.w.opts.Timers.Lease, false, a.w.opts.Flaws)
	a.work.start()
}

// kill ends the program; the host and what runs on it go on.
func (a *agent) kill(why string) {
	if !a.up {
		return
	}
	a.w.say(a.name, "%s", why)
	a.end()
	a.host.disk.crash()
	a.work.stop()
}

func (a *agent) receive(from place, message any) {
	a.run(func() {
		m, ok := message.(lease.Message)
		if !ok {
			a.work.hear(from, message)
			return
		}
		a.vote(from, m)
	})
}

// vote answers as a witness.
func (a *agent) vote(from place, m lease.Message) {
	reply, changed := a.answer(m)
	if reply == nil {
		return
	}
	if !changed {
		a.w.send(a.at, from, reply)
		return
	}
	state, life := a.voter.VoterState, a.life
	a.host.disk.submit(stateFile, write{grows: true, apply: func() { a.kept = state }, done: func(ok bool) {
		if a.life != life {
			return
		}
		a.run(func() {
			if !ok {
				a.kill("stops: its state cannot be written")
				a.w.after(5*time.Second, a.start)
				return
			}
			a.w.send(a.at, from, reply)
		})
	}})
}

func (a *agent) answer(m lease.Message) (reply lease.Message, changed bool) {
	v, now := a.voter, a.host.clock()
	switch m := m.(type) {
	case lease.Prevote:
		why := v.Refuses(now, m.Epoch, false)
		return lease.PrevoteReply{Epoch: m.Epoch, OK: why == "", Why: why, Promised: v.Promised, Record: v.Record, Known: v.Known}, false
	case lease.Promise:
		r := lease.PromiseReply{Epoch: m.Certificate.Epoch}
		if !a.knows(m.Certificate, nil) {
			r.Why = "the certificate is not of a node that is known here"
			return r, false
		}
		r.Why, changed = v.Promise(now, m.Certificate, false)
		if r.OK = r.Why == ""; r.OK {
			r.Record, r.Known = v.Record, v.Known
		}
		r.Promised = v.Promised
		return r, changed
	case lease.Accept:
		r := lease.AcceptReply{Epoch: m.Record.Epoch, Seq: m.Record.Seq}
		if !a.knows(m.Proof, m.Record) {
			r.Why = "the certificate is not of a node that is known here"
			return r, false
		}
		r.Why, changed = v.Accept(m.Record, m.Proof, nil)
		r.OK, r.Promised = r.Why == "", v.Promised
		return r, changed
	case lease.Renew:
		r := lease.RenewReply{Epoch: m.Proof.Epoch, N: m.N}
		if !a.knows(m.Proof, nil) {
			return nil, false
		}
		r.OK, changed = v.Renew(now, m)
		if !r.OK {
			r.Promised = v.Promised
		}
		return r, changed
	case lease.Announce:
		a.work.announced(m)
	}
	return nil, false
}

// knows tells whether a certificate is of a node that the agent knows: by its record, by the one that
// comes with it, or, while it has none, by the keys it was given when it joined.
func (a *agent) knows(c lease.Certificate, r *lease.Record) bool {
	var nodes []lease.Node
	if a.voter.Record != nil {
		nodes = append(nodes, a.voter.Record.Nodes...)
	} else {
		for _, n := range a.w.nodes {
			nodes = append(nodes, n.self())
		}
	}
	if r != nil {
		nodes = append(nodes, r.Nodes...)
	}
	return a.w.valid(c, nodes)
}
