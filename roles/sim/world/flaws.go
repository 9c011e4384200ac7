package world

import (
	"strconv"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// Mutants is how many flaws there are: M1 to M35.
const Mutants = 35

// ParseFlaws reads the names of flaws, such as M7. Fault: Invalid.
func ParseFlaws(names []string) (lease.Flaws, error) {
	var out lease.Flaws
	for _, name := range names {
		digits, ok := strings.CutPrefix(strings.ToUpper(name), "M")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 1 || n > Mutants {
			return 0, fault.Bad("flaw", "%q is none of M1 to M%d", name, Mutants)
		}
		out |= lease.Of(lease.Flaw(n))
	}
	return out, nil
}

// flawNames are the names of a set of flaws, in order.
func flawNames(set lease.Flaws) []string {
	var out []string
	for i := range Mutants {
		if set.Has(lease.Flaw(i + 1)) {
			out = append(out, "M"+strconv.Itoa(i+1))
		}
	}
	return out
}
