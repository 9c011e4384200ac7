package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/store/journal"
)

// addresses are how many there are to hand out.
const addresses = 3

// operations is what a primary does with agents in its epoch: it makes itself known, hands out addresses
// and takes them back, and tells of desired states.
type operations struct {
	n      *node
	epoch  lease.Epoch
	won    lease.Announce
	shown  *lease.Shown
	lossy  bool
	number uint64 // of the desired state

	live  map[string][]string // addresses at an agent when it answered
	stuck map[string]bool     // agents that named work that cannot end
	state map[string]lease.Generation
	busy  map[string]bool // addresses about which a change is under way
	waits map[string]int  // ticks for which a step had no answer
	taken map[string]bool // agents whose inventory was taken into the books after a loss
}

// hold is what the journal says of an address that is not free.
type hold struct {
	agent, identity string
	phase           string // adding, held, removing
	epoch           lease.Epoch
	op              string
	attempt         int
}

func (h hold) String() string {
	return fmt.Sprintf("%s %s %s %d %s %s %d", h.agent, h.identity, h.phase, h.epoch.Counter, h.epoch.Node, h.op, h.attempt)
}

func readHold(b []byte) (h hold, there bool) {
	if len(b) == 0 {
		return h, false
	}
	_, err := fmt.Sscan(string(b), &h.agent, &h.identity, &h.phase, &h.epoch.Counter, &h.epoch.Node, &h.op, &h.attempt)
	return h, err == nil
}

func (h hold) witness() lease.Witness { return lease.Witness{Agent: h.agent, Identity: h.identity} }

func (h hold) stepID() lease.StepID {
	direction := "do"
	if h.phase == "removing" {
		direction = "undo"
	}
	return lease.StepID{Operation: h.op, Direction: direction, Attempt: h.attempt}
}

// serve begins the work of an epoch.
func (n *node) serve(r *lease.Record) {
	o := &operations{n: n, epoch: n.epoch, live: map[string][]string{}, stuck: map[string]bool{}, state: map[string]lease.Generation{}, busy: map[string]bool{}, taken: map[string]bool{}, waits: map[string]int{}}
	o.won = lease.Announce{Certificate: n.sign(lease.Won, n.epoch), Record: r}
	for _, x := range r.All() {
		n.w.truth.admitted[x.Identity] = true
	}
	_, marked := n.shown.objects["lossy"]
	o.lossy = marked || n.lossy
	o.shown = lease.NewShown(n.epoch, o.lossy, n.w.opts.Flaws)
	n.ops = o
	if n.lossy && !marked {
		o.set("lossy", "yes", func() { n.lossy = false })
	}
	o.loop()
}

func (o *operations) loop() {
	o.n.later(400*time.Millisecond, func() {
		if o.n.ops == o && o.n.serving {
			if o.n.acts() && !o.n.draining {
				o.tick()
			}
			o.loop()
		}
	})
}

// set writes an object, or removes it when value is empty; then goes on once that is published.
func (o *operations) set(id, value string, then func()) {
	if o.busy[id] {
		return
	}
	o.busy[id] = true
	o.n.commit.submit(tx{
		cause: journal.Cause{Actor: "system", What: strings.TrimSpace(id + " " + value)},
		decide: func(s state) []journal.Change {
			if value == "" {
				return []journal.Change{remove(s, "work", model.ID(id))}
			}
			return []journal.Change{put(s, "work", model.ID(id), []byte(value))}
		},
		done: func(lease.Position) {
			o.busy[id] = false
			if then != nil && o.n.ops == o {
				then()
			}
		},
		gone: func() { o.busy[id] = false },
	})
}

func (o *operations) get(id string) []byte { return o.n.shown.objects[model.ID(id)] }

// tell sends something to an agent.
func (o *operations) tell(name string, message any) {
	if g := o.n.w.agent(name); g != nil {
		o.n.w.send(o.n.at, g.at, message)
	}
}

// known is an agent as the journal knows it.
func (o *operations) known(name string) lease.Witness {
	return lease.Witness{Agent: name, Identity: string(o.get("agent/" + name))}
}

func (o *operations) tick() {
	if o.n.w.rng.IntN(8) == 0 && !o.n.w.resting || o.number == 0 {
		o.number++
	}
	var all []lease.Witness
	for _, g := range o.n.w.agents {
		x := o.known(g.name)
		if x.Identity == "" {
			continue
		}
		all = append(all, x)
		if !o.shown.Is(x) || o.stuck[g.name] {
			m := o.won
			m.Admits = x.Identity
			o.tell(g.name, m)
			continue
		}
		if want := (lease.Generation{Epoch: o.epoch, Number: o.number}); o.state[g.name] != want {
			o.tell(g.name, desired{want})
		}
	}
	if o.lossy && !o.n.w.opts.Flaws.Has(lease.FlawAllocateUnseen) {
		// What was lost may have been anything: no operation goes on before all agents have reported.
		if o.shown.Regained(all) && !o.adopts() {
			o.lossy = false
			o.set("lossy", "", nil)
		}
		return
	}
	for i := range addresses {
		o.address(fmt.Sprint(i+1), all)
	}
}

// adopts takes into the books what agents hold that the books do not know, or know at another agent, and
// tells whether there was any.
func (o *operations) adopts() (any bool) {
	for _, g := range o.n.w.agents {
		for _, address := range o.live[g.name] {
			if h, there := readHold(o.get("addr/" + address)); !o.taken[g.name+"/"+address] && (!there || h.agent != g.name || h.phase != "held") {
				any, o.taken[g.name+"/"+address] = true, true
				o.set("addr/"+address, hold{g.name, o.known(g.name).Identity, "held", o.epoch, o.operation(address), 1}.String(), nil)
			}
		}
	}
	return any
}

func (o *operations) operation(address string) string {
	return fmt.Sprintf("op%s.%d%s.%d", address, o.epoch.Counter, o.epoch.Node, o.n.log.End().Index)
}

// address goes on with one address.
func (o *operations) address(k string, all []lease.Witness) {
	id := "addr/" + k
	if o.busy[id] {
		return
	}
	h, taken := readHold(o.get(id))
	if !taken {
		if to, ok := o.wants("add", k); ok && o.shown.Is(to) && o.shown.Allocate(all).OK() {
			o.set(id, hold{to.Agent, to.Identity, "adding", o.epoch, o.operation(k), 1}.String(), nil)
		}
		return
	}
	x := h.witness()
	if now := o.known(h.agent); now != x && now.Identity != "" {
		o.shown.Fenced(x, "the host was installed anew") // and that is published
	}
	switch {
	case h.phase == "held" && o.shown.Is(o.known(h.agent)) && o.known(h.agent) == x:
		if _, ok := o.wants("remove", k); ok {
			h.phase, h.attempt, h.op = "removing", 1, o.operation(k)
			o.set(id, h.String(), nil)
		}
	case h.epoch != o.epoch && (o.undoes(h, k) || o.known(h.agent) != x):
		// Of an epoch that is over: rather than going on, it is undone.
		v := o.shown.Release([]lease.Hold{{Kind: lease.HeldAddress, ID: k, Agent: x, Epoch: h.epoch, Request: h.stepID().Request()}})
		switch {
		case !v.OK():
		case slices.Contains(o.live[h.agent], k) && o.known(h.agent) == x:
			h.phase, h.epoch = "held", o.epoch
			o.set(id, h.String(), nil)
		default:
			o.set(id, "", nil)
		}
	case h.phase != "held" && o.known(h.agent) == x && o.shown.Is(x):
		o.ask(h, k)
	case h.phase != "held" && o.known(h.agent) != x && h.epoch == o.epoch:
		o.set(id, "", nil) // the host it was on is no more
	}
}

// undoes tells whether an operation of another epoch is undone; it goes on otherwise.
func (o *operations) undoes(h hold, k string) bool {
	if s := o.n.w.script; s != nil {
		return s.undo
	}
	return (h.epoch.Counter+uint64(k[0])+o.epoch.Counter)%2 == 0
}

// wants tells whether somebody wants an address added or removed.
func (o *operations) wants(what, k string) (lease.Witness, bool) {
	w := o.n.w
	if w.script != nil {
		for i, f := range w.script.wanted {
			words := strings.Fields(f)
			if words[0] == what && words[1] == k {
				if what == "add" {
					x := o.known(words[2])
					if !o.shown.Is(x) {
						return x, false
					}
					w.script.wanted = slices.Delete(w.script.wanted, i, i+1)
					return x, true
				}
				w.script.wanted = slices.Delete(w.script.wanted, i, i+1)
				return lease.Witness{}, true
			}
		}
		return lease.Witness{}, false
	}
	if w.resting || w.rng.IntN(6) > 0 {
		return lease.Witness{}, false
	}
	return o.known(w.agents[w.rng.IntN(len(w.agents))].name), true
}

// ask has the agent do the step that the books say.
func (o *operations) ask(h hold, k string) {
	id := h.stepID()
	if h.epoch != o.epoch {
		id = id.Resumed(o.n.w.opts.Flaws)
	}
	sum := "add"
	if h.phase == "removing" {
		sum = "remove"
	}
	o.tell(h.agent, step{request: id.Request(), address: k, sum: sum, epoch: o.epoch, id: id, to: h.witness()})
}

// stepped takes the answer of an agent to a step.
func (o *operations) stepped(m stepped) {
	for i := range addresses {
		k := fmt.Sprint(i + 1)
		h, taken := readHold(o.get("addr/" + k))
		if !taken || h.phase == "held" || o.busy["addr/"+k] {
			continue
		}
		asked := h.stepID()
		if h.epoch != o.epoch {
			asked = asked.Resumed(o.n.w.opts.Flaws)
		}
		if asked.Request() != m.request {
			continue
		}
		settle := func() { o.tell(h.agent, settled{m.request, o.epoch}) }
		switch {
		case m.failed, m.reply == lease.ReplyUnknown && m.there != (h.phase == "adding"):
			h.attempt++
			h.epoch = o.epoch
			o.set("addr/"+k, h.String(), settle)
		case h.phase == "adding":
			h.phase = "held"
			o.set("addr/"+k, h.String(), settle)
		default:
			o.set("addr/"+k, "", settle)
		}
	}
}

// hear takes what agents say about work.
func (n *node) hear(_ place, message any) {
	o := n.ops
	if o == nil || !n.serving || !n.acts() {
		return
	}
	switch m := message.(type) {
	case here:
		o.meets(m.self)
	case obeyed:
		o.meets(m.self)
		if m.epoch == o.epoch && o.known(m.self.Agent) == m.self {
			o.shown.Answered(m.self, m.epoch, m.stuck)
			o.live[m.self.Agent], o.stuck[m.self.Agent] = m.live, len(m.stuck) > 0
		}
	case stepped:
		if m.epoch == o.epoch {
			o.stepped(m)
		}
	case applied:
		o.state[m.self.Agent] = m.generation
	}
}

// meets learns the identity of an agent. One that was installed anew meanwhile has no session any more.
func (o *operations) meets(x lease.Witness) {
	if g := o.n.w.agent(x.Agent); g.identity == x.Identity && o.known(x.Agent) != x {
		o.set("agent/"+x.Agent, x.Identity, nil)
	}
}

// left says what is left to be done; nothing is empty.
func (o *operations) left() string {
	if o.lossy {
		return "a look at all agents after a loss"
	}
	for _, g := range o.n.w.agents {
		if x := o.known(g.name); x != g.witness() || !o.shown.Is(x) || o.state[g.name] != (lease.Generation{Epoch: o.epoch, Number: o.number}) {
			return fmt.Sprintf("agent %s: known as %s, shown %v, state %v of %v", g.name, x.Identity, o.shown.Is(x), o.state[g.name], o.number)
		}
	}
	for i := range addresses {
		k := "addr/" + fmt.Sprint(i+1)
		if h, taken := readHold(o.get(k)); o.busy[k] || taken && h.phase != "held" {
			return fmt.Sprintf("address %s, %s, busy %v", k, h, o.busy[k])
		}
	}
	return ""
}
