package lease

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// candidates makes ready ones with durable disks, each on a host of its own, so many in each zone.
func candidates(sizes ...int) (out []Candidate) {
	for zone, n := range sizes {
		for i := range n {
			out = append(out, Candidate{Witness: agentNamed(fmt.Sprintf("%c%d", 'a'+zone, i)), Zone: string(rune('a' + zone)), Durable: true, Ready: true})
		}
	}
	return out
}

func agentsOf(ws []Witness) (names []string) {
	for _, w := range ws {
		names = append(names, w.Agent)
	}
	return names
}

func TestChooseWitnesses(t *testing.T) {
	with := func(c []Candidate, change func([]Candidate)) []Candidate {
		change(c)
		return c
	}
	for _, c := range []struct {
		name    string
		present []Witness
		from    []Candidate
		want    []string
	}{
		{"nobody", nil, nil, nil},
		{"one", nil, candidates(1), []string{"a0"}},
		{"two are no more than one", nil, candidates(2), []string{"a0"}},
		{"one zone", nil, candidates(4), []string{"a0", "a1", "a2"}},
		{"two zones, one of them has the majority whatever is chosen", nil, candidates(4, 4), []string{"a0", "a1", "a2", "a3", "b0", "b1", "b2"}},
		{"three zones, a third each", nil, candidates(9, 9, 9), []string{"a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"}},
		{"fewer, so that the large zone has no majority", nil, candidates(9, 1, 1), []string{"a0", "b0", "c0"}},
		{"four of nine in the large zone", nil, candidates(9, 3, 2), []string{"a0", "a1", "a2", "a3", "b0", "b1", "b2", "c0", "c1"}},
		{"no disk, a Kahuna's host, not connected", nil, with(candidates(4), func(c []Candidate) {
			c[0].Durable, c[1].Beside, c[2].Ready = false, true, false
		}), []string{"a3"}},
		{"one of a host", nil, with(candidates(4), func(c []Candidate) { c[0].Host, c[1].Host = "h", "h" }), []string{"a0", "a2", "a3"}},
		{"the present ones stay", []Witness{agentNamed("a1"), agentNamed("b3"), agentNamed("c2")}, candidates(2, 4, 3), []string{"a0", "a1", "b0", "b1", "b2", "b3", "c0", "c1", "c2"}},
		{"a present one is away and stays", []Witness{agentNamed("a2")}, with(candidates(4), func(c []Candidate) { c[2].Ready = false }), []string{"a0", "a1", "a2"}},
		{"a present one was re-imaged and goes", []Witness{{"a0", "before"}}, candidates(1), []string{"a0"}},
		{"a present one stays on its host", []Witness{agentNamed("a1")}, with(candidates(2), func(c []Candidate) { c[0].Host, c[1].Host = "h", "h" }), []string{"a1"}},
	} {
		if got := agentsOf(ChooseWitnesses(c.present, c.from)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := ChooseWitnesses([]Witness{{"a0", "before"}}, candidates(1)); got[0] != agentNamed("a0") {
		t.Errorf("a re-imaged agent is a witness under its old identity: %v", got)
	}
}

// TestChooseWitnessesProperties: an odd number, of different hosts, only eligible ones, no zone with a
// majority if any choice of three or more has none, the same in any order, the same again, and as many of
// the present ones kept as can be.
func TestChooseWitnessesProperties(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 16).Draw(t, "agents")
		var from []Candidate
		var present []Witness
		for i := range n {
			c := Candidate{Witness: agentNamed(fmt.Sprintf("%02d", i)), Zone: rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "zone"),
				Durable: rapid.IntRange(0, 5).Draw(t, "durable") > 0, Beside: rapid.IntRange(0, 7).Draw(t, "beside") == 0, Ready: rapid.IntRange(0, 5).Draw(t, "ready") > 0}
			if rapid.IntRange(0, 3).Draw(t, "shares") == 0 {
				c.Host = rapid.SampledFrom([]string{"h", "i"}).Draw(t, "host")
			}
			from = append(from, c)
			if len(present) < MostWitnesses && rapid.IntRange(0, 2).Draw(t, "present") == 0 {
				present = append(present, c.Witness)
			}
		}
		got := ChooseWitnesses(present, from)
		if len(got) > MostWitnesses || len(got) > 0 && len(got)%2 == 0 {
			t.Fatalf("%d witnesses", len(got))
		}
		of := map[Witness]Candidate{}
		for _, c := range from {
			of[c.Witness] = c
		}
		hosts, zones := map[string]bool{}, map[string]int{}
		for _, w := range got {
			c, there := of[w]
			if !there || !c.Durable || c.Beside || !c.Ready && !slices.Contains(present, w) || c.Host != "" && hosts[c.Host] {
				t.Fatalf("%v may not be a witness", c)
			}
			if c.Host != "" {
				hosts[c.Host] = true
			}
			zones[c.Zone]++
		}
		// What is possible: one of each host, the most useful for the spread counted generously by zone.
		sizes, used := map[string]int{}, map[string]bool{}
		total := 0
		for _, c := range eligible(from, func(c Candidate) bool { return slices.Contains(present, c.Witness) }) {
			if c.Host != "" && used[c.Host] {
				t.Fatal("two of a host")
			}
			used[c.Host] = true
			sizes[c.Zone]++
			total++
		}
		if total > 0 && len(got) == 0 {
			t.Fatal("nobody is chosen")
		}
		largest := 0
		for _, n := range zones {
			largest = max(largest, n)
		}
		for want := 3; want <= MostWitnesses; want += 2 {
			sum := 0
			for _, size := range sizes {
				sum += min(size, want/2)
			}
			if sum >= want && (largest > len(got)/2 || len(got) < want) {
				t.Fatalf("%d witnesses without a majority in a zone are possible; chosen are %v", want, zones)
			}
		}
		shuffled := rapid.Permutation(from).Draw(t, "order")
		if again := ChooseWitnesses(slices.Clone(present), shuffled); !slices.Equal(again, got) {
			t.Fatalf("%v in another order %v", got, again)
		}
		if again := ChooseWitnesses(got, from); !slices.Equal(again, got) {
			t.Fatalf("%v changes to %v by itself", got, again)
		}
		fresh := 0
		for _, w := range got {
			if !slices.Contains(present, w) {
				fresh++
			}
		}
		for _, w := range present {
			c := of[w]
			if fresh > 0 && c.Durable && !c.Beside && c.Host == "" && !slices.Contains(got, w) && zones[c.Zone] < len(got)/2 {
				t.Fatalf("%v goes for no reason; chosen %v of %v", w, got, present)
			}
		}
	})
}
