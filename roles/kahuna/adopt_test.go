package kahuna

import (
	"strings"
	"testing"

	"kowabunga/core/nodes"
)

// seen is a Kahuna as this one shows it.
func (r *running) seen(url string) (n nodes.NodeStatus, there bool) {
	r.t.Helper()
	for _, n := range r.pairOf().Nodes {
		if n.Address == url {
			return n, true
		}
	}
	return n, false
}

// A Kahuna that was lost for good is replaced by a new one: that follows until a person adopts it, has every
// write then and can take over; the lost one, should it come back, has no voice.
func TestANewKahunaTakesThePlaceOfALostOne(t *testing.T) {
	lost := t.TempDir()
	a := primary(t, t.TempDir())
	b := a.standby(lost)
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	a.made("/region", `{"name":"one","domain":"one.example"}`)
	second := b.s.cfg.Listen

	c := a.standby(t.TempDir())
	c.key = a.key
	a.within("a third one follows", patienceOfPairs, func() bool { n, there := a.seen(c.url); return there && n.Connected && n.Heard })
	if n, _ := a.seen(c.url); n.Named || n.InSync {
		t.Errorf("one that nobody adopted is shown as %+v", n)
	}
	a.says(c.url+", only follows", "status")
	a.refuses("is in the sync set; a node is replaced only after it was taken out", "adopt", c.url)
	c.refuses(a.url+" acts, not this Kahuna", "adopt", c.url)

	b.stop()
	a.within("the one that acts goes on alone", patienceOfPairs, a.alone)
	a.made("/region", `{"name":"two","domain":"two.example"}`)
	if out := a.says(c.url, "adopt"); strings.Contains(out, b.url) {
		t.Errorf("the list of those that follow has one of the two:\n%s", out)
	}
	a.says(c.url+" would be the other Kahuna, in the place of "+b.url+". Nothing was changed.", "adopt", "--dry-run", c.url)
	if n, _ := a.seen(c.url); n.Named {
		t.Error("a dry run adopted it")
	}
	a.refuses("no node that follows this Kahuna", "adopt", b.url)
	a.says(c.url+" is the other Kahuna now, in the place of "+b.url, "adopt", c.url)
	a.within("the new one is in sync", patienceOfPairs, func() bool { n, _ := a.seen(c.url); return a.inSync() && n.Named && n.InSync })
	if n, there := a.seen(b.url); there && n.Named {
		t.Errorf("the lost one is shown as %+v", n)
	}

	b = start(t, lost, func(cfg *Config) { cfg.Listen = second })
	a.within("the lost one is back and has everything", patienceOfPairs, func() bool { return b.s.store.Tip() == a.s.store.Tip() })
	if n, there := a.seen(b.url); !there || n.Named || n.InSync || b.s.acts() {
		t.Errorf("the lost one is shown as %+v, and acts: %v", n, b.s.acts())
	}

	a.says(c.url+" acts since", "handoff")
	c.within("the new one acts", patienceOfPairs, c.s.acts)
	c.made("/region", `{"name":"three","domain":"three.example"}`)
	c.within("the first one is in sync", patienceOfPairs, c.inSync)
	if b.s.acts() || len(c.status().Record.Nodes) != 2 {
		t.Errorf("the lost one acts: %v; the two are %v", b.s.acts(), c.status().Record.Nodes)
	}
	c.within("both have the same", patienceOfPairs, func() bool { return a.s.store.Tip() == c.s.store.Tip() })
	same(t, c, a)
}
