package place_test

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
	"kowabunga/store/tree"
	"kowabunga/testdata/chance"
)

// chain is a state that changes by commits, as a store's does: drafts begin from its tip, which may be
// ahead of what is durable, and may be taken back to that.
type chain struct {
	model.Draft
	tip, durable *tree.Root
	pending      []changed
	board        *place.Board
}

type changed struct {
	kind model.Kind
	id   model.ID
}

func newChain(d model.Draft) *chain {
	root := d.(*tree.Edit).Publish(1)
	return &chain{Draft: root.Edit(), tip: root, durable: root, board: new(place.Board)}
}

func (c *chain) Touched() iter.Seq2[model.Kind, model.ID] { return c.Draft.(*tree.Edit).Touched() }

func each(all []changed) iter.Seq2[model.Kind, model.ID] {
	return func(yield func(model.Kind, model.ID) bool) {
		for _, n := range all {
			if !yield(n.kind, n.id) {
				return
			}
		}
	}
}

// commit makes the draft the tip; whether the board is told of it is another matter.
func (c *chain) commit(told bool) {
	var all []changed
	for kind, id := range c.Touched() {
		all = append(all, changed{kind, id})
	}
	from := c.tip.Index()
	c.tip = c.Draft.(*tree.Edit).Publish(from + 1)
	c.pending = append(c.pending, all...)
	if told {
		c.board.Follow(from, c.tip, each(all))
	}
	c.Draft = c.tip.Edit()
}

// rewind takes back what is not durable.
func (c *chain) rewind() {
	from := c.tip.Index()
	c.tip = c.durable
	c.board.Follow(from, c.tip, each(c.pending))
	c.pending, c.Draft = nil, c.tip.Edit()
}

// TestPlacementHolds runs creations, resizes, deletions, gateways' nodes, and hosts that come, go, change,
// rest and lose their agents, in any order, in drafts that are committed, given up, committed and taken
// back, or committed behind the board's back. A board that follows agrees with a decision on the bare
// view and with a board read afresh; nobody gets more than there is; what is refused has no room
// anywhere; members of a group are apart.
func TestPlacementHolds(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		d := world(t)
		put(t, d, &model.Pool{Meta: meta(30), Region: id(region), Pool: "dir:disks"},
			&model.Kwarantine{Meta: meta(40), Project: id(shop), Policy: model.ApartByHost})
		v := newChain(d)
		down := map[int]bool{}
		live := func(agent model.ID) bool {
			for n := range down {
				if agent == id(agents+n) {
					return false
				}
			}
			return true
		}
		shape := func() model.Shape {
			return ask(rapid.Int64Range(1, 5).Draw(t, "vcpus"), rapid.Int64Range(1, 5).Draw(t, "memory")*gib)
		}
		hosts := func() (all []*model.Kaktus) {
			for h := range model.All[*model.Kaktus](v) {
				all = append(all, h)
			}
			return all
		}
		machines := func() (all []*model.Instance) {
			for m := range model.All[*model.Instance](v) {
				all = append(all, m)
			}
			return all
		}
		next := 1000
		t.Repeat(map[string]func(*rapid.T){
			"commit":     func(*rapid.T) { v.commit(true) },
			"unheard of": func(*rapid.T) { v.commit(false) },
			"give up":    func(*rapid.T) { v.Draft = v.tip.Edit() },
			"durable":    func(*rapid.T) { v.durable, v.pending = v.tip, nil },
			"rewind":     func(*rapid.T) { v.rewind() },
			"host": func(t *rapid.T) {
				n := rapid.IntRange(100, 105).Draw(t, "host")
				old, known := model.Find[*model.Kaktus](v, id(n))
				threads := rapid.Int64Range(0, 8).Draw(t, "threads")
				if known && threads < old.Caps.Threads {
					t.Skip("hosts shrink elsewhere")
				}
				host(t, v, n, func(h *model.Kaktus) {
					h.Caps.Threads = threads
					h.CPUCost = model.Cost{Price: float64(rapid.IntRange(0, 2).Draw(t, "price")), Currency: rapid.SampledFrom([]string{"EUR", "EUR", "CHF"}).Draw(t, "currency")}
					h.Maintenance = rapid.IntRange(0, 3).Draw(t, "maintenance") == 0
				})
			},
			"remove host": func(t *rapid.T) {
				if all := hosts(); len(all) > 0 {
					n := rapid.SampledFrom(all).Draw(t, "host")
					_ = v.Delete(model.KindKaktus, n.ID) // refused while machines are on it
				}
			},
			"agent": func(t *rapid.T) {
				n := rapid.IntRange(100, 105).Draw(t, "host")
				if down[n] {
					delete(down, n)
				} else {
					down[n] = true
				}
			},
			"create": func(t *rapid.T) {
				r := place.Request{Shape: shape(), Zone: id(zone), Project: id(rapid.SampledFrom([]int{shop, other}).Draw(t, "project"))}
				if r.Project == id(shop) && rapid.Bool().Draw(t, "apart") {
					r.Kwarantine = id(40)
				}
				tr, boardTrace, freshTrace := &trace.Trace{Detail: true}, &trace.Trace{Detail: true}, &trace.Trace{Detail: true}
				got, err := place.Choose(v, live, r, tr)
				same, boardErr := v.board.Choose(v, live, r, boardTrace)
				fresh, freshErr := new(place.Board).Choose(v, live, r, freshTrace)
				if got != same || got != fresh || fmt.Sprint(err) != fmt.Sprint(boardErr) || fmt.Sprint(err) != fmt.Sprint(freshErr) ||
					tr.String() != boardTrace.String() || tr.String() != freshTrace.String() {
					t.Fatalf("Choose: %s, %v\n%s\nBoard: %s, %v\n%s\nfresh board: %s, %v\n%s", got, err, tr, same, boardErr, boardTrace, fresh, freshErr, freshTrace)
				}
				held := map[model.ID]bool{}
				for m := range model.By[*model.Instance](v, "kwarantine", r.Kwarantine) {
					held[m.Kaktus] = r.Kwarantine != ""
				}
				if err != nil {
					for _, h := range hosts() {
						room, ok := place.Survey(v, h)
						if ok && live(h.Agents[0]) && !h.Maintenance && !held[h.ID] && room.Taken.VCPUs+r.VCPUs <= room.Total.VCPUs && room.Taken.Memory+r.Memory <= room.Total.Memory {
							t.Fatalf("host %s has room (%s) but: %v", h.Name, room, err)
						}
					}
					return
				}
				h, _ := model.Find[*model.Kaktus](v, got)
				if !live(h.Agents[0]) || h.Caps.Threads == 0 || h.Maintenance || held[got] {
					t.Fatalf("placed on %s, which is not there, rests, or has a member of the group", h.Name)
				}
				if r.Kwarantine == "" && rapid.IntRange(0, 4).Draw(t, "node") == 0 {
					put(t, v, &model.Node{Meta: meta(next), Project: r.Project, Zone: r.Zone, Kaktus: got, Shape: r.Shape})
				} else {
					put(t, v, &model.Instance{Meta: meta(next), Project: r.Project, Zone: r.Zone, Kaktus: got, VCPUs: r.VCPUs, Memory: r.Memory, Kwarantine: r.Kwarantine})
				}
				next++
			},
			"resize": func(t *rapid.T) {
				all := machines()
				if len(all) == 0 {
					t.Skip("no machine")
				}
				m, s := rapid.SampledFrom(all).Draw(t, "machine"), shape()
				if place.Fits(v, live, m, s, nil) != nil {
					return
				}
				m = model.Edit(m)
				if rapid.Bool().Draw(t, "done") {
					m.VCPUs, m.Memory, m.Reserved = s.VCPUs, s.Memory, model.Shape{}
				} else {
					m.Reserved = s
				}
				put(t, v, m)
			},
			"delete": func(t *rapid.T) {
				if all := machines(); len(all) > 0 {
					m := rapid.SampledFrom(all).Draw(t, "machine")
					if err := v.Delete(model.KindInstance, m.ID); err != nil {
						t.Fatalf("delete: %v", err)
					}
				}
			},
			"": func(t *rapid.T) {
				for _, h := range hosts() {
					if room, _ := place.Survey(v, h); room.Taken.VCPUs > room.Total.VCPUs || room.Taken.Memory > room.Total.Memory {
						t.Fatalf("host %s promised too much: %s", h.Name, room)
					}
				}
			},
		})
	})
}

// TestEqualHostsFillEqually places equal machines of one project, and of many, until nothing fits: at no
// moment does one of some equal hosts have two machines more than another.
func TestEqualHostsFillEqually(t *testing.T) {
	for _, projects := range []int{1, 1000} {
		v := world(t)
		const hosts = 7
		for n := range hosts {
			host(t, v, 100+n)
		}
		board := new(place.Board)
		placed := map[model.ID]int{}
		total := 0
		for {
			project := 1000 + total%projects
			put(t, v, &model.Project{Meta: meta(project)})
			got, err := board.Choose(v, everyone, place.Request{Shape: ask(2, gib), Zone: id(zone), Project: id(project)}, nil)
			if err != nil {
				if !fault.Is(err, fault.Exhausted) {
					t.Fatal(err)
				}
				break
			}
			m := &model.Instance{Meta: meta(10_000 + total), Project: id(project), Zone: id(zone), Kaktus: got, VCPUs: 2, Memory: gib}
			put(t, v, m)
			placed[got]++
			total++
			for n := range hosts {
				if placed[got]-placed[id(100+n)] > 1 {
					t.Fatalf("after %d machines of %d projects: %v", total, projects, placed)
				}
			}
		}
		if total != hosts*6 { // 12 virtual CPUs each
			t.Errorf("%d machines of %d projects were placed, want %d", total, projects, hosts*6)
		}
	}
}

// fleet is that many hosts in one zone, each with room for eleven machines of two CPUs, and that many
// such machines of 1,000 projects spread over them evenly.
func fleet(b *testing.B, hosts, machines int) model.Draft {
	v := world(b)
	for n := range hosts {
		host(b, v, 100_000+n, func(h *model.Kaktus) {
			h.Caps, h.OvercommitCPU = model.Caps{Threads: 22, Memory: 96 * gib}, 1
			h.CPUCost.Price = float64(n % 7)
		})
	}
	for n := range 1000 {
		put(b, v, &model.Project{Meta: meta(1000 + n)})
	}
	for n := range machines {
		m := machine(1_000_000+n, 100_000+n%hosts, 2, 4*gib)
		m.Project = id(1000 + n%1000)
		put(b, v, m)
	}
	return v
}

// worked is the processor time of this thread, which does not count what else the machine does.
func worked(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// BenchmarkBoard is a decision in a draft of its own, whose machine is written and committed: 5,000 hosts
// in one zone, empty, half full and 90 % full. decisions/s counts a processor's time for the decision and
// for telling the board of the commit; writing the machine is the store's, and in ns/op.
func BenchmarkBoard(b *testing.B) {
	for _, machines := range []int{0, 27_500, 50_000} {
		b.Run(fmt.Sprintf("hosts=5000/machines=%d", machines), func(b *testing.B) {
			runtime.LockOSThread() // whose clock worked reads
			defer runtime.UnlockOSThread()
			v := newChain(fleet(b, 5000, machines))
			_, _ = v.board.Choose(v, everyone, place.Request{Shape: ask(2, 4*gib), Zone: id(zone)}, nil) // reads the fleet
			n, deciding := 0, time.Duration(0)
			for b.Loop() {
				r := place.Request{Shape: ask(2, 4*gib), Zone: id(zone), Project: id(1000 + n%1000)}
				began := worked(b)
				got, err := v.board.Choose(v, everyone, r, nil)
				deciding += worked(b) - began
				if err != nil {
					b.Fatal(err)
				}
				put(b, v, &model.Instance{Meta: meta(2_000_000), Project: r.Project, Zone: r.Zone, Kaktus: got, VCPUs: 2, Memory: 4 * gib})
				v.commit(false)
				began = worked(b)
				v.board.Follow(v.tip.Index()-1, v.tip, each(v.pending))
				deciding += worked(b) - began
				v.pending = nil
				n++
			}
			b.ReportMetric(float64(n)/deciding.Seconds(), "decisions/s")
		})
	}
}

// BenchmarkChoose is a decision on the bare view, a zone of 100 hosts and 1,000 machines.
func BenchmarkChoose(b *testing.B) {
	v := fleet(b, 100, 1000)
	r := place.Request{Shape: ask(2, 4*gib), Zone: id(zone), Project: id(1000)}
	for b.Loop() {
		if _, err := place.Choose(v, everyone, r, nil); err != nil {
			b.Fatal(err)
		}
	}
}
