//go:build soak

package world

import (
	"testing"
	"time"

	"kowabunga/core/lease"
)

func TestSoakSeeds(t *testing.T) {
	for o := range Many(501, 5000, 20*time.Minute, 2, 0) {
		if v := o.Violation; v != nil {
			t.Errorf("seed %d at %v: %s: %s\nkowabunga sim replay --seed %d --minutes 20", o.Seed, v.At, v.Rule, v.Detail, o.Seed)
		}
	}
}

func TestSoakMutants(t *testing.T) {
	noticed := 0
	for i := range Mutants {
		seed, rule, _ := Search(1, 2000, 10*time.Minute, 2, lease.Of(lease.Flaw(i+1)), func() error { return nil })
		t.Logf("M%d: seed %d: %s", i+1, seed, rule)
		if seed > 0 {
			noticed++
		}
	}
	if noticed < 20 {
		t.Errorf("%d of %d flaws are noticed by chance", noticed, Mutants)
	}
}
