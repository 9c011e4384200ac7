package lease

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

func agentNamed(name string) Witness { return Witness{Agent: name, Identity: name + "-disk"} }

func waits(v Verdict) (names []string) {
	for _, w := range v.Waits {
		names = append(names, w.Agent.Agent+"/"+w.Agent.Identity)
	}
	return names
}

// TestNotShownNotTouched is f2: a paused primary wakes and reaches an agent that never saw the next
// epoch, while what it may hold is used again.
func TestNotShownNotTouched(t *testing.T) {
	x, y := agentNamed("x"), agentNamed("y")
	old := Hold{Kind: HeldAddress, ID: "10.0.0.5", Agent: x, Epoch: e1}
	for _, c := range []struct {
		name  string
		do    func(*Shown)
		holds []Hold
		want  []string
	}{
		{"nobody held it", nil, nil, nil},
		{"an unshown agent may", nil, []Hold{old}, []string{"x/x-disk"}},
		{"it answered", func(s *Shown) { s.Answered(x, e2, nil) }, []Hold{old}, nil},
		{"it answered another epoch", func(s *Shown) { s.Answered(x, e1, nil); s.Answered(x, e3, nil) }, []Hold{old}, []string{"x/x-disk"}},
		{"another agent answered", func(s *Shown) { s.Answered(y, e2, nil) }, []Hold{old}, []string{"x/x-disk"}},
		{"the agent was re-imaged, the old disk may still run somewhere", func(s *Shown) { s.Answered(Witness{"x", "new"}, e2, nil) }, []Hold{old}, []string{"x/x-disk"}},
		{"it is fenced", func(s *Shown) { s.Fenced(x, "power is off at 12:00") }, []Hold{old}, nil},
		{"it is fenced without proof", func(s *Shown) { s.Fenced(x, "") }, []Hold{old}, []string{"x/x-disk"}},
		{"a waiver is no proof", func(s *Shown) { s.Waive("x", "ann") }, []Hold{old}, []string{"x/x-disk"}},
		{"two may, one answered", func(s *Shown) { s.Answered(x, e2, nil) }, []Hold{old, {Kind: HeldVRRP, ID: "7", Agent: y, Epoch: e1}}, []string{"y/y-disk"}},
		{"ordered in this epoch", nil, []Hold{{Kind: HeldMachine, ID: "m", Agent: x, Epoch: e2}}, nil},
		{"a step still runs there", func(s *Shown) { s.Answered(x, e2, []string{"op/1/do/1"}) }, []Hold{{Kind: HeldVolume, ID: "v", Agent: x, Epoch: e1, Request: "op/1/do/1"}}, []string{"x/x-disk"}},
		{"another step still runs there", func(s *Shown) { s.Answered(x, e2, []string{"op/2/do/1"}) }, []Hold{{Kind: HeldVolume, ID: "v", Agent: x, Epoch: e1, Request: "op/1/do/1"}}, nil},
		{"the step ended", func(s *Shown) { s.Answered(x, e2, []string{"op/1/do/1"}); s.Ended(x, "op/1/do/1") },
			[]Hold{{Kind: HeldVolume, ID: "v", Agent: x, Epoch: e1, Request: "op/1/do/1"}}, nil},
		{"its host was seen off while a step still ran there", func(s *Shown) { s.Answered(x, e2, []string{"op/1/do/1"}); s.Fenced(x, "power is off at 12:00") },
			[]Hold{{Kind: HeldVolume, ID: "v", Agent: x, Epoch: e1, Request: "op/1/do/1"}}, nil},
		{"it still applies an older state", func(s *Shown) { s.Answered(x, e2, []string{""}) }, []Hold{old}, []string{"x/x-disk"}},
		{"one of two older states is applied", func(s *Shown) { s.Answered(x, e2, []string{"", ""}); s.Ended(x, "") }, []Hold{old}, []string{"x/x-disk"}},
		{"each agent is named once, in order", nil, []Hold{{Agent: y, Epoch: e1}, old, old}, []string{"x/x-disk", "y/y-disk"}},
	} {
		s := NewShown(e2, false, 0)
		if c.do != nil {
			c.do(s)
		}
		v := s.Release(c.holds)
		if !slices.Equal(waits(v), c.want) {
			t.Errorf("%s: waits for %v, want %v", c.name, waits(v), c.want)
		}
		if v.OK() != (v.Err() == nil) || !v.OK() && !fault.Is(v.Err(), fault.Unavailable) {
			t.Errorf("%s: %v", c.name, v.Err())
		}
	}
	if v := NewShown(e2, false, Of(FlawReleaseUnshown)).Release([]Hold{old}); !v.OK() {
		t.Error("FlawReleaseUnshown does not")
	}
	s := NewShown(e2, false, 0)
	s.Fenced(x, "power is off")
	s.Answered(x, e2, []string{"op/1/do/1"})
	if v := s.Release([]Hold{{Agent: x, Epoch: e1, Request: "op/1/do/1"}}); v.OK() {
		t.Error("an agent that came back counts as fenced")
	}
}

// TestAllocateAfterALossyPromotion is f7: what was handed out and forgotten is not handed out again.
func TestAllocateAfterALossyPromotion(t *testing.T) {
	x, y := agentNamed("x"), agentNamed("y")
	region := []Witness{y, x}
	s := NewShown(e2, true, 0)
	if got := waits(s.Allocate(region)); !slices.Equal(got, []string{"x/x-disk", "y/y-disk"}) || s.Regained(region) {
		t.Fatal(got)
	}
	s.Answered(x, e2, nil)
	s.Waive("y", "")
	if got := waits(s.Allocate(region)); !slices.Equal(got, []string{"y/y-disk"}) {
		t.Fatal(got)
	}
	s.Waive("y", "ann")
	if !s.Allocate(region).OK() || !s.Regained(region) {
		t.Fatal("waits for an agent that a person waived")
	}
	if !NewShown(e2, false, 0).Allocate(region).OK() {
		t.Error("a take-over without loss waits")
	}
	if !NewShown(e2, true, Of(FlawAllocateUnseen)).Allocate(region).OK() {
		t.Error("FlawAllocateUnseen does not")
	}
}

func TestGenerations(t *testing.T) {
	for _, c := range []struct {
		a, b  Generation
		want  int
		alone int
	}{
		{Generation{e1, 9}, Generation{e2, 1}, -1, 1}, // after a lossy promotion numbers go back
		{Generation{e1, 1}, Generation{e1, 2}, -1, -1},
		{Generation{e1, 2}, Generation{e1, 2}, 0, 0},
		{Generation{e2, 2}, Generation{e1, 2}, 1, 0},
	} {
		if got := c.a.Compare(c.b, 0); got != c.want {
			t.Errorf("%v and %v: %d", c.a, c.b, got)
		}
		if got := c.a.Compare(c.b, Of(FlawGenerationAlone)); got != c.alone {
			t.Errorf("%v and %v with the flaw: %d", c.a, c.b, got)
		}
	}
}

// TestReleaseProperties: a release waits exactly for those that an older order names and that are neither
// shown nor fenced.
func TestReleaseProperties(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		s := NewShown(e2, false, 0)
		free := map[Witness]bool{}
		for i := range 5 {
			w := agentNamed(fmt.Sprint(i))
			switch rapid.IntRange(0, 2).Draw(t, "state") {
			case 1:
				s.Answered(w, e2, nil)
				free[w] = true
			case 2:
				s.Fenced(w, "proof")
				free[w] = true
			}
		}
		var holds []Hold
		want := map[Witness]bool{}
		for range rapid.IntRange(0, 8).Draw(t, "holds") {
			h := Hold{Kind: HeldMAC, Agent: agentNamed(fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "agent"))), Epoch: rapid.SampledFrom([]Epoch{e1, e2}).Draw(t, "epoch")}
			holds = append(holds, h)
			if h.Epoch == e1 && !free[h.Agent] {
				want[h.Agent] = true
			}
		}
		v := s.Release(holds)
		if len(v.Waits) != len(want) {
			t.Fatalf("waits for %v, want %v", v.Waits, want)
		}
		for _, w := range v.Waits {
			if !want[w.Agent] {
				t.Fatalf("waits for %v", w)
			}
		}
	})
}
