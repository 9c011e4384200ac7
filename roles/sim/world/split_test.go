package world

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"kowabunga/core/lease"
)

// situation is one row: who was primary last, which logs have every acknowledged write, and what is left.
type situation struct {
	last    string
	sync    string // "A", "A B", "B"
	a, b, w bool   // up
	ab      bool   // A and B hear each other
	aw, bw  bool   // they hear the witnesses
}

// expected is who must serve by the rules, and why.
func (s situation) expected() (who, why string) {
	can := func(name string) string {
		up, other, college := s.a, s.b && s.ab, s.w && s.aw
		if name == "B" {
			up, other, college = s.b, s.a && s.ab, s.w && s.bw
		}
		switch {
		case !up || !strings.Contains(s.sync, name):
			return ""
		case s.sync == name:
			return "it alone has every acknowledged write"
		case other:
			return "with the other node"
		case college:
			return "with the witnesses"
		}
		return ""
	}
	first, second := "A", "B"
	if s.last == "B" {
		first, second = second, first
	}
	if why := can(first); why != "" {
		return first, why
	}
	if why := can(second); why != "" {
		return second, why
	}
	switch up := map[string]bool{"A": s.a, "B": s.b}; {
	case !s.a && !s.b:
		return "nobody", "both nodes are down"
	case len(s.sync) == 1 && !up[s.sync]:
		return "nobody", s.sync + " alone has every acknowledged write, and is down"
	default:
		return "nobody", "one voter alone decides nothing"
	}
}

// play brings the situation about and tells who serves at the end of a minute, and what was ever broken.
func (s situation) play(t *testing.T) string {
	w := newWorld(Options{Seed: 1, Agents: 3, Witnesses: 3, Clients: 1})
	w.loseAll = true
	w.trace.quiet = true
	w.build()
	a, b := w.nodes[0], w.nodes[1]
	if s.last == "B" {
		a.step(lease.Handoff{})
		w.runWhile(w.now+20*time.Second, func() bool { return w.primary() != b || !w.together() })
	}
	if len(s.sync) == 1 {
		w.primary().step(lease.SetMode{Mode: lease.Async})
		w.runUntil(w.now + 3*time.Second)
	}
	cut := func(x, y place) { w.link(x, y).cut, w.link(y, x).cut = true, true }
	for _, g := range w.agents {
		if !s.aw {
			cut(a.at, g.at)
		}
		if !s.bw {
			cut(b.at, g.at)
		}
		if !s.w {
			w.kill(g, "is killed")
		}
	}
	if !s.ab {
		cut(a.at, b.at)
	}
	if !s.a {
		w.kill(a, "is killed")
	}
	if !s.b {
		w.kill(b, "is killed")
	}
	w.runUntil(w.now + within)
	if w.violation != nil {
		t.Errorf("%+v: %s: %s", s, w.violation.Rule, w.violation.Detail)
	}
	if p := w.primary(); p != nil {
		return p.name
	}
	return "nobody"
}

func TestSplits(t *testing.T) {
	mark := func(there bool, name string) string {
		if there {
			return name
		}
		return "-"
	}
	var table strings.Builder
	states := []struct{ last, sync string }{{"A", "A"}, {"A", "A B"}, {"B", "A B"}, {"B", "B"}}
	row := func(s situation, left string) {
		who, why := s.expected()
		if got := s.play(t); got != who {
			t.Errorf("%+v: %s serves, expected %s, because %s", s, got, who, why)
		}
		fmt.Fprintf(&table, "%-5s %-4s  %-14s  %-7s %s\n", s.last, s.sync, left, who, why)
	}
	table.WriteString("Who serves a minute after only some are left. W are the witnesses.\n\nlast  sync  up              serves  because\n")
	for _, state := range states {
		for i := range 8 {
			s := situation{state.last, state.sync, i&4 == 0, i&2 == 0, i&1 == 0, true, true, true}
			row(s, mark(s.a, "A")+" "+mark(s.b, "B")+" "+mark(s.w, "W"))
		}
	}
	table.WriteString("\nWho serves a minute after the network split; all are up.\n\nlast  sync  ways open       serves  because\n")
	for _, state := range states {
		for i := range 8 {
			s := situation{state.last, state.sync, true, true, true, i&4 == 0, i&2 == 0, i&1 == 0}
			row(s, mark(s.ab, "A-B")+" "+mark(s.aw, "A-W")+" "+mark(s.bw, "B-W"))
		}
	}
	const golden = "testdata/splits.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != table.String() {
		t.Errorf("another table (%v); read and keep it with -update:\n%s", err, table.String())
	}
}
