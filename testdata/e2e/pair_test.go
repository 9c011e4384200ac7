//go:build lab

package e2e

import (
	"flag"

	"fmt"
	"testing"
	"time"

	"kowabunga/roles/sim/history"
)

// Two Kahunas under load, one blow after the other: nothing that was acknowledged is lost, what clients saw
// could have come from one Kahuna that never fails, and no agent obeys an old primary.
func TestPair(t *testing.T) {
	p := newPair(t)
	p.agents(9, 21)
	for _, b := range blows {
		if b.short {
			p.strike(b)
		}
	}
}

var only = flag.String("blow", "", "the only blow to be dealt to a pair; all of a test when empty")

// strike deals a blow under load, waits until writes are acknowledged again, has it undone, waits until both
// have everything again, and looks at what came of it.
func (p *pair) strike(b blow) {
	t := p.t
	t.Helper()
	if *only != "" && *only != b.name {
		return
	}
	eventually(t, "both are in sync with witnesses", func() error { return p.synced(3) })
	primary := p.acts()
	other := primary.other()
	from := len(p.obeyed())
	p.loads++
	l := p.load(fmt.Sprintf("load%d", p.loads))
	l.more(200)
	at := l.rec.Now()
	t.Logf("%s: %s acts, %s", b.name, primary.name, time.Now().UTC().Format("15:04:05.000"))
	undo := b.hit(primary, other)
	time.Sleep(max(b.hold, 50*time.Millisecond)) // answers that were on their way arrive
	l.more(200)
	struck := l.rec.Now()
	if b.moves && p.acts() != other {
		t.Errorf("%s: %s does not act", b.name, other.name)
	}
	undo()
	eventually(t, "both are in sync again after "+b.name, func() error { return p.synced(3) })
	l.more(200)
	undone := l.rec.Now()
	l.end()
	p.held()
	p.alike()
	figure := func(what string, from, to time.Duration) {
		t.Logf("figure\t%s: longest without an acknowledged write%s\t%.0f\tms", b.name, what, 1000*history.Silence(l.rec.Ops(), from, to).Seconds())
	}
	figure("", at, struck)
	figure(", once it is undone", struck, undone)
	reigns := 1
	if b.moves {
		reigns = 2
	}
	p.obedient(from, reigns)
}

// alike waits until both nodes show the same, and has both checked.
func (p *pair) alike() {
	t := p.t
	t.Helper()
	eventually(t, "both have the same", func() error {
		a, err := p.nodes[0].status()
		if err != nil {
			return err
		}
		b, err := p.nodes[1].status()
		if err != nil {
			return err
		}
		if a.Store.Position != b.Store.Position {
			return fmt.Errorf("a is at %d %x, b at %d %x", a.Store.Index, a.Store.Hash, b.Store.Index, b.Store.Hash)
		}
		return nil
	})
	for _, n := range p.nodes {
		must(t, "kahuna", "check", "--dir", n.dir)
	}
}
