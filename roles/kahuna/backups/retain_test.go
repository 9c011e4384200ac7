package backups

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/store"
	"kowabunga/testdata/chance"
)

func TestRetention(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.keep = Keep{Chains: 2}
	w.b = w.backups(w.store)
	var names []string
	for range 4 {
		w.change()
		r := w.take(true)
		names = append(names, r.Chain)
		if want := max(0, len(names)-2); want > 0 && !slices.Contains(r.Removed, names[want-1]) {
			t.Errorf("%+v did not remove %s", r, names[want-1])
		}
	}
	if got := chainNames(w.survey()); !reflect.DeepEqual(got, names[2:]) {
		t.Errorf("chains %v, want %v", got, names[2:])
	}
	if got := kinds(objects(t, w.target())); !reflect.DeepEqual(got, map[string]int{"full": 2, "manifest": 2}) {
		t.Errorf("objects %v", got)
	}
	// By age, the newest stays however old it is.
	w.keep = Keep{Age: time.Hour}
	w.b = w.backups(w.store)
	*w.clock = w.clock.Add(48 * time.Hour)
	w.b.tidy(t.Context(), w.target())
	if got := chainNames(w.survey()); !reflect.DeepEqual(got, names[3:]) {
		t.Errorf("chains %v, want %v", got, names[3:])
	}
}

func chainNames(chains []*Chain) (out []string) {
	for _, c := range chains {
		out = append(out, c.Name)
	}
	return out
}

// late is a store whose process was paused in an epoch of long ago.
type late struct {
	*store.Store
	epoch store.Epoch
}

func (l late) Epoch() store.Epoch { return l.epoch }

// A primary that was paused and wakes removes nothing of a later epoch, whatever its retention says: not a
// chain, not one being written, nor the last verified one of its own.
func TestPausedPrimaryWakes(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.keep = Keep{Chains: 1}
	old := w.store.Epoch()
	w.b = w.backups(w.store)
	mine := w.take(false)
	w.restart()
	w.change()
	successor := w.take(false)
	if slices.Contains(chainNames(w.survey()), mine.Chain) {
		t.Error("the successor keeps one chain and leaves two")
	}
	to := w.target()
	// What the successor writes just now has no manifest yet.
	begun := Family(key) + "/" + chainName(w.store.Epoch(), 9) + "/" + fullName(9)
	overwrite(t, to, begun, []byte("x"))
	paused := w.backups(late{w.store, old})
	other := w.backups(late{w.store, store.Epoch{Counter: w.store.Epoch().Counter, Node: "another"}})
	before := objects(t, to)
	for name, b := range map[string]*Backups{"of an earlier epoch": paused, "of the same counter": other} {
		b.Keep = Keep{Chains: 1}
		if removed := b.tidy(t.Context(), to); len(removed) > 0 || !reflect.DeepEqual(objects(t, to), before) {
			t.Errorf("a node %s removed %v of %s", name, removed, successor.Chain)
		}
	}
	// The one whose it is does remove what an attempt left.
	w.b.tidy(t.Context(), to)
	if got := objects(t, to); slices.Contains(got, begun) || len(got) != len(before)-1 {
		t.Errorf("%v stays", got)
	}
}

// Whatever stands in a target: nothing of a later epoch is doomed, nothing that nobody understands, and
// the newest chain that counts stays; what is kept by number is that many.
func TestDoomedChains(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	chance.Check(t, func(t *rapid.T) {
		own := store.Epoch{Counter: 5, Node: "me"}
		var chains []*Chain
		for i := range rapid.IntRange(0, 8).Draw(t, "chains") {
			c := &Chain{Name: fmt.Sprint(i), Index: uint64(i), objects: map[string]int64{"full": 1},
				Epoch: store.Epoch{Counter: rapid.Uint64Range(3, 6).Draw(t, "epoch"), Node: rapid.SampledFrom([]string{"me", "other"}).Draw(t, "node")}}
			age := time.Duration(rapid.IntRange(0, 10).Draw(t, "age")) * time.Hour
			switch rapid.SampledFrom([]string{"whole", "whole", "missing", "damaged", "begun"}).Draw(t, "state") {
			case "whole":
				c.Manifest = &Manifest{Pieces: []Piece{{Object: "full", Bytes: 1, Made: now.Add(-age)}}}
			case "missing":
				c.Manifest = &Manifest{Pieces: []Piece{{Object: "gone", Bytes: 1, Made: now.Add(-age)}}}
			case "damaged":
				c.Problem = fault.New(fault.Malformed, "x")
			}
			chains = append(chains, c)
		}
		slices.SortStableFunc(chains, func(a, b *Chain) int { return int(a.Epoch.Counter) - int(b.Epoch.Counter) })
		keep := rapid.SampledFrom([]Keep{{}, {Chains: 1}, {Chains: 3}, {Age: 3 * time.Hour}}).Draw(t, "keep")
		gone := Doomed(chains, own, keep, now)
		stay := 0
		for i := len(chains) - 1; i >= 0; i-- {
			c := chains[i]
			doomed := slices.Contains(gone, c)
			if doomed && (c.Epoch.Counter > 5 || c.Epoch.Counter == 5 && c.Epoch.Node != "me" || c.Manifest == nil || keep == Keep{}) {
				t.Errorf("%+v is doomed", c)
			}
			if !ours(c, own) || !c.Counts() {
				continue
			}
			if doomed && stay == 0 {
				t.Errorf("the newest that counts, %+v, is doomed", c)
			}
			if !doomed {
				stay++
			}
			if !doomed && keep.Age > 0 && stay > 1 && now.Sub(c.Manifest.End().Made) > keep.Age {
				t.Errorf("%+v is older than %s and stays", c, keep.Age)
			}
		}
		if keep.Chains > 0 && stay > keep.Chains {
			t.Errorf("%d stay, %d are to be kept", stay, keep.Chains)
		}
	})
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Keep{"14": {Chains: 14}, "0": {}, "30d": {Age: 720 * time.Hour}} {
		if got, err := ParseKeep(text); err != nil || got != want {
			t.Errorf("keep %s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "x", "-3d"} {
		_, err := ParseKeep(text)
		code(t, "keep "+text, err, fault.Invalid, "backup.keep")
	}
	at := time.Date(2026, 11, 20, 13, 42, 19, 0, time.UTC)
	for text, want := range map[string]Moment{"": {}, "17": {Index: 17}, "2026-11-20T13:42:19Z": {Time: at}, "2026-11-20T14:42:19+01:00": {Time: at}} {
		if got, err := ParseMoment(text); err != nil || got.Index != want.Index || !got.Time.Equal(want.Time) {
			t.Errorf("at %s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "-1", "yesterday", "2026-11-20"} {
		_, err := ParseMoment(text)
		code(t, "at "+text, err, fault.Invalid, "2026-11-20T13:42:19Z")
	}
	e := store.Epoch{Counter: 65543, Node: "cafe"}
	name := chainName(e, 4711)
	if got, index, ok := parseChain(name); !ok || got != e || index != 4711 {
		t.Errorf("%s is %v, %d", name, got, index)
	}
	if chainName(e, 1) == chainName(e, 1) {
		t.Error("two attempts have one name")
	}
	for _, bad := range []string{"", "1-2-n", "x-2-n-r", "1-2--r", "1-2-n-r-s"} {
		if _, _, ok := parseChain(bad); ok {
			t.Errorf("%q is a chain", bad)
		}
	}
	for _, bad := range []string{"full-../../x", "full", "full-1/2", "segment-1"} {
		if named(bad, "full") {
			t.Errorf("%q is a full backup", bad)
		}
	}
}

// Of chains that reach a moment the newest is taken, and of it no more pieces than needed.
func TestChoose(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.change()
	w.take(true)
	w.change()
	w.take(true)
	for range 2 {
		w.change()
		w.take(false)
	}
	chains := w.survey()
	newest := chains[1].Name
	for index, want := range map[uint64]int{0: 3, 5: 3, 4: 2, 3: 1, 2: 1, 1: 1} {
		plan, err := Choose(chains, Moment{Index: index})
		if err != nil || plan.Chain.Name != newest || plan.Pieces != want {
			t.Errorf("record %d: %+v, %v; want %d pieces of %s", index, plan, err, want, newest)
		}
	}
	to := w.target()
	if err := to.Remove(t.Context(), chains[1].prefix()+chains[1].Manifest.Pieces[1].Object); err != nil {
		t.Fatal(err)
	}
	plan, err := Choose(w.survey(), Moment{})
	if err != nil || plan.Chain.Name != chains[0].Name || len(plan.Skipped) != 1 || plan.Skipped[0].Name != newest {
		t.Errorf("%+v, %v", plan, err)
	}
	if got, err := Families(t.Context(), to); err != nil || !reflect.DeepEqual(got, []string{Family(key)}) {
		t.Errorf("families %v, %v", got, err)
	}
	if strings.Contains(Family(key), "010203") {
		t.Error("the family shows the key")
	}
}

// forgetful is a storage that once does not find what it has just listed.
type forgetful struct {
	Target
	lost bool
}

func (f *forgetful) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if !f.lost && strings.Contains(name, "manifest") {
		f.lost = true
		return nil, fault.New(fault.NotFound, "%s is not there", name)
	}
	return f.Target.Get(ctx, name)
}

// A manifest that is not found for a moment makes no leftover of its chain.
func TestForgetfulStorageLosesNoChain(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.take(false)
	w.restart()
	before := objects(t, w.target())
	to := &forgetful{Target: w.target()}
	if removed := w.b.tidy(t.Context(), to); !to.lost || len(removed) > 0 || !reflect.DeepEqual(objects(t, w.target()), before) {
		t.Errorf("removed %v; left %v of %v", removed, objects(t, w.target()), before)
	}
}

// A backup that is called off is no failure of backups.
func TestCalledOffIsNoFailure(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.b.Take(ctx, true); err == nil {
		t.Fatal("a backup was made after it was called off")
	}
	if s := w.b.Status(); s.Failed != "" || s.Retries != 0 {
		t.Errorf("status %+v", s)
	}
}

// The configuration and a command name the same place, however they spell it.
func TestOnePlaceHasOneSpelling(t *testing.T) {
	for _, same := range [][2]string{{"/backup", "/backup/"}, {"/backup", "/a/../backup"}, {"s3://b/x", "s3://b/x/"}} {
		a, err := Place{Target: same[0]}.Absolute()
		b, other := Place{Target: same[1]}.Absolute()
		if err != nil || other != nil || a != b {
			t.Errorf("%v: %v %v, %v %v", same, a, b, err, other)
		}
	}
}
