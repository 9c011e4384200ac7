package lease

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

var (
	e1 = Epoch{Counter: 1, Node: "a"}
	e2 = Epoch{Counter: 2, Node: "b"}
	e3 = Epoch{Counter: 3, Node: "a"}

	keeperSelf = Witness{Agent: "agent", Identity: "identity"}
)

func won(e Epoch) Certificate { return Certificate{Kind: Won, Epoch: e, Sig: []byte(e.Node)} }

// signed is a certificate check: the signature is the name of the node.
func signed(c Certificate) bool { return string(c.Sig) == c.Epoch.Node }

func newKeeper(state Obedience, flaws ...Flaw) *Keeper {
	return NewKeeper(state, KeeperConfig{Self: keeperSelf, Valid: signed, Grace: 2 * time.Second, Patience: 10 * time.Second, Flaws: Of(flaws...)})
}

func obeying(e Epoch) Obedience { return Obedience{Obeyed: won(e), Admitted: true} }

func announce(t *testing.T, k *Keeper, now time.Duration, e Epoch) []Effect {
	t.Helper()
	effects, err := k.Announce(now, Announce{Certificate: won(e)})
	if err != nil {
		t.Fatal(err)
	}
	return effects
}

func begin(t *testing.T, k *Keeper, e Epoch, request string) uint64 {
	t.Helper()
	id, err := k.Begin(Work{Epoch: e, Request: request, What: "machine.define"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func effect[E Effect](t *testing.T, effects []Effect) E {
	t.Helper()
	if len(effects) != 1 {
		t.Fatalf("%d effects instead of one: %#v", len(effects), effects)
	}
	e, ok := effects[0].(E)
	if !ok {
		t.Fatalf("the effect is %#v", effects[0])
	}
	return e
}

func none(t *testing.T, effects []Effect) {
	t.Helper()
	if len(effects) != 0 {
		t.Fatalf("effects: %#v", effects)
	}
}

func refused(t *testing.T, err error, code fault.Code, words string) {
	t.Helper()
	if !fault.Is(err, code) || !strings.Contains(err.Error(), words) {
		t.Fatalf("%v; want %s with %q", err, code, words)
	}
}

// TestOlderWorkEndsBeforeTheAnswer is f1: a long step of the epoch before must not run while the next
// primary looks at the inventory.
func TestOlderWorkEndsBeforeTheAnswer(t *testing.T) {
	k := newKeeper(obeying(e1))
	id := begin(t, k, e1, "op/0/do/1")
	none(t, announce(t, k, 0, e2))

	_, err := k.Begin(Work{Epoch: e1})
	refused(t, err, fault.Fenced, "older than 2@b")
	_, err = k.Begin(Work{Epoch: e2})
	refused(t, err, fault.Unavailable, "still ends work")
	if k.Obeyed.Epoch != e1 {
		t.Fatal("obeys before it is on disk")
	}

	if at, ever := k.Next(); !ever || at != 2*time.Second {
		t.Fatalf("looks again at %v %v", at, ever)
	}
	none(t, k.Tick(time.Second))
	if e := effect[EndWork](t, k.Tick(2*time.Second)); len(e.Work) != 1 || e.Work[0].ID != id {
		t.Fatalf("ends %v", e)
	}
	none(t, k.Tick(3*time.Second))
	save := effect[SaveObedience](t, k.End(4*time.Second, id))
	if save.State.Obeyed.Epoch != e2 || !save.State.Admitted {
		t.Fatalf("saves %v", save)
	}
	if o := effect[Obeyed](t, k.Saved()); o.Epoch != e2 || len(o.Stuck) != 0 {
		t.Fatalf("answers %v", o)
	}
	begin(t, k, e2, "op/0/do/1")
}

func TestWhatCannotEndIsNamed(t *testing.T) {
	k := newKeeper(obeying(e1))
	id := begin(t, k, e1, "op/3/do/1")
	none(t, announce(t, k, 0, e2))
	effect[EndWork](t, k.Tick(2*time.Second))
	if at, _ := k.Next(); at != 12*time.Second {
		t.Fatalf("gives up at %v", at)
	}
	effect[SaveObedience](t, k.Tick(12*time.Second))
	if o := effect[Obeyed](t, k.Saved()); len(o.Stuck) != 1 || o.Stuck[0].Request != "op/3/do/1" {
		t.Fatalf("names %v", o.Stuck)
	}
	if o := effect[Obeyed](t, announce(t, k, 13*time.Second, e2)); len(o.Stuck) != 1 {
		t.Fatal("a repeat does not name it")
	}
	none(t, k.End(14*time.Second, id))
	if o := effect[Obeyed](t, announce(t, k, 15*time.Second, e2)); len(o.Stuck) != 0 {
		t.Fatal("names what ended")
	}
}

func TestEpochsThatAreNotObeyed(t *testing.T) {
	k := newKeeper(obeying(e2))
	_, err := k.Announce(0, Announce{Certificate: won(e1)})
	refused(t, err, fault.Fenced, "1@a is older than 2@b")
	_, err = k.Announce(0, Announce{Certificate: Certificate{Kind: Promised, Epoch: e3, Sig: []byte("a")}})
	refused(t, err, fault.Denied, "won")
	_, err = k.Announce(0, Announce{Certificate: Certificate{Kind: Won, Epoch: e3, Sig: []byte("x")}})
	refused(t, err, fault.Denied, "signed")
	_, err = k.Begin(Work{Epoch: e1})
	refused(t, err, fault.Fenced, "older")
	_, err = k.Begin(Work{Epoch: e3})
	refused(t, err, fault.Fenced, "never announced")
	_, err = k.Uncertified(e3)
	refused(t, err, fault.Fenced, "never announced")
}

// TestBlankAgentObeysNobody is f3: a re-imaged agent and a primary that was replaced long ago.
func TestBlankAgentObeysNobody(t *testing.T) {
	k := newKeeper(Obedience{})
	_, err := k.Announce(0, Announce{Certificate: won(e1), Record: &Record{Epoch: e1, Witnesses: [][]Witness{{{Agent: "agent", Identity: "before"}}}}})
	refused(t, err, fault.Unavailable, "new")
	_, err = k.Announce(0, Announce{Certificate: won(e1), Admits: "before"})
	refused(t, err, fault.Unavailable, "new")
	_, err = k.Begin(Work{})
	refused(t, err, fault.Unavailable, "new")

	for name, a := range map[string]Announce{
		"named as a witness": {Certificate: won(e2), Record: &Record{Epoch: e2, Witnesses: [][]Witness{{keeperSelf}}}},
		"admitted by name":   {Certificate: won(e2), Admits: keeperSelf.Identity},
	} {
		k := newKeeper(Obedience{})
		effects, err := k.Announce(0, a)
		if err != nil {
			t.Fatal(name, err)
		}
		if s := effect[SaveObedience](t, effects).State; !s.Admitted || s.Obeyed.Epoch != e2 {
			t.Fatal(name, s)
		}
		effect[Obeyed](t, k.Saved())
	}
}

func TestHigherEpochOvertakes(t *testing.T) {
	k := newKeeper(obeying(e1))
	effect[SaveObedience](t, announce(t, k, 0, e2))
	none(t, announce(t, k, 0, e2)) // asked twice, answered once
	effect[SaveObedience](t, announce(t, k, 0, e3))
	_, err := k.Announce(0, Announce{Certificate: won(e2)})
	refused(t, err, fault.Fenced, "3@a")
	none(t, k.Saved()) // of e2: whoever waits for it is fenced
	if o := effect[Obeyed](t, k.Saved()); o.Epoch != e3 {
		t.Fatal(o)
	}
}

func TestFailedSaveIsTriedAgain(t *testing.T) {
	k := newKeeper(obeying(e1))
	effect[SaveObedience](t, announce(t, k, 0, e2))
	k.NotSaved()
	if at, ever := k.Next(); ever {
		t.Errorf("a failed save is tried again at %v without an announcement", at)
	}
	none(t, k.Tick(time.Hour))
	_, err := k.Begin(Work{Epoch: e1})
	refused(t, err, fault.Fenced, "older")
	effect[SaveObedience](t, announce(t, k, 0, e2))
	effect[Obeyed](t, k.Saved())
}

// TestKahunaOfTheReleaseBefore sends no certificates: its commands alone raise the epoch.
func TestKahunaOfTheReleaseBefore(t *testing.T) {
	k := newKeeper(Obedience{})
	effects, err := k.Uncertified(e1)
	if err != nil {
		t.Fatal(err)
	}
	effect[SaveObedience](t, effects)
	none(t, k.Saved())
	begin(t, k, e1, "op/0/do/1")
	effects, err = k.Uncertified(e2)
	if err != nil {
		t.Fatal(err)
	}
	effect[SaveObedience](t, effects)
	none(t, k.Saved())
	if _, err = k.Uncertified(e1); !fault.Is(err, fault.Fenced) {
		t.Fatal(err)
	}
	if effects, err = k.Uncertified(e2); err != nil || len(effects) != 0 {
		t.Fatal(effects, err)
	}
	// The same Kahuna of this release: the first certificate, of the epoch after.
	none(t, announce(t, k, 0, e3)) // the step of e1 runs
	effect[EndWork](t, k.Tick(2*time.Second))
}

func TestKeeperFlaws(t *testing.T) {
	k := newKeeper(obeying(e1), FlawAnswerWithOlderWork)
	begin(t, k, e1, "op/0/do/1")
	effect[SaveObedience](t, announce(t, k, 0, e2))
	if o := effect[Obeyed](t, k.Saved()); len(o.Stuck) != 0 || len(k.Running()) != 1 {
		t.Error("FlawAnswerWithOlderWork does not")
	}
	k = newKeeper(obeying(e1), FlawObeyUnsaved)
	effect[Obeyed](t, announce(t, k, 0, e2))
	k = newKeeper(Obedience{}, FlawBlankObeys)
	effect[SaveObedience](t, announce(t, k, 0, e1))
}

// TestKeeperProperties drives a keeper at random through announcements, work, failures to save and
// restarts: what is obeyed only rises, is on disk before it is said, is said only while no unnamed older
// work runs, and only work of it begins.
func TestKeeperProperties(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		disk := Obedience{Obeyed: won(e1), Admitted: true}
		k := newKeeper(disk)
		var now time.Duration
		var saving []Obedience
		highest := e1
		running := map[uint64]Epoch{}
		take := func(effects []Effect) {
			for _, e := range effects {
				switch e := e.(type) {
				case SaveObedience:
					saving = append(saving, e.State)
				case Obeyed:
					if disk.Obeyed.Epoch != e.Epoch {
						t.Fatalf("says it obeys %s, on disk is %s", e.Epoch, disk.Obeyed.Epoch)
					}
					if e.Epoch.Compare(highest) < 0 {
						t.Fatalf("obeys %s after %s", e.Epoch, highest)
					}
					highest = e.Epoch
					for id, of := range running {
						if of.Compare(e.Epoch) < 0 && !slices.ContainsFunc(e.Stuck, func(w Work) bool { return w.ID == id }) {
							t.Fatalf("work %d of %s runs unnamed at the answer of %s", id, of, e.Epoch)
						}
					}
				}
			}
		}
		epoch := rapid.Custom(func(t *rapid.T) Epoch {
			return Epoch{Counter: uint64(rapid.IntRange(1, 6).Draw(t, "counter")), Node: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node")}
		})
		t.Repeat(map[string]func(*rapid.T){
			"announce": func(t *rapid.T) {
				effects, _ := k.Announce(now, Announce{Certificate: won(epoch.Draw(t, "epoch"))})
				take(effects)
			},
			"begin": func(t *rapid.T) {
				e := disk.Obeyed.Epoch
				if rapid.IntRange(0, 2).Draw(t, "other") == 0 {
					e = epoch.Draw(t, "epoch")
				}
				id, err := k.Begin(Work{Epoch: e})
				if err == nil {
					if e != disk.Obeyed.Epoch || e.Compare(highest) < 0 {
						t.Fatalf("work of %s begins; on disk is %s, said was %s", e, disk.Obeyed.Epoch, highest)
					}
					running[id] = e
				}
			},
			"end": func(t *rapid.T) {
				for id := range running {
					delete(running, id)
					take(k.End(now, id))
					break
				}
			},
			"tick": func(t *rapid.T) {
				now += time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second
				take(k.Tick(now))
			},
			"saved": func(t *rapid.T) {
				if len(saving) == 0 {
					t.Skip()
				}
				state := saving[0]
				saving = saving[1:]
				if rapid.Bool().Draw(t, "fails") {
					k.NotSaved()
					return
				}
				disk = state
				take(k.Saved())
			},
			"restart": func(t *rapid.T) {
				k, saving, running = newKeeper(disk), nil, map[uint64]Epoch{}
			},
		})
	})
}
