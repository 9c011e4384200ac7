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
	saving   int // answers that wait for the disk
	work     work
}

func (a *agent) title() string { return a.name }

func (w *World) newAgent(name string, h *host) *agent {
	a := &agent{process: process{w: w, name: name, host: h}}
	h.runs = append(h.runs, &a.process)
	a.at = w.join(a)
	a.work.a = a
	h.onBoot = append(h.onBoot, func() { a.work.live = nil })
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
	a.saving = 0
	if a.images > 1 || a.life > 1 {
		a.w.say(a.name, "starts")
	}
	state := a.kept
	if a.w.opts.Flaws.Has(lease.FlawForgetVoter) {
		state = lease.VoterState{}
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

// vote answers as a witness. What the answer states is on disk before it leaves, a repeated one too.
func (a *agent) vote(from place, m lease.Message) {
	if m, ok := m.(lease.Announce); ok {
		a.work.announced(from, m)
		return
	}
	reply, changed := a.voter.Answer(a.host.clock(), m, a.knows(m))
	if reply == nil {
		return
	}
	if !changed && a.saving == 0 {
		a.w.send(a.at, from, reply)
		return
	}
	state, life := a.voter.VoterState, a.life
	a.saving++
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
			a.saving--
			a.w.send(a.at, from, reply)
		})
	}})
}

// knows tells whether a certificate is of a node that the agent knows: by its record, by the one that
// comes with the message, or by its configuration.
func (a *agent) knows(m lease.Message) func(lease.Certificate) bool {
	return func(c lease.Certificate) bool {
		var nodes []lease.Node
		if a.voter.Record != nil {
			nodes = append(nodes, a.voter.Record.Nodes...)
		}
		for _, n := range a.w.nodes { // what it connects to, by its configuration
			nodes = append(nodes, n.self())
		}
		if accept, ok := m.(lease.Accept); ok {
			nodes = append(nodes, accept.Record.Nodes...)
		}
		return a.w.valid(c, nodes)
	}
}
