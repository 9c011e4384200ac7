package kahuna

import (
	"slices"
	"strings"
	"testing"

	"kowabunga/core/model"
	"kowabunga/core/nodes"
)

// Status names the witnesses, tells of each whether it is connected, and, once most of them are away, that
// no take-over can happen by itself and for want of whom.
func TestWitnessesInStatus(t *testing.T) {
	a := primary(t, t.TempDir(), apart)
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	names := []string{"w0", "w1", "w2"}
	ids := map[string]model.ID{}
	for _, name := range names {
		ids[name] = a.witness(name, b)
	}
	a.within("three agents are witnesses", patienceOfPairs, func() bool { return len(a.named()) == 3 })
	connected := func(want ...string) func() bool {
		return func() bool {
			for _, r := range []*running{a, b} {
				all := r.pairOf().Witnesses
				var is []string
				for _, w := range all {
					if w.Connected {
						is = append(is, w.Name)
					}
				}
				slices.Sort(is)
				if len(all) != 3 || !slices.Equal(is, want) {
					return false
				}
			}
			return true
		}
	}
	a.within("both show three witnesses, all connected", patienceOfPairs, connected(names...))
	for _, r := range []*running{a, b} {
		if p := r.pairOf(); len(p.TakeOver) != 0 {
			t.Errorf("what hinders a take-over: %q", p.TakeOver)
		}
		text := r.says("by itself", "status")
		for _, name := range names {
			if !strings.Contains(text, "agent "+name+", connected") {
				t.Errorf("%s is not shown:\n%s", name, text)
			}
		}
	}

	away := func(name string) { // its key is another one from now on
		if status := a.ask("PATCH", "/api/v2/agent/"+string(ids[name])+"/token", "", nil); status != 200 {
			t.Fatalf("a key is drawn with %d", status)
		}
	}
	away("w0")
	a.within("both show that one is away", patienceOfPairs, connected("w1", "w2"))
	a.says("agent w0, NOT connected", "status")
	if p := b.pairOf(); len(p.TakeOver) != 0 {
		t.Errorf("two of three are enough: %q", p.TakeOver)
	}
	away("w2")
	a.within("both show that two are away", patienceOfPairs, connected("w1"))
	for _, r := range []*running{a, b} {
		hinders := func(p *nodes.Status) bool {
			return slices.ContainsFunc(p.TakeOver, func(why string) bool {
				return strings.Contains(why, "a majority of the witnesses is away") && strings.Contains(why, "w0") && strings.Contains(why, "w2") && !strings.Contains(why, "w1")
			})
		}
		if p := r.pairOf(); !hinders(p) {
			t.Errorf("what hinders a take-over: %q", p.TakeOver)
		}
	}
	a.says("yes", "witnesses")
	a.made("/region", `{"name":"still","domain":"still.example"}`)
}
