//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
)

// A Kahuna that comes back with the disk of an earlier moment, sound in itself, does not write other records in
// the place of those that were acknowledged. Alone it waits for a person; in a pair the other one acts, and it
// takes from there what it lost.
func TestEarlierDisk(t *testing.T) {
	p := newMachines(t)
	p.begin()
	p.agents(3, 0)
	a, b := p.nodes[0], p.nodes[1]
	eventually(t, "agents are witnesses of the one Kahuna", func() error { return p.witnessed(a, 3) })
	t.Log("alone")
	end := a.setBack("alone")
	a.refuses(end)
	must(t, "kahuna", "promote", "--dir", a.dir, "--lose-after", fmt.Sprint(end), "--other-is-off", "the other Kahuna is off")
	p.added("promoted")

	t.Log("of two, the one that acts")
	p.join()
	eventually(t, "both are in sync with witnesses", func() error { return p.synced(3) })
	a.setBack("both")
	eventually(t, "the other one acts", func() error {
		if p.acts() != b {
			return errors.New("it does not")
		}
		return nil
	})
	p.added("other")
	eventually(t, "the one with the earlier disk has everything", func() error { return p.synced(3) })
	for _, name := range []string{"promoted", "both", "other"} {
		if err := p.there(name); err != nil {
			t.Error(err)
		}
	}
	p.alike()

	t.Log("of two, the one that went on alone")
	a.proc.kill()
	p.added("without the other one")
	eventually(t, "it is alone", func() error {
		st, err := b.status()
		if err == nil && !st.Pair.Alone {
			err = errors.New("it is not")
		}
		return err
	})
	end = b.setBack("sole")
	b.refuses(end)
	a.start()
	eventually(t, "the other one is up", a.answers)
	b.refuses(end)
	if p.acts() != nil {
		t.Error("one acts that lacks what was acknowledged")
	}
}

// witnessed tells whether a Kahuna has so many witnesses, all of them connected and agreed on.
func (p *pair) witnessed(n *node, want int) error {
	st, err := n.status()
	if err != nil {
		return err
	}
	if there := settled(st.Pair.Witnesses); there != want || len(st.Pair.Pending) > 0 {
		return fmt.Errorf("%d of %d, pending: %v", there, want, st.Pair.Pending)
	}
	return nil
}

// added makes a team at whichever Kahuna acts.
func (p *pair) added(name string) {
	p.t.Helper()
	c := p.client()
	defer c.Close()
	declared(p.t, c, "teams", nil, string(body(map[string]any{"name": name, "users": []string{}})))
}

// there tells whether there is a team.
func (p *pair) there(name string) error {
	c := p.client()
	defer c.Close()
	_, err := c.Do(context.Background(), client.Request{Op: "read", Path: "/teams/" + name})
	return err
}

// setBack has the node, which acts, acknowledge a write and tell the voters of it, and then come back with the
// disk of the moment before. It returns where the journal ended then.
func (n *node) setBack(name string) (end uint64) {
	t := n.p.t
	t.Helper()
	db, kept := filepath.Join(n.dir, "data", "kahuna.db"), filepath.Join(n.p.dir, "kept-"+name)
	n.freeze()
	n.p.do("cp", db, kept)
	n.thaw()
	n.p.added(name)
	n.told()
	n.proc.kill()
	n.p.do("cp", kept, db)
	var found struct{ Index uint64 }
	if err := json.Unmarshal([]byte(must(t, "kahuna", "check", "--dir", n.dir, "-o", "json")), &found); err != nil || found.Index == 0 {
		t.Fatalf("%v %+v", err, found)
	}
	text, err := os.ReadFile(n.log())
	if err != nil {
		t.Fatal(err)
	}
	n.before = len(text)
	n.start()
	return found.Index
}

// told waits until all witnesses of the node, which acts, remember what is published now.
func (n *node) told() {
	t := n.p.t
	t.Helper()
	now, err := n.status()
	if err != nil || len(now.Pair.Witnesses) == 0 {
		t.Fatalf("%s has no witnesses: %v", n.name, err)
	}
	eventually(t, "the witnesses know what is published", func() error {
		st, err := n.status()
		if err != nil {
			return err
		}
		for _, w := range st.Pair.Witnesses {
			if w.Knows < now.Pair.Published {
				return fmt.Errorf("%s knows of record %d, not of %d", w.Name, w.Knows, now.Pair.Published)
			}
		}
		return nil
	})
}

// refuses waits until the node says which records its disk had, and fails if it has acted since it was set back,
// or takes a write.
func (n *node) refuses(end uint64) {
	t := n.p.t
	t.Helper()
	eventually(t, n.name+" says what is wrong", func() error {
		st, err := n.status()
		if err != nil {
			return err
		}
		if said := strings.Join(st.Pair.Missing, "; "); !strings.Contains(said, "had on its disk") || !strings.Contains(said, fmt.Sprintf("promote --lose-after %d", end)) {
			return fmt.Errorf("it says: %q, and ends at %d", said, st.Pair.End)
		}
		return nil
	})
	c := n.p.client(n.url)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := c.Do(ctx, client.Request{Op: "write", Method: "POST", Path: "/teams", Body: []byte(`{"name":"instead","users":[]}`)}); err == nil || fault.Is(err, fault.Invalid) {
		t.Errorf("%s takes a write: %v", n.name, err)
	}
	text, err := os.ReadFile(n.log())
	if err != nil || strings.Contains(string(text[n.before:]), `msg="pair: serves"`) {
		t.Errorf("%s has acted: %v", n.name, err)
	}
	if st, err := n.status(); err != nil || st.Pair.End != end || st.Pair.Right {
		t.Errorf("%s: %v %+v", n.name, err, st.Pair)
	}
}
