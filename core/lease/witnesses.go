package lease

import (
	"cmp"
	"slices"
)

// MostWitnesses is how many agents are witnesses at most. Each renewal goes to all of them, and more do
// not make a majority likelier.
const MostWitnesses = 9

// Candidate is an agent that may be a witness.
type Candidate struct {
	Witness
	Zone    string
	Host    string // machine it runs on; agents of one machine fail together. Empty: one of its own
	Durable bool   // its disk keeps what it fsynced
	Beside  bool   // it runs on the host of a Kahuna
	Ready   bool   // connected, its identity admitted: may become a witness now
}

// ChooseWitnesses chooses an odd number of witnesses, as many as can be up to MostWitnesses: on durable
// disks, off the Kahunas' hosts, one on a host, and so that no zone holds a majority of them if there are
// candidates for three or more such witnesses; otherwise as evenly over zones as can be. It keeps as many
// of the present ones as that allows; a present one that is not ready keeps its place while it is a
// candidate, so leave out who is gone for good. The result is ordered, and the same for the same input in
// any order.
func ChooseWitnesses(present []Witness, candidates []Candidate) []Witness {
	out := choose(present, candidates)
	// Who lost its place makes room for another agent of its host, perhaps of another zone: choose again
	// until the choice stands, so that nothing changes later by itself.
	for range MostWitnesses {
		next := choose(out, candidates)
		if slices.Equal(next, out) {
			break
		}
		out = next
	}
	return out
}

func choose(present []Witness, candidates []Candidate) []Witness {
	is := func(c Candidate) bool { return slices.Contains(present, c.Witness) }
	pool := eligible(candidates, is)
	sizes := map[string]int{}
	for _, c := range pool {
		sizes[c.Zone]++
	}
	n, most := howMany(sizes)
	chosen := map[string]int{} // by zone
	var out []Witness
	for _, keep := range []bool{true, false} {
		waiting := map[string][]Witness{}
		for _, c := range pool {
			if is(c) == keep {
				waiting[c.Zone] = append(waiting[c.Zone], c.Witness)
			}
		}
		for len(out) < n {
			zone, any := emptiest(waiting, chosen, most)
			if !any {
				break
			}
			out = append(out, waiting[zone][0])
			waiting[zone] = waiting[zone][1:]
			chosen[zone]++
		}
	}
	slices.SortFunc(out, compareWitnesses)
	return out
}

// eligible are the candidates that may be witnesses, one of each host: a present one before others, a
// ready one before others.
func eligible(candidates []Candidate, present func(Candidate) bool) []Candidate {
	sorted := slices.Clone(candidates)
	last := func(no bool) int {
		if no {
			return 1
		}
		return 0
	}
	slices.SortFunc(sorted, func(a, b Candidate) int {
		return cmp.Or(last(!present(a))-last(!present(b)), last(!a.Ready)-last(!b.Ready), compareWitnesses(a.Witness, b.Witness))
	})
	hosts := map[string]bool{}
	agents := map[string]bool{}
	var out []Candidate
	for _, c := range sorted {
		if !c.Durable || c.Beside || !c.Ready && !present(c) || c.Host != "" && hosts[c.Host] || agents[c.Agent] {
			continue
		}
		hosts[c.Host], agents[c.Agent] = true, true
		out = append(out, c)
	}
	return out
}

// howMany is the number of witnesses, and how many a zone may have at most.
func howMany(sizes map[string]int) (n, most int) {
	reach := func(most int) (sum int) {
		for _, size := range sizes {
			sum += min(size, most)
		}
		return sum
	}
	for n := MostWitnesses; n >= 3; n -= 2 {
		if reach(n/2) >= n {
			return n, n / 2
		}
	}
	n = min(MostWitnesses, reach(MostWitnesses))
	if n%2 == 0 {
		n--
	}
	for most = 1; n > 0 && reach(most) < n; most++ {
	}
	return max(n, 0), most
}

// emptiest is the zone with the fewest chosen that still has somebody waiting and room.
func emptiest(waiting map[string][]Witness, chosen map[string]int, most int) (zone string, any bool) {
	for z, w := range waiting {
		if len(w) == 0 || chosen[z] >= most {
			continue
		}
		if !any || chosen[z] < chosen[zone] || chosen[z] == chosen[zone] && z < zone {
			zone, any = z, true
		}
	}
	return zone, any
}

func compareWitnesses(a, b Witness) int {
	return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Identity, b.Identity))
}
