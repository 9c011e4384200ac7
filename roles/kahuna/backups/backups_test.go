package backups

import (
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"kowabunga/core/fault"
)

// The life of backups, the same in every target: a full one, segments, nothing new, a restart; listed,
// verified, and restored to each moment.
func TestLifeInEveryTarget(t *testing.T) {
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		place      Place
		recipients []string
		identities string
	}{
		"directory":         {Place{Target: t.TempDir() + "/new"}, nil, ""},
		"directory, sealed": {Place{Target: t.TempDir()}, []string{mine.Recipient().String()}, mine.String()},
		"S3":                {serveS3(t, false).place, nil, ""},
		"S3, TLS, sealed":   {serveS3(t, true).place, []string{mine.Recipient().String()}, mine.String()},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t, c.place, c.recipients...)
			w.change()
			first := w.take(false)
			if !first.Full || first.Index != w.store.Tip().Index || first.Pieces != 1 {
				t.Errorf("the first one is %+v", first)
			}
			if again := w.take(false); again.Object != "" || again.Index != first.Index || again.Chain != first.Chain {
				t.Errorf("nothing new, yet %+v", again)
			}
			for range 2 {
				w.change()
				w.change()
				if r := w.take(false); r.Full || r.Chain != first.Chain || r.Records != 2 {
					t.Errorf("a segment is %+v", r)
				}
			}
			w.restart()
			w.change()
			second := w.take(false)
			if !second.Full || second.Chain == first.Chain {
				t.Errorf("after a restart it is %+v", second)
			}
			if got := kinds(objects(t, w.target())); got["full"] != 2 || got["segment"] != 2 || got["manifest"] != 2 || len(got) != 3 {
				t.Errorf("in the target: %v", got)
			}
			chains := w.survey()
			if len(chains) != 2 || chains[0].Name != first.Chain || chains[1].Name != second.Chain || len(chains[0].Manifest.Pieces) != 3 {
				t.Fatalf("chains %+v", chains)
			}
			for _, chain := range chains {
				v := w.verdict(chain, c.identities)
				if len(v.Findings) != 0 || !v.Restored || v.Index != chain.Manifest.End().To.Index || len(v.Unused) != 0 {
					t.Errorf("verified: %+v", v)
				}
				if v := w.verdict(chain, ""); v.Restored == chain.Manifest.Sealed || len(v.Findings) != 0 {
					t.Errorf("verified without an identity: %+v", v)
				}
			}
			// Record 1 and the one after the restart are begins of epochs, each other one is a region.
			for index, regions := range map[uint64]int{0: 6, 1: 0, 2: 1, 4: 3, 6: 5, 7: 5, 8: 6} {
				key := &key
				if c.identities != "" {
					key = nil // it is inside
				}
				made, n, err := w.regions(Moment{Index: index}, c.identities, key)
				if err != nil || n != regions || index != 0 && made.Reached.Index != index {
					t.Errorf("restored to %d: %d regions, %+v, %v", index, n, made, err)
				}
			}
			made, n, err := w.regions(Moment{Time: chains[0].Manifest.Pieces[1].Time}, c.identities, &key)
			if err != nil || n != 3 || made.Reached.Index != 4 {
				t.Errorf("restored to a time: %d regions, %+v, %v", n, made, err)
			}
			_, _, err = w.regions(Moment{Index: 99}, c.identities, &key)
			code(t, "an index to come", err, fault.NotFound, "from record 1 of", "to record 8 of")
			_, _, err = w.regions(Moment{Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}, c.identities, &key)
			code(t, "a time long ago", err, fault.NotFound, "from record 1 of")
			if c.identities != "" {
				_, _, err = w.regions(Moment{}, "", &key)
				code(t, "without an identity", err, fault.Invalid, "--identity-file")
				other, _ := age.GenerateX25519Identity()
				_, _, err = w.regions(Moment{}, other.String(), &key)
				code(t, "with another identity", err, fault.Denied)
				for _, name := range objects(t, w.target()) {
					if b := content(t, w.target(), name); !strings.Contains(name, "manifest") && !strings.HasPrefix(string(b), ageLine) {
						t.Errorf("%s is no age file", name)
					}
				}
			}
		})
	}
}

// After FullEvery a chain is over; --full ends it at once.
func TestWhenAChainEnds(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.take(false)
	w.change()
	if r := w.take(true); !r.Full {
		t.Errorf("asked for a full one: %+v", r)
	}
	*w.clock = w.clock.Add(24 * time.Hour)
	if r := w.take(false); !r.Full {
		t.Errorf("a day later: %+v", r)
	}
}

// An identical manifest of another key, place or chain does not count.
func TestManifestsOfOthers(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	first := w.take(false)
	w.change()
	w.take(true)
	to := w.target()
	chains := w.survey()
	a, b := chains[0], chains[1]
	good := content(t, to, a.prefix()+a.newest)
	overwrite(t, to, b.prefix()+b.newest, good)
	if c := w.survey()[1]; c.Counts() || c.Problem == nil || !strings.Contains(c.Problem.Error(), b.newest) {
		t.Errorf("another chain's manifest: %+v", c)
	}
	other := key
	other[0]++
	text, err := a.Manifest.encode(other)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, to, a.prefix()+a.newest, text)
	c := w.survey()[0]
	code(t, "another key's manifest", c.Problem, fault.Denied, a.newest)
	if c.Name != first.Chain || c.Counts() {
		t.Errorf("%+v counts", c)
	}
}
