package kahuna

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/lease"
	"kowabunga/core/nodes"
)

// files reads some files of a data directory, or puts them back.
func files(t *testing.T, dir string, names ...string) (back func()) {
	t.Helper()
	kept := map[string][]byte{}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept[name] = raw
	}
	return func() {
		t.Helper()
		for name, raw := range kept {
			if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// known waits until all witnesses know that the journal had its present end.
func (r *running) known() {
	r.t.Helper()
	end := r.s.store.Tip().Index
	r.within("the witnesses know what is published", patienceOfPairs, func() bool {
		for _, w := range r.status().Record.All() {
			reply, err := witnesses{r.s}.Ask(r.t.Context(), w, lease.Prevote{Epoch: lease.Epoch{Counter: 1 << 62, Node: string(r.s.pair.self.ID)}})
			told, ok := reply.(lease.PrevoteReply)
			if err != nil || !ok || len(told.Known) == 0 || told.Known[0].Position.Index < end {
				return false
			}
		}
		return true
	})
	r.within("its status says so", patienceOfPairs, func() bool {
		return !slices.ContainsFunc(r.pairOf().Witnesses, func(w nodes.WitnessStatus) bool { return w.Knows < end })
	})
}

// A Kahuna alone that comes back with the disk of an earlier day does not write other records in the place of
// those that were acknowledged: it knows itself what it had, or its witnesses do. It says so, and goes on when
// a person gives those records up.
func TestKahunaAloneWithAnEarlierDisk(t *testing.T) {
	for name, lost := range map[string][]string{
		"its store":           {"kahuna.db"},
		"all that it keeps":   {"kahuna.db", "voter.json"},
		"nothing of its disk": nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir, address := t.TempDir(), port(t)
			begin := func() *running {
				return start(t, dir, apart, func(c *Config) { c.Listen = address })
			}
			a := begin()
			for i := range 3 {
				a.witness(fmt.Sprintf("w%d", i))
			}
			a.within("three agents are witnesses", patienceOfPairs, func() bool { return len(a.named()) == 3 && len(a.status().Pending) == 0 })
			a.made("/region", `{"name":"before","domain":"before.example"}`)
			a.stop()
			back := files(t, a.s.cfg.data(), lost...)
			a = begin()
			a.within("it acts again", patienceOfPairs, a.s.acts)
			a.made("/region", `{"name":"acknowledged","domain":"acknowledged.example"}`)
			a.known()
			had := a.s.store.Tip().Index
			a.stop()
			back()
			a = begin()
			if lost == nil {
				a.within("it acts again", patienceOfPairs, a.s.acts)
				return
			}
			end := a.s.store.Tip().Index
			a.within("it says what is wrong", patienceOfPairs, func() bool {
				said := strings.Join(a.pairOf().Missing, "; ")
				return strings.Contains(said, fmt.Sprintf("up to record %d", had)) && strings.Contains(said, fmt.Sprintf("promote --lose-after %d", end))
			})
			if status := a.ask("POST", "/api/v1/region", `{"name":"instead","domain":"instead.example"}`, nil); status != 503 || a.s.store.Tip().Index != end || strings.Contains(a.logs.String(), "pair: serves") {
				t.Errorf("a write is answered %d; the journal ends at %d, after %d\n%s", status, a.s.store.Tip().Index, end, a.logs.String())
			}
			a.within("it can be promoted", patienceOfPairs, func() bool {
				_, err := a.command("promote", "--lose-after", fmt.Sprint(end), "--other-is-off", "the other Kahuna is off")
				return err == nil
			})
			a.within("it acts", patienceOfPairs, a.s.acts)
			a.made("/region", `{"name":"after","domain":"after.example"}`)
			if a.names() != "after before" && a.names() != "before after" {
				t.Errorf("there is %q", a.names())
			}
		})
	}
}
