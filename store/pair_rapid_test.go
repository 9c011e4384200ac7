package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/testdata/chance"
)

// asked is a change that a caller asked for.
type asked struct {
	request string
	told    chan answer
}

// couple is two stores, of which one leads, and what is known of them from their records alone.
type couple struct {
	*rapid.T
	dir     string
	nodes   [2]*Store
	opts    [2]Options
	leads   int // the node that began the last epoch
	reigns  bool
	counter uint64
	n       int // of requests and files
	waiting []asked
	acked   map[uint64]string // index of each change that was answered, and its request
	states  map[Hash][]string // objects as of each record, worked out from the records
	shown   map[uint64]Hash   // all that was ever published
	top     Position          // the last of it
}

func (c *couple) must(err error) {
	if err != nil {
		c.Helper()
		c.Fatal(err)
	}
}

func (c *couple) open(n int) {
	s, err := Open(c.opts[n])
	c.must(err)
	c.nodes[n] = s
}

// learn works out the states that the leader's records lead to.
func (c *couple) learn() {
	s := c.nodes[c.leads]
	raw, err := s.Tail(s.Tip().Index+1, s.End().Index, 1<<20)
	c.must(err)
	for _, b := range raw {
		r, err := journal.Decode(b)
		c.must(err)
		before, ok := c.states[r.Prev]
		if _, done := c.states[r.Hash]; done {
			continue
		}
		if !ok {
			c.Fatalf("record %d follows one that nobody saw", r.Index)
		}
		objects := map[string]string{}
		for _, line := range before {
			kind, rest, _ := strings.Cut(line, " ")
			id, _, _ := strings.Cut(rest, " ")
			objects[kind+" "+id] = line
		}
		for _, change := range r.Changes {
			key := string(change.Kind) + " " + string(change.ID)
			delete(objects, key)
			if o, err := s.Object(change.Kind, change.After); err == nil && o != nil {
				objects[key] = line(o)
			}
		}
		c.states[r.Hash] = slices.Sorted(maps.Values(objects))
	}
}

// line is an object in words.
func line(o model.Object) string {
	text := fmt.Sprintf("%s %s %q %q %d", o.Kind(), o.Base().ID, o.Base().Name, o.Base().Description, o.Base().Version)
	if p, ok := o.(*model.Pool); ok {
		text += fmt.Sprintf(" %s %q", p.Region, p.CephSecretUUID.Reveal())
	}
	return text
}

// Check holds that each node shows what its records up to the published one say, and nothing else.
func (c *couple) Check(*rapid.T) {
	for n, s := range c.nodes {
		at, v := s.Tip(), s.View()
		want, ok := c.states[at.Hash]
		if !ok || v.Index() != at.Index || at.Index > s.End().Index {
			c.Fatalf("node %d shows %+v of %+v, its view is %d", n, at, s.End(), v.Index())
		}
		var got []string
		for _, table := range tables() {
			for o := range v.All(table.Kind) {
				got = append(got, line(o))
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			c.Fatalf("node %d shows as of %d\n%s\nwant\n%s", n, at.Index, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if was, ok := c.shown[at.Index]; ok && was != at.Hash {
			c.Fatalf("node %d shows another record %d than was published", n, at.Index)
		}
		if at.Index > 0 {
			c.shown[at.Index] = at.Hash
		}
		if at.Index > c.top.Index {
			c.top = at
		}
		if records, err := s.JournalBack(at.Index+5, 1); err != nil || len(records) > 0 && records[0].Hash != at.Hash {
			c.Fatalf("node %d gives %v, %v", n, records, err)
		}
		if records, err := s.Journal(at.Index+1, 5); err != nil || len(records) > 0 {
			c.Fatalf("node %d gives %d records that are not published, %v", n, len(records), err)
		}
		h, e, ok := s.Mark(s.End().Index)
		if !ok || h != s.End().Hash || e.Counter > c.counter {
			c.Fatalf("node %d ends at %+v, and marks it %s of %s", n, s.End(), h, e)
		}
	}
	c.collect(false)
}

// collect takes the answers that are there, or all.
func (c *couple) collect(all bool) {
	c.waiting = slices.DeleteFunc(c.waiting, func(a asked) bool {
		var got answer
		if all {
			got = <-a.told
		} else {
			select {
			case got = <-a.told:
			default:
				return false
			}
		}
		switch {
		case got.err == nil && got.index > c.top.Index:
			c.Fatalf("%s is answered with record %d before that is published", a.request, got.index)
		case got.err == nil:
			c.acked[got.index] = a.request
		case fault.Is(got.err, fault.Internal):
			c.Fatalf("%s is answered %v", a.request, got.err)
		}
		return true
	})
}

// Begin begins an epoch at a node, which first takes what the other one has that is published.
func (c *couple) Begin(*rapid.T) {
	if c.reigns {
		return
	}
	n := rapid.IntRange(0, 1).Draw(c.T, "node")
	if h, _, there := c.nodes[n].Mark(c.top.Index); n != c.leads && (!there || h != c.top.Hash) {
		return // only a node that has everything published may lead
	}
	c.counter++
	c.learn()
	at, err := c.nodes[n].Begin(context.Background(), Epoch{Counter: c.counter, Node: strconv.Itoa(n)})
	c.must(err)
	if at != c.nodes[n].End() {
		c.Fatalf("an epoch begins at %+v of %+v", at, c.nodes[n].End())
	}
	c.leads, c.reigns = n, true
	c.learn()
}

// Update asks for a change of some objects.
func (c *couple) Update(*rapid.T) {
	c.n++
	a, s, ran := asked{"request " + strconv.Itoa(c.n), make(chan answer, 1)}, c.nodes[c.leads], make(chan struct{})
	type step struct{ what, a, b int }
	var steps []step
	for range rapid.IntRange(1, 3).Draw(c.T, "steps") {
		steps = append(steps, step{rapid.IntRange(0, 4).Draw(c.T, "what"), rapid.IntRange(1, 4).Draw(c.T, "a"), rapid.IntRange(1, 4).Draw(c.T, "b")})
	}
	n := c.n
	go func() {
		index, err := s.Update(context.Background(), Cause{Actor: "test", Request: a.request}, func(d model.Draft) error {
			defer close(ran)
			for _, is := range steps {
				r, p := region(is.a), pool(10+is.a, region(is.b), "secret "+strconv.Itoa(n))
				r.Name, r.Description = "region "+strconv.Itoa(is.b), strconv.Itoa(n)
				var err error
				switch is.what {
				case 0, 1:
					err = d.Put(r)
				case 2:
					err = d.Put(p)
				case 3:
					err = d.Delete(model.KindRegion, r.ID)
				case 4:
					err = d.Delete(model.KindPool, p.ID)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		a.told <- answer{index, err}
	}()
	if c.reigns {
		<-ran
	} else if got := <-a.told; !fault.Is(got.err, fault.Unavailable) {
		c.Fatalf("a change without an epoch is answered %+v", got)
	} else {
		return
	}
	c.waiting = append(c.waiting, a)
	c.must(s.Probe(context.Background())) // which comes after it
	c.learn()
}

// Ship brings some records to the node that follows, which gives up what contradicts them, or all of it
// when the leader does not have the next record any more.
func (c *couple) Ship(*rapid.T) {
	from, to := c.nodes[c.leads], c.nodes[1-c.leads]
	if from.End() == to.End() {
		return
	}
	at := min(from.End().Index, to.End().Index)
	for ; at > to.Tip().Index; at-- { // what is published is common
		h, _, ok := from.Mark(at)
		if g, _, there := to.Mark(at); ok && there && g == h {
			break
		}
	}
	if at < to.End().Index {
		h, _, _ := to.Mark(at)
		c.n++
		c.must(to.Cut(context.Background(), Position{at, h}, filepath.Join(c.dir, "forks", strconv.Itoa(c.n))))
	}
	records, err := from.Tail(at+1, from.End().Index, rapid.SampledFrom([]int{1, 600, 1 << 20}).Draw(c.T, "bytes"))
	if errors.Is(err, ErrGone) {
		c.Install(nil)
		return
	}
	c.must(err)
	if len(records) == 0 {
		return
	}
	end, err := to.Append(context.Background(), records)
	c.must(err)
	if h, _, ok := from.Mark(end.Index); !ok || h != end.Hash || end.Index != at+uint64(len(records)) {
		c.Fatalf("it ends at %+v after %d records from %d", end, len(records), at+1)
	}
}

// Publish publishes some of what both nodes have.
func (c *couple) Publish(*rapid.T) {
	s, other := c.nodes[c.leads], c.nodes[1-c.leads]
	both := min(s.End().Index, other.End().Index)
	if h, _, ok := s.Mark(both); !ok {
		return
	} else if g, _, there := other.Mark(both); !there || g != h {
		return
	}
	s.Publish(rapid.Uint64Range(0, both).Draw(c.T, "index"))
	c.Check(nil)
}

// Announce tells the node that follows what is published.
func (c *couple) Announce(*rapid.T) {
	other, tip := c.nodes[1-c.leads], c.nodes[c.leads].Tip()
	if h, _, there := other.Mark(tip.Index); there && h == tip.Hash {
		other.Publish(tip.Index)
	}
}

// Halt ends the epoch.
func (c *couple) Halt(*rapid.T) {
	if c.reigns {
		c.nodes[c.leads].Halt(nil)
		c.reigns = false
		c.collect(true)
	}
}

// Restart closes a node and opens it again, or has it lose what was written since it began to be closed.
func (c *couple) Restart(*rapid.T) {
	n := rapid.IntRange(0, 1).Draw(c.T, "node")
	path := filepath.Join(c.opts[n].Dir, fileName)
	file, err := os.ReadFile(path)
	c.must(err)
	end, tip := c.nodes[n].End(), c.nodes[n].Tip()
	c.must(c.nodes[n].Close())
	crash := rapid.Bool().Draw(c.T, "crash")
	if crash {
		c.must(os.WriteFile(path, file, 0o600))
	}
	c.open(n)
	if got := c.nodes[n]; got.End() != end || got.Tip().Index > tip.Index || !crash && got.Tip() != tip {
		c.Fatalf("node %d ended at %+v and showed %+v; now it is %+v and %+v", n, end, tip, got.End(), got.Tip())
	}
	if n == c.leads {
		c.reigns = false
		c.collect(true)
		c.nodes[n].Publish(tip.Index) // the harness goes by what was published
	}
}

// Install replaces the node that follows.
func (c *couple) Install(*rapid.T) {
	if c.nodes[c.leads].Tip().Index < c.top.Index {
		return // the new leader has not published yet all that the old one had
	}
	var text bytes.Buffer
	at, err := c.nodes[c.leads].Snapshot(context.Background(), &text)
	c.must(err)
	n := 1 - c.leads
	c.must(c.nodes[n].Close())
	c.must(Install(context.Background(), &text, c.opts[n]))
	c.open(n)
	if s := c.nodes[n]; s.End() != at || s.Tip() != at {
		c.Fatalf("a snapshot of %+v is installed as %+v", at, s.End())
	}
}

// Trim cuts what retention lets go.
func (c *couple) Trim(*rapid.T) {
	c.must(c.nodes[rapid.IntRange(0, 1).Draw(c.T, "node")].Trim(context.Background()))
}

// Whatever is asked for, shipped, published, cut back and restarted in whatever order: each node shows
// what the published records say, no answer comes before its record is published, none that was given is
// lost, and in the end the nodes are equal.
func TestPairsAgree(t *testing.T) {
	dir, runs := t.TempDir(), 0
	chance.Check(t, func(t *rapid.T) {
		runs++
		c := &couple{T: t, dir: filepath.Join(dir, strconv.Itoa(runs)), acked: map[uint64]string{}, states: map[Hash][]string{{}: nil}, shown: map[uint64]Hash{}}
		defer os.RemoveAll(c.dir)
		retention := Retention{Bytes: rapid.SampledFrom([]int64{0, 3000}).Draw(t, "retention")}
		for n := range c.nodes {
			c.opts[n] = pairing(filepath.Join(c.dir, strconv.Itoa(n)))
			c.opts[n].Retention = retention
			c.must(Create(c.opts[n]))
			c.open(n)
		}
		defer func() {
			for _, s := range c.nodes {
				_ = s.Close()
			}
		}()
		actions := rapid.StateMachineActions(c)
		for _, more := range []string{"Update", "Ship", "Publish"} { // the usual ones, more often
			for n := range 3 {
				actions[more+strconv.Itoa(n)] = actions[more]
			}
		}
		t.Repeat(actions)

		c.Halt(nil)
		for c.nodes[0].End() != c.nodes[1].End() {
			c.Ship(nil)
		}
		for _, s := range c.nodes {
			c.learn()
			s.Publish(s.End().Index)
		}
		c.Check(nil)
		for n, s := range c.nodes {
			report, err := s.Check(context.Background())
			if err != nil || !report.OK() {
				t.Fatalf("node %d: %+v, %v", n, report, err)
			}
		}
		if content(c.nodes[0].View()) != content(c.nodes[1].View()) || c.nodes[0].Tip() != c.nodes[1].Tip() {
			t.Fatalf("the nodes differ: %+v and %+v", c.nodes[0].Tip(), c.nodes[1].Tip())
		}
		for index, request := range c.acked {
			if cut := c.nodes[0].CutAt().Index; index <= cut {
				continue
			}
			r, err := c.nodes[0].Journal(index, 1)
			if err != nil || len(r) == 0 {
				t.Fatalf("%s was answered with record %d, which is lost: %v", request, index, err)
			}
		}
	})
}
