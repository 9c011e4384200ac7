package world

import (
	"slices"
	"time"

	"kowabunga/core/lease"
)

// What a primary and an agent say to each other about work, besides lease.Announce.
type (
	// here tells of an agent that obeys nobody yet.
	here struct{ self lease.Witness }
	// obeyed answers an announcement.
	obeyed struct {
		self  lease.Witness
		epoch lease.Epoch
		stuck []string
		live  []string // addresses
	}
	// step asks for an effect: an address is there, or is not.
	step struct {
		request, address string
		sum              string // add or remove
		epoch            lease.Epoch
		id               lease.StepID
		to               lease.Witness // another one of the same name has another session
	}
	// stepped answers.
	stepped struct {
		request string
		epoch   lease.Epoch
		reply   lease.Reply
		there   bool // the address, found by a probe
		failed  bool // it was called off, without effect
	}
	// settled tells that an answer is recorded.
	settled struct {
		request string
		epoch   lease.Epoch
	}
	// desired is a state to be in; applied answers.
	desired struct{ generation lease.Generation }
	applied struct {
		self       lease.Witness
		generation lease.Generation
	}
)

// work is what an agent holds and does for operations.
type work struct {
	a *agent

	// On disk.
	kept    lease.Obedience
	entries []lease.LedgerEntry
	state   lease.Generation

	live []string // addresses on the host; gone when it boots

	// Of the process.
	keeper *lease.Keeper
	ledger *lease.Ledger
	steps  map[string]step
	asked  map[string][]place
	told   []place // who announced
	tickAt time.Duration
	active map[uint64]*effect
}

// calledOff is the answer of a step that was ended before its effect.
const calledOff = "called off"

// effect is a step being done.
type effect struct{ off bool }

// blank is a host that was installed anew.
func (k *work) blank() {
	k.kept, k.entries, k.state, k.live = lease.Obedience{}, nil, lease.Generation{}, nil
}

func (k *work) start() {
	a := k.a
	k.keeper = lease.NewKeeper(k.kept, lease.KeeperConfig{Self: a.witness(), Valid: a.knows(nil), Grace: 2 * time.Second, Patience: 4 * time.Second, Flaws: a.w.opts.Flaws})
	k.ledger = lease.NewLedger(k.entries, a.w.opts.Flaws)
	k.steps, k.asked, k.told, k.active = map[string]step{}, map[string][]place{}, nil, map[uint64]*effect{}
	a.w.truth.obeys(a, k.kept.Obeyed.Epoch)
	k.greet(a.life)
}

func (k *work) stop() {}

// greet makes a blank agent known to the nodes.
func (k *work) greet(life int) {
	a := k.a
	a.w.after(time.Second, func() {
		if a.life != life {
			return
		}
		a.run(func() {
			if !k.keeper.Admitted {
				for _, n := range a.w.nodes {
					a.w.send(a.at, n.at, here{a.witness()})
				}
			}
			k.greet(life)
		})
	})
}

// announced takes the news of a won epoch.
func (k *work) announced(from place, m lease.Announce) {
	effects, err := k.keeper.Announce(k.a.host.clock(), m)
	if err != nil {
		return
	}
	if !slices.Contains(k.told, from) {
		k.told = append(k.told, from)
	}
	k.perform(effects)
}

func (k *work) hear(from place, message any) {
	switch m := message.(type) {
	case step:
		k.step(from, m)
	case settled:
		if k.keeper.Allows(m.epoch) == nil {
			k.perform(k.ledger.Settle(m.epoch, []string{m.request}))
		}
	case desired:
		if k.keeper.Allows(m.generation.Epoch) != nil {
			return
		}
		if m.generation.Compare(k.state, k.a.w.opts.Flaws) > 0 {
			k.state = m.generation
		}
		k.a.w.send(k.a.at, from, applied{k.a.witness(), k.state})
	}
}

func (k *work) step(from place, m step) {
	if m.to.Identity != k.a.identity || k.keeper.Allows(m.epoch) != nil {
		return
	}
	reply, answer, effects, err := k.ledger.Ask(lease.LedgerEntry{Request: m.request, Epoch: m.epoch, Sum: m.sum})
	if err != nil {
		return
	}
	k.steps[m.request] = m
	if !slices.Contains(k.asked[m.request], from) {
		k.asked[m.request] = append(k.asked[m.request], from)
	}
	k.perform(effects)
	switch reply {
	case lease.ReplyAnswered, lease.ReplyUnknown:
		k.a.w.send(k.a.at, from, stepped{m.request, m.epoch, reply, slices.Contains(k.live, m.address), string(answer) == calledOff})
	}
}

// perform carries out what the keeper and the ledger want.
func (k *work) perform(effects []lease.Effect) {
	a := k.a
	for _, e := range effects {
		switch e := e.(type) {
		case lease.SaveObedience:
			a.keep(func() { k.kept = e.State }, func(ok bool) {
				if ok {
					k.perform(append(k.keeper.Saved(), k.ledger.Obey(k.keeper.Obeyed.Epoch)...))
				} else {
					k.keeper.NotSaved()
				}
			})
		case lease.EndWork:
			for _, w := range e.Work {
				if x := k.active[w.ID]; x != nil && a.w.rng.IntN(4) > 0 {
					x.off = true
					delete(k.active, w.ID)
					k.perform(append(k.keeper.End(a.host.clock(), w.ID), k.ledger.Done(w.Request, []byte(calledOff))...))
				}
			}
		case lease.Obeyed:
			a.w.truth.obeys(a, e.Epoch)
			answer := obeyed{self: a.witness(), epoch: e.Epoch, live: slices.Clone(k.live)}
			for _, w := range e.Stuck {
				answer.stuck = append(answer.stuck, w.Request)
			}
			for _, to := range k.told {
				a.w.send(a.at, to, answer)
			}
			k.told = nil
		case lease.KeepEntry:
			a.keep(func() { k.put(e.Entry) }, func(ok bool) {
				if ok {
					k.perform(k.ledger.Kept(e.Entry.Request))
				} else {
					k.ledger.NotKept(e.Entry.Request)
				}
			})
		case lease.DropEntry:
			a.keep(func() {
				k.entries = slices.DeleteFunc(k.entries, func(o lease.LedgerEntry) bool { return o.Request == e.Request })
			}, func(bool) {})
		case lease.RunStep:
			k.do(k.steps[e.Request])
		case lease.AnswerStep:
			for _, to := range k.asked[e.Request] {
				m := k.steps[e.Request]
				a.w.send(a.at, to, stepped{e.Request, m.epoch, lease.ReplyAnswered, slices.Contains(k.live, m.address), string(e.Answer) == calledOff})
			}
			delete(k.asked, e.Request)
		}
	}
	k.schedule()
}

func (k *work) put(e lease.LedgerEntry) {
	i := slices.IndexFunc(k.entries, func(o lease.LedgerEntry) bool { return o.Request == e.Request })
	k.entries = slices.Clone(k.entries)
	if i < 0 {
		k.entries = append(k.entries, e)
	} else {
		k.entries[i] = e
	}
}

// do has the effect of a step happen after a while, unless the work is called off or the program ends.
func (k *work) do(m step) {
	a := k.a
	id, err := k.keeper.Begin(lease.Work{Request: m.request, What: m.sum, Epoch: m.epoch})
	if err != nil {
		k.perform(k.ledger.Done(m.request, []byte(calledOff))) // an epoch came in between
		return
	}
	x := &effect{}
	k.active[id] = x
	life := a.life
	a.w.after(a.w.stepTime(), func() {
		if a.life != life {
			return
		}
		a.run(func() {
			if x.off {
				return
			}
			k.happen(m)
			delete(k.active, id)
			k.perform(append(k.keeper.End(a.host.clock(), id), k.ledger.Done(m.request, []byte("done"))...))
		})
	})
}

// happen makes an effect.
func (k *work) happen(m step) {
	a := k.a
	a.w.say(a.name, "%s address %s (%s by epoch %s)", m.sum, m.address, m.request, m.epoch)
	a.w.truth.effect(a, m)
	k.live = slices.DeleteFunc(slices.Clone(k.live), func(x string) bool { return x == m.address })
	if m.sum == "add" {
		k.live = append(k.live, m.address)
		slices.Sort(k.live)
	}
}

func (k *work) schedule() {
	at, ever := k.keeper.Next()
	if !ever || k.tickAt == at {
		return
	}
	k.tickAt = at
	life := k.a.life
	k.a.w.after(k.a.host.until(at)+time.Millisecond, func() {
		if k.a.life == life {
			k.a.run(func() {
				k.tickAt = 0
				k.perform(k.keeper.Tick(k.a.host.clock()))
			})
		}
	})
}

// keep writes to the disk and goes on in the same process.
func (a *agent) keep(apply func(), then func(ok bool)) {
	life := a.life
	a.host.disk.submit(workFile, write{grows: true, apply: apply, done: func(ok bool) {
		if a.life == life {
			a.run(func() { then(ok) })
		}
	}})
}

// stepTime is how long a step takes.
func (w *World) stepTime() time.Duration {
	switch s := w.script; {
	case s == nil:
		return w.between(20*time.Millisecond, 3*time.Second)
	case s.slowly:
		return s.slowest
	default:
		return w.between(20*time.Millisecond, s.slowest)
	}
}
