package lease

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kowabunga/core/fault"
)

// ResourceKind is a kind of what an agent may hold by order of a Kahuna.
type ResourceKind string

// The kinds of what is not released while an agent that may hold it is unshown.
const (
	HeldMachine  ResourceKind = "machine"
	HeldVolume   ResourceKind = "volume"
	HeldAddress  ResourceKind = "address"
	HeldMAC      ResourceKind = "mac"
	HeldVRRP     ResourceKind = "vrrp id"
	HeldVLAN     ResourceKind = "vlan"
	HeldExport   ResourceKind = "export"
	HeldCapacity ResourceKind = "capacity"
)

// Hold is that an agent may have something by order of an epoch: because a command or a desired state
// that was published said so, whether it arrived or not.
type Hold struct {
	Kind    ResourceKind
	ID      string
	Agent   Witness // as it was when it was told: a re-imaged host is another
	Epoch   Epoch   // of the last order about it; zero: not known, any before the present one
	Request string  // the last order, if it was a step; empty: not known, or a desired state
}

// Wait is one agent that something waits for, and why.
type Wait struct {
	Agent Witness
	Why   string
}

// Verdict says whether something may be done, or whom it waits for, each agent once, in order.
type Verdict struct{ Waits []Wait }

// OK tells whether nothing is waited for.
func (v Verdict) OK() bool { return len(v.Waits) == 0 }

// Err is nil when nothing is waited for, else Unavailable and says for whom.
func (v Verdict) Err() error {
	if v.OK() {
		return nil
	}
	names := make([]string, len(v.Waits))
	for i, w := range v.Waits {
		names[i] = fmt.Sprintf("agent %s (%s)", w.Agent.Agent, w.Why)
	}
	return fault.New(fault.Unavailable, "waits for %s", strings.Join(names, ", "))
}

// Shown is what the primary of an epoch knows of its agents: which have answered the epoch, so that
// nothing of a lower one happens there any more, and which cannot do anything at all.
type Shown struct {
	epoch Epoch
	lossy bool
	flaws Flaws

	answered map[Witness][]string // with the requests that still run there
	fenced   map[Witness]string   // with the proof
	waived   map[string]string    // by whom, by agent
}

// NewShown begins an epoch: no agent is shown. lossy tells that since the last promotion that may have
// lost records not every agent has reported.
func NewShown(e Epoch, lossy bool, flaws Flaws) *Shown {
	return &Shown{epoch: e, lossy: lossy, flaws: flaws, answered: map[Witness][]string{}, fenced: map[Witness]string{}, waived: map[string]string{}}
}

// Answered takes the answer of an agent to the announcement of an epoch, with its inventory, and what it
// named as work that cannot end. Answers to other epochs do not count. An agent that answers is no
// longer fenced.
func (s *Shown) Answered(w Witness, e Epoch, stuck []string) {
	if e != s.epoch {
		return
	}
	s.answered[w] = slices.Clone(stuck)
	delete(s.fenced, w)
}

// Ended tells that one piece of work ended that an agent had named as what cannot end.
func (s *Shown) Ended(w Witness, request string) {
	if i := slices.Index(s.answered[w], request); i >= 0 {
		s.answered[w] = slices.Delete(s.answered[w], i, i+1)
	}
}

// Fenced tells that an agent can do nothing, by a proof that is recorded: its host was seen off by its
// power controller, or a person said so. An empty proof is none. The proof is of this identity.
func (s *Shown) Fenced(w Witness, proof string) {
	if proof != "" {
		s.fenced[w] = proof
		delete(s.answered, w) // what could not be ended there has ended with the host
	}
}

// Waive takes a person's word that an agent holds nothing that was lost.
func (s *Shown) Waive(agent, person string) {
	if person != "" {
		s.waived[agent] = person
	}
}

// Is tells whether an agent is shown: it answered, or is fenced.
func (s *Shown) Is(w Witness) bool {
	_, answered := s.answered[w]
	return answered || s.fenced[w] != ""
}

// Release decides whether something may be released, reused, moved, started elsewhere or undone, given
// all who may hold it. An agent named by an order of the present epoch answered it before it was given
// any, so that only older orders are waited for.
func (s *Shown) Release(holds []Hold) Verdict {
	var v Verdict
	if s.flaws.Has(FlawReleaseUnshown) {
		return v
	}
	for _, h := range holds {
		switch {
		case h.Epoch.Compare(s.epoch) >= 0:
		case !s.Is(h.Agent):
			v.add(h.Agent, fmt.Sprintf("it may hold %s %s by order of %s and has not answered epoch %s", h.Kind, h.ID, of(h.Epoch), s.epoch))
		case h.Request != "" && slices.Contains(s.answered[h.Agent], h.Request):
			v.add(h.Agent, fmt.Sprintf("%s of epoch %s on %s %s cannot be ended there", h.Request, h.Epoch, h.Kind, h.ID))
		case slices.Contains(s.answered[h.Agent], ""): // a desired state has no request id, and may be about anything
			v.add(h.Agent, fmt.Sprintf("it still applies a state of an older epoch, which may be about %s %s", h.Kind, h.ID))
		case h.Request == "" && len(s.answered[h.Agent]) > 0:
			v.add(h.Agent, fmt.Sprintf("%s of an older epoch, which may be about %s %s, cannot be ended there", s.answered[h.Agent][0], h.Kind, h.ID))
		}
	}
	return v.sorted()
}

// Allocate decides whether something new may be handed out in a region, given its agents. Only after
// a promotion that may have lost records it waits: for what each of them reports, for proof that it is
// fenced, or for a person who waives it by name.
func (s *Shown) Allocate(agents []Witness) Verdict {
	var v Verdict
	if !s.lossy || s.flaws.Has(FlawAllocateUnseen) {
		return v
	}
	for _, w := range agents {
		if !s.Is(w) && s.waived[w.Agent] == "" {
			v.add(w, "it has not reported what it holds since records may have been lost")
		}
	}
	return v.sorted()
}

// Regained tells that all agents have reported, or are fenced or waived: nothing waits any more for what
// a lossy promotion may have lost. Journal it, for the next epoch's NewShown.
func (s *Shown) Regained(all []Witness) bool {
	return s.lossy && s.Allocate(all).OK()
}

// Restored tells that Regained was journalled: allocations wait for nobody any more, agents made later included.
func (s *Shown) Restored() { s.lossy = false }

// of names an epoch that may not be known.
func of(e Epoch) string {
	if e == (Epoch{}) {
		return "an older epoch"
	}
	return "epoch " + e.String()
}

func (v *Verdict) add(w Witness, why string) {
	if !slices.ContainsFunc(v.Waits, func(o Wait) bool { return o.Agent == w }) {
		v.Waits = append(v.Waits, Wait{w, why})
	}
}

func (v Verdict) sorted() Verdict {
	slices.SortStableFunc(v.Waits, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(a.Agent.Agent, b.Agent.Agent), cmp.Compare(a.Agent.Identity, b.Agent.Identity))
	})
	return v
}

// Generation numbers a desired state: within an epoch by number, across epochs by epoch.
type Generation struct {
	Epoch  Epoch
	Number uint64
}

// Compare is negative when g is older than o, positive when it is newer.
func (g Generation) Compare(o Generation, flaws Flaws) int {
	if !flaws.Has(FlawGenerationAlone) {
		if c := g.Epoch.Compare(o.Epoch); c != 0 {
			return c
		}
	}
	return cmp.Compare(g.Number, o.Number)
}
