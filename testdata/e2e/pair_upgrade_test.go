//go:build lab

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/roles/sim/history"
)

// successor is a program that behaves as the release after this one may.
var successor = &build{name: "e2e-nextrelease", release: successorRelease, args: []string{"-tags", "nextrelease", "-ldflags", "-X kowabunga/roles.version=" + successorRelease}}

const (
	successorRelease = "0.0.1-successor"
	// mark is what only the successor says, at each place where a release may say more.
	mark = "ofTheNextRelease"
)

// The program as it is released has nothing of the successor's, which has.
func TestPresentReleaseSaysNoMore(t *testing.T) {
	for b, want := range map[*build]bool{present: false, successor: true} {
		raw, err := os.ReadFile(b.in(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(raw, []byte(mark)); got != want {
			t.Errorf("%s has the words of the next release: %v", b.name, got)
		}
	}
}

// Two Kahunas are upgraded one after the other under load and go back in the opposite order, each time by a
// handoff. Both orders of releases act and follow, and take over when the other one dies; agents of both are
// there and keep their connections when a Kahuna hands over.
func TestPairUpgrade(t *testing.T) {
	p := newPair(t)
	p.agents(4, 4)
	p.half(0, successor)
	a, b := p.nodes[0], p.nodes[1]
	eventually(t, "both are in sync with witnesses", func() error { return p.synced(3) })
	l := p.load("upgrade")

	p.exchange(l, b, successor)
	p.handOver(l, a) // the older one acted, the newer one acts
	p.exchange(l, a, successor)
	p.handOver(l, b)
	p.half(0, present) // agents go back as well, and forward
	p.half(1, successor)

	p.exchange(l, b, present)
	p.handOver(l, a) // the newer one acted, the older one acts
	p.die(l)         // the newer one takes over from the older one
	p.die(l)         // and the other way round
	p.exchange(l, a, present)

	l.end()
	p.alike()
	if n := p.obedient(0, 0); n == 0 {
		t.Error("no agent was told anything")
	}
	p.saidMore(t)
}

// half has every second host run another program, from the one of this number on.
func (p *pair) half(from int, to *build) {
	p.t.Helper()
	for i := from; i < len(p.hosts); i += 2 {
		h := p.hosts[i]
		h.kill()
		h.runs = to
		h.start()
	}
	p.met()
}

// exchange has a node that does not act run another release, and waits until both have everything again and
// tell the release of each.
func (p *pair) exchange(l *load, n *node, to *build) {
	t := p.t
	t.Helper()
	if p.acts() == n {
		t.Fatalf("%s acts", n.name)
	}
	n.proc.stop(t)
	n.runs = to
	n.start()
	eventually(t, n.name+" is in sync with the other release", func() error { return p.synced(3) })
	l.more(100)
	eventually(t, "both tell the releases", func() error { return p.telling() })
}

// releaseOf is what a program of a build calls itself.
func releaseOf(t testing.TB, b *build) string {
	t.Helper()
	if b.release == "" { // this one, whatever it is
		var v struct{ Version string }
		if err := json.Unmarshal([]byte(must(t, "version", "-o", "json")), &v); err != nil || v.Version == "" {
			t.Fatalf("no version: %v", err)
		}
		b.release = v.Version
	}
	return b.release
}

// telling tells whether each node says of both which release they run.
func (p *pair) telling() error {
	p.t.Helper()
	for _, n := range p.nodes {
		st, err := n.status()
		if err != nil {
			return err
		}
		if st.Version != releaseOf(p.t, n.runs) || st.Pair == nil || len(st.Pair.Nodes) != 2 {
			return fmt.Errorf("%s: %s, %+v", n.name, st.Version, st.Pair)
		}
		for _, of := range st.Pair.Nodes {
			want := releaseOf(p.t, n.runs)
			if !of.Self {
				want = releaseOf(p.t, n.other().runs)
			}
			if of.Release != want {
				return fmt.Errorf("%s says of %s that it runs %q, want %q", n.name, of.Address, of.Release, want)
			}
		}
		if len(st.Pair.Releases) > 0 {
			return fmt.Errorf("%s: %q", n.name, st.Pair.Releases)
		}
	}
	return nil
}

// die kills the node that acts, has the other one take over, and brings the first one back.
func (p *pair) die(l *load) {
	t := p.t
	t.Helper()
	from := p.acts()
	to := from.other()
	undo := from.crash()
	l.more(100)
	if p.acts() != to {
		t.Errorf("%s died and %s does not act", from.name, to.name)
	}
	undo()
	eventually(t, from.name+" is in sync after it died", func() error { return p.synced(3) })
}

// handOver has a node hand over to the other one: no agent connects anew, to either.
func (p *pair) handOver(l *load, from *node) {
	t := p.t
	t.Helper()
	to := from.other()
	if p.acts() != from {
		t.Fatalf("%s does not act", from.name)
	}
	before := p.met()
	at := l.rec.Now()
	done := from.handOver()
	l.more(100)
	gap := history.Silence(l.rec.Ops(), at, l.rec.Now())
	if p.acts() != to {
		t.Errorf("%s handed over and %s does not act", from.name, to.name)
	}
	eventually(t, "both are in sync after the handoff", func() error { return p.synced(3) })
	for i, after := range p.met() {
		if !maps.Equal(before[i], after) {
			t.Errorf("a handoff to %s had agents connect to %s anew: %v, then %v", to.name, p.nodes[i].name, before[i], after)
		}
	}
	name := map[*build]string{present: "this release", successor: "the next"}
	t.Logf("figure\thandoff from %s to %s: acts after\t%.0f\tms", name[from.runs], name[to.runs], 1000*done.Seconds)
	t.Logf("figure\thandoff from %s to %s: longest without an acknowledged write\t%.0f\tms", name[from.runs], name[to.runs], 1000*gap.Seconds())
}

// met waits until every agent is connected to both nodes, and returns the connections, by agent.
func (p *pair) met() (all [2]map[string]string) {
	p.t.Helper()
	want := 0
	for _, h := range p.hosts {
		want += len(h.args)
	}
	eventually(p.t, "all agents are connected to both", func() error {
		for i, n := range p.nodes {
			st, err := n.status()
			if err != nil {
				return err
			}
			all[i] = map[string]string{}
			for _, a := range st.Agents {
				if a.Online && a.Session != "" {
					all[i][a.ID] = a.Session
				}
			}
			if len(all[i]) != want {
				return fmt.Errorf("%d of %d agents are connected to %s", len(all[i]), want, n.name)
			}
		}
		return nil
	})
	return all
}

// saidMore fails the test unless the successor said more than this release does: where it acted last, the
// journal has objects of its making, and what an agent of it keeps has its mark.
func (p *pair) saidMore(t testing.TB) {
	t.Helper()
	for _, pattern := range []string{filepath.Join(p.nodes[0].dir, "data", "kahuna.db"), filepath.Join(p.hosts[1].state(), "*", "*.json")} {
		found := false
		for _, file := range glob(t, pattern) {
			raw, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(raw), mark)
		}
		if !found {
			t.Errorf("nothing in %s is of the successor's making", pattern)
		}
	}
}
