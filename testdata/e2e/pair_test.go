//go:build lab

package e2e

import (
	"fmt"
	"testing"
	"time"

	"kowabunga/roles/sim/history"
)

// Two Kahunas under load, each fault after the other: nothing that was acknowledged is lost, what clients
// saw could have come from one Kahuna that never fails, and no agent obeys an old primary.
func TestPair(t *testing.T) {
	p := newPair(t)
	p.agents(9, 21)
	p.strike("kill", func(primary, other *node) func() {
		primary.proc.kill()
		return func() { primary.start() }
	})
}

// strike has something happen to the two under load, waits until writes are acknowledged again, has it
// undone, waits until both have everything again, and looks at what came of it.
func (p *pair) strike(name string, hit func(primary, other *node) (undo func())) {
	t := p.t
	t.Helper()
	eventually(t, "both are in sync with witnesses", func() error { return p.synced(3) })
	primary := p.acts()
	l := p.load(name)
	l.more(300)
	at := l.rec.Now()
	undo := hit(primary, primary.other())
	time.Sleep(50 * time.Millisecond) // answers that were on their way arrive
	l.more(300)
	struck := l.rec.Now()
	undo()
	eventually(t, "both are in sync again after "+name, func() error { return p.synced(3) })
	l.more(300)
	l.end()
	p.alike()
	t.Logf("figure\t%s: longest without an acknowledged write\t%.0f\tms", name, 1000*history.Silence(l.rec.Ops(), at, struck).Seconds())
	t.Logf("figure\t%s: longest without an acknowledged write when it is undone\t%.0f\tms", name, 1000*history.Silence(l.rec.Ops(), struck, l.rec.Now()).Seconds())
	t.Logf("%d commands and states obeyed so far", p.obedient(t))
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
