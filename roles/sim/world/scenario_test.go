package world

import (
	"flag"
	"os"
	"testing"

	"kowabunga/core/lease"
)

var update = flag.Bool("update", false, "write golden logs")

func TestScenarios(t *testing.T) {
	all, err := Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			v, log, err := s.Run(0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if v != nil {
				t.Fatalf("%s: %s\n%s", v.Rule, v.Detail, log)
			}
			if *update {
				s.Log = log
				if err := os.WriteFile("scenarios/"+s.Name+".txtar", []byte(s.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if log != s.Log {
				t.Errorf("another log; read and keep it with -update:\n%s", log)
			}
			for _, name := range s.Catches {
				flaws, _ := ParseFlaws([]string{name})
				if v, _, err := s.Run(flaws, nil); err != nil || v == nil {
					t.Errorf("does not catch %s (%v)", name, err)
				}
			}
		})
	}
}

func TestEveryFlawIsCaughtByAScenario(t *testing.T) {
	all, err := Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	var caught lease.Flaws
	for _, s := range all {
		flaws, _ := ParseFlaws(s.Catches)
		caught |= flaws
	}
	for i := range Mutants {
		if !caught.Has(lease.Flaw(i + 1)) {
			t.Errorf("M%d is caught by none", i+1)
		}
	}
}
