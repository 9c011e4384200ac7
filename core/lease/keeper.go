package lease

import (
	"cmp"
	"slices"
	"time"

	"kowabunga/core/fault"
)

// Obedience is what an agent keeps on disk of whom it obeys. It is apart from what it promised as a witness.
type Obedience struct {
	Obeyed   Certificate `json:"obeyed,omitzero"`
	Admitted bool        `json:"admitted,omitempty"` // a published record names this identity
}

// certified tells whether the agent ever obeyed a certificate; from then on it obeys nothing else.
func (o Obedience) certified() bool { return o.Obeyed.Kind != "" }

// Work is something that runs at an agent by order of a Kahuna.
type Work struct {
	ID      uint64 `json:"-"`                 // given by Begin
	Request string `json:"request,omitempty"` // empty for what has no request id
	What    string `json:"what"`              // method, for people
	Epoch   Epoch  `json:"epoch"`             // that ordered it
}

// SaveObedience makes Obedience survive a crash. Keeper.Saved or Keeper.NotSaved answers, in the order
// of the effects.
type SaveObedience struct{ State Obedience }

// EndWork calls work off. Keeper.End tells when it ended; it need not.
type EndWork struct{ Work []Work }

// Obeyed answers everybody who announced this epoch: with an inventory taken from now on, and with the
// older work that could not be ended. Whoever announced a lower epoch and still waits is fenced.
type Obeyed struct {
	Epoch Epoch
	Stuck []Work
}

func (SaveObedience) effect() {}
func (EndWork) effect()       {}
func (Obeyed) effect()        {}

// KeeperConfig is what a keeper is told once.
type KeeperConfig struct {
	Self     Witness
	Valid    func(Certificate) bool // signed by the epoch's own node, whose key the agent knows
	Grace    time.Duration          // older work may end by itself for so long
	Patience time.Duration          // and, called off then, for so long more; the rest is named as what cannot end
	Flaws    Flaws
}

// Keeper decides what an agent obeys: the highest epoch announced to it as won. Before it says so it
// refuses lower work, has older work ended, and has the epoch on disk. A blank agent, one whose identity
// no published record names, obeys nobody.
type Keeper struct {
	Obedience
	cfg     KeeperConfig
	last    uint64
	running map[uint64]Work
	rise    *rise
	saves   []Obedience // asked for and not answered, oldest first
}

// rise is the way from an epoch to a higher one.
type rise struct {
	to        Certificate
	admitted  bool
	callOff   time.Duration // when work is called off
	giveUp    time.Duration // when it is not waited for any more
	calledOff bool
	saving    bool
	failed    bool // saving did; the next announcement tries again
}

// NewKeeper makes a keeper of what was on disk, the zero value when nothing was. Nothing runs.
func NewKeeper(state Obedience, c KeeperConfig) *Keeper {
	return &Keeper{Obedience: state, cfg: c, running: map[uint64]Work{}}
}

// Announce takes the news of a won epoch. Obeyed answers it later unless a fault does at once: Denied,
// the certificate is none of a won epoch by a known node; Fenced, a higher epoch is obeyed or about to
// be; Unavailable, the agent is blank and the announcement does not admit it.
func (k *Keeper) Announce(now time.Duration, a Announce) ([]Effect, error) {
	c := a.Certificate
	if c.Kind != Won || !k.cfg.Valid(c) {
		return nil, fault.New(fault.Denied, "the announcement of epoch %s has no certificate of a won epoch that a known node signed", c.Epoch)
	}
	if floor := k.floor(); c.Epoch.Compare(floor) < 0 {
		return nil, olderThan(c.Epoch, floor)
	}
	admitted := k.Admitted || a.Record.Names(k.cfg.Self) || a.Admits != "" && a.Admits == k.cfg.Self.Identity
	if !admitted && !k.cfg.Flaws.Has(FlawBlankObeys) {
		return nil, blank(k.cfg.Self)
	}
	switch {
	case k.rise != nil && k.rise.to.Epoch == c.Epoch:
		k.rise.failed = false
		return k.proceed(now), nil
	case k.rise == nil && k.Obeyed.Epoch == c.Epoch && k.certified() && k.Admitted == admitted:
		return []Effect{k.answer()}, nil
	}
	k.rise = &rise{to: c, admitted: admitted, callOff: now + k.cfg.Grace, giveUp: now + k.cfg.Grace + k.cfg.Patience}
	return k.proceed(now), nil
}

// Uncertified takes the epoch of a Kahuna of a release that sends no certificates: obeyed by commands
// alone, without ending older work, until the first certificate. Faults: Fenced.
func (k *Keeper) Uncertified(e Epoch) ([]Effect, error) {
	floor := k.floor()
	switch c := e.Compare(floor); {
	case c < 0:
		return nil, olderThan(e, floor)
	case c > 0 && (k.certified() || k.rise != nil):
		return nil, neverWon(e, floor)
	case c == 0 && (k.Admitted || k.certified()):
		return nil, nil
	}
	return k.save(Obedience{Obeyed: Certificate{Epoch: e}, Admitted: true}), nil
}

// Begin lets work run and gives it the id that End wants, or tells why not. Faults: Fenced, the epoch is
// not the one obeyed; Unavailable, the agent is blank, or on its way to this very epoch.
func (k *Keeper) Begin(w Work) (id uint64, err error) {
	if err := k.Allows(w.Epoch); err != nil {
		return 0, err
	}
	k.last++
	w.ID = k.last
	k.running[w.ID] = w
	return w.ID, nil
}

// Allows tells whether work of an epoch may begin, with the faults of Begin.
func (k *Keeper) Allows(e Epoch) error {
	if !k.Admitted && !k.cfg.Flaws.Has(FlawBlankObeys) {
		return blank(k.cfg.Self)
	}
	floor := k.floor()
	switch c := e.Compare(floor); {
	case c < 0:
		return olderThan(e, floor)
	case c > 0:
		return neverWon(e, floor)
	case k.rise != nil && k.Obeyed.Epoch != e:
		return fault.New(fault.Unavailable, "the agent still ends work of the epoch before %s; repeat the call when the announcement is answered", e)
	}
	return nil
}

// End tells that work ended, whatever came of it.
func (k *Keeper) End(now time.Duration, id uint64) []Effect {
	delete(k.running, id)
	return k.proceed(now)
}

// Tick lets time pass; call it at the time that Next tells, or more often.
func (k *Keeper) Tick(now time.Duration) []Effect { return k.proceed(now) }

// Next is when Tick has something to do, if ever.
func (k *Keeper) Next() (at time.Duration, ever bool) {
	switch r := k.rise; {
	case r == nil || r.saving || r.failed:
		return 0, false
	case r.calledOff:
		return r.giveUp, true
	default:
		return r.callOff, true
	}
}

// Saved tells that the oldest SaveObedience without an answer is on disk.
func (k *Keeper) Saved() []Effect {
	state := k.saves[0]
	k.saves = k.saves[1:]
	k.Obedience = state
	if k.rise == nil || k.rise.to.Epoch != state.Obeyed.Epoch {
		return nil
	}
	k.rise = nil
	return []Effect{k.answer()}
}

func (k *Keeper) answer() Obeyed {
	o := Obeyed{Epoch: k.Obeyed.Epoch}
	if !k.cfg.Flaws.Has(FlawAnswerWithOlderWork) {
		o.Stuck = k.older(o.Epoch)
	}
	return o
}

// NotSaved tells that the oldest SaveObedience failed. Lower work stays refused; the next announcement
// tries again.
func (k *Keeper) NotSaved() {
	state := k.saves[0]
	k.saves = k.saves[1:]
	if k.rise != nil && k.rise.to.Epoch == state.Obeyed.Epoch {
		k.rise.saving, k.rise.failed = false, true
	}
}

// Running is what runs, oldest first.
func (k *Keeper) Running() []Work { return k.below(nil) }

// proceed takes the next step of a rise.
func (k *Keeper) proceed(now time.Duration) []Effect {
	r := k.rise
	if r == nil || r.saving || r.failed {
		return nil
	}
	older := k.older(r.to.Epoch)
	if len(older) > 0 && now < r.giveUp && !k.cfg.Flaws.Has(FlawAnswerWithOlderWork) {
		if r.calledOff || now < r.callOff {
			return nil
		}
		r.calledOff = true
		return []Effect{EndWork{older}}
	}
	r.saving = true
	return k.save(Obedience{Obeyed: r.to, Admitted: r.admitted})
}

func (k *Keeper) save(state Obedience) []Effect {
	k.saves = append(k.saves, state)
	if k.cfg.Flaws.Has(FlawObeyUnsaved) {
		return k.Saved()
	}
	return []Effect{SaveObedience{state}}
}

// floor is the lowest epoch that is not refused.
func (k *Keeper) floor() Epoch {
	if k.rise != nil {
		return k.rise.to.Epoch
	}
	return k.Obeyed.Epoch
}

func (k *Keeper) older(than Epoch) []Work { return k.below(&than) }

func (k *Keeper) below(e *Epoch) []Work {
	var out []Work
	for _, w := range k.running {
		if e == nil || w.Epoch.Compare(*e) < 0 {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b Work) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func olderThan(e, floor Epoch) error {
	return fault.New(fault.Fenced, "epoch %s is older than %s, which this agent obeys", e, floor)
}

func neverWon(e, floor Epoch) error {
	return fault.New(fault.Fenced, "epoch %s was never announced to this agent as won; it obeys %s", e, floor)
}

func blank(self Witness) error {
	return fault.New(fault.Unavailable, "the agent is new and obeys nobody until a published record names its identity %.8s", self.Identity)
}
