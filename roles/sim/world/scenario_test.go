package world

import (
	"flag"
	"fmt"
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

// traces are the ways things are known to go wrong. Of c7, witnesses on the primary's host, the choice of
// witnesses takes care (core/lease).
var traces = map[string]int{"a": 12, "b": 10, "c": 6, "e": 5, "f": 7}

func TestEveryTraceHasAScenario(t *testing.T) {
	all, err := Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, s := range all {
		for _, trace := range s.Traces {
			told[trace] = true
		}
	}
	for letter, count := range traces {
		for i := range count {
			if name := fmt.Sprint(letter, i+1); !told[name] {
				t.Errorf("no scenario tells of %s", name)
			}
		}
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
