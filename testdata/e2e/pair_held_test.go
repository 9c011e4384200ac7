//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/roles/sim"
)

// held waits until no operation is left to do, and what hosts hold is what is declared: disks and machines
// on those that have pools, bridges on all.
func (p *pair) held() {
	t := p.t
	t.Helper()
	c := p.client()
	defer c.Close()
	eventually(t, "hosts hold what is declared", func() error {
		for _, state := range []string{"running", "unwinding"} {
			left, err := c.Items(context.Background(), "list", "/operations", url.Values{"state": {state}})
			if err != nil {
				return err
			}
			if len(left) > 0 {
				return fmt.Errorf("%d operations are %s, such as %s", len(left), state, left[0])
			}
		}
		want := map[string][]string{}
		for path, what := range map[string]func(o declaration) string{
			"/volumes":   func(o declaration) string { return fmt.Sprintf("%s of %d bytes", o.ID, o.Size) },
			"/instances": func(o declaration) string { return o.ID },
			"/vnets":     func(o declaration) string { return fmt.Sprintf("%s with VLAN %d", o.Interface, o.VLAN) },
		} {
			items, err := c.Items(context.Background(), "list", path, nil)
			if err != nil {
				return err
			}
			want[path] = []string{}
			for _, item := range items {
				var o declaration
				if err := json.Unmarshal(item, &o); err != nil {
					return err
				}
				want[path] = append(want[path], what(o))
			}
		}
		have := map[string][]string{"/volumes": {}, "/instances": {}}
		for _, h := range p.hosts {
			all, err := h.holds()
			if err != nil {
				return err
			}
			for agent, held := range all {
				for _, v := range held.Volumes {
					have["/volumes"] = append(have["/volumes"], fmt.Sprintf("%s of %d bytes", v.VolumeRef.Volume, v.Size))
				}
				for _, m := range held.Machines {
					have["/instances"] = append(have["/instances"], m.Machine)
				}
				bridges := []string{}
				for _, b := range held.State.Bridges {
					bridges = append(bridges, fmt.Sprintf("%s with VLAN %d", b.Name, b.VLAN))
				}
				if missing, more := apart(want["/vnets"], bridges); len(missing)+len(more) > 0 {
					return fmt.Errorf("agent %s of %s lacks the bridges %v and has %v that are not declared", agent, h.name, missing, more)
				}
			}
		}
		for _, path := range []string{"/volumes", "/instances"} {
			if missing, more := apart(want[path], have[path]); len(missing)+len(more) > 0 {
				return fmt.Errorf("of %s hosts lack %v and have %v that are not declared", path, missing, more)
			}
		}
		return nil
	})
}

// declaration is what matters here of volumes, instances and vnets.
type declaration struct {
	ID        string
	Size      int64
	Interface string
	VLAN      int64
}

// apart is what only the one and only the other of two lists has.
func apart(a, b []string) (onlyA, onlyB []string) {
	without := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
	}
	return without(a, b), without(b, a)
}

// holding is what an agent keeps in its file.
type holding struct {
	State    agentproto.KaktusState
	Volumes  []agentproto.Volume
	Machines []agentproto.MachineRef
}

// holds is what the agents of a host hold, by agent.
func (h *host) holds() (map[string]holding, error) {
	all := map[string]holding{}
	files, err := filepath.Glob(filepath.Join(h.state(), "*.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var held holding
		if err := json.Unmarshal(text, &held); err != nil {
			return nil, err
		}
		all[filepath.Base(file)] = held
	}
	return all, err
}

// fewest is how much work that was carried out has to be looked at in each reign, so that nothing is called
// harmless that was never tried.
const fewest = 10

// obedient fails the test when an agent did what it was told in an epoch below one that it had obeyed, or
// when there was less work than that this could be seen: since a place in the journal, in so many reigns.
// What a reign tells every agent at its beginning is no work. It returns how much was obeyed.
func (p *pair) obedient(from, reigns int) int {
	t := p.t
	t.Helper()
	all := p.obeyed()
	if wrong := sim.Backwards(all); len(wrong) > 0 {
		t.Errorf("agents obeyed backwards: %+v", wrong)
	}
	work := map[agentproto.Epoch]int{}
	for _, o := range all[from:] {
		if o.Request != "" && o.Method != agentproto.MethodInventory {
			work[o.Epoch]++
		}
	}
	busy := 0
	for _, n := range work {
		if n >= fewest {
			busy++
		}
	}
	if busy < reigns {
		t.Errorf("too little was ordered to tell whether an old primary is obeyed: by epoch %v, want %d or more in %d", work, fewest, reigns)
	}
	t.Logf("orders carried out, by epoch: %v", work)
	return len(all) - from
}

// obeyed is everything that agents did as they were told.
func (p *pair) obeyed() []sim.Obeyed {
	p.t.Helper()
	all, err := sim.ReadJournal(p.orders)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}
