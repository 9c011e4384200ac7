package place_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// TestPlacementHolds runs creations, resizes, deletions, and hosts that come, go, change and lose their
// agents, in any order. A board that follows agrees with a decision on the bare view and with a board
// read afresh; nobody gets more than there is; what is refused has no room anywhere.
func TestPlacementHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := world(t)
		put(t, v, &model.Pool{Meta: meta(30), Region: id(region), Pool: "dir:disks"})
		board := place.NewBoard(v)
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
				})
				board.Sync(v, model.KindKaktus, id(n))
			},
			"remove host": func(t *rapid.T) {
				if all := hosts(); len(all) > 0 {
					n := rapid.SampledFrom(all).Draw(t, "host")
					_ = v.Delete(model.KindKaktus, n.ID) // refused while machines are on it
					board.Sync(v, model.KindKaktus, n.ID)
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
				tr, boardTrace, freshTrace := &trace.Trace{Detail: true}, &trace.Trace{Detail: true}, &trace.Trace{Detail: true}
				got, err := place.Choose(v, live, r, tr)
				same, boardErr := board.Choose(v, live, r, boardTrace)
				fresh, freshErr := place.NewBoard(v).Choose(v, live, r, freshTrace)
				if got != same || got != fresh || fmt.Sprint(err) != fmt.Sprint(boardErr) || fmt.Sprint(err) != fmt.Sprint(freshErr) ||
					tr.String() != boardTrace.String() || tr.String() != freshTrace.String() {
					t.Fatalf("Choose: %s, %v\n%s\nBoard: %s, %v\n%s\nfresh board: %s, %v\n%s", got, err, tr, same, boardErr, boardTrace, fresh, freshErr, freshTrace)
				}
				if err != nil {
					for _, h := range hosts() {
						room, ok := place.Survey(v, h)
						if ok && live(h.Agents[0]) && room.Taken.VCPUs+r.VCPUs <= room.Total.VCPUs && room.Taken.Memory+r.Memory <= room.Total.Memory {
							t.Fatalf("host %s has room (%s) but: %v", h.Name, room, err)
						}
					}
					return
				}
				h, _ := model.Find[*model.Kaktus](v, got)
				if !live(h.Agents[0]) || h.Caps.Threads == 0 {
					t.Fatalf("placed on %s, which is not there", h.Name)
				}
				m := &model.Instance{Meta: meta(next), Project: r.Project, Zone: r.Zone, Kaktus: got, VCPUs: r.VCPUs, Memory: r.Memory}
				put(t, v, m)
				board.Sync(v, model.KindInstance, m.ID)
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
				board.Sync(v, model.KindInstance, m.ID)
			},
			"delete": func(t *rapid.T) {
				if all := machines(); len(all) > 0 {
					m := rapid.SampledFrom(all).Draw(t, "machine")
					if err := v.Delete(model.KindInstance, m.ID); err != nil {
						t.Fatalf("delete: %v", err)
					}
					board.Sync(v, model.KindInstance, m.ID)
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
		board := place.NewBoard(v)
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
			board.Sync(v, model.KindInstance, m.ID)
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

// BenchmarkBoard is a decision, its machine written and the board told, 5,000 hosts in one zone.
func BenchmarkBoard(b *testing.B) {
	for _, machines := range []int{0, 25_000, 50_000} {
		b.Run(fmt.Sprintf("hosts=5000/machines=%d", machines), func(b *testing.B) {
			v := fleet(b, 5000, machines)
			board := place.NewBoard(v)
			n := 0
			for b.Loop() {
				r := place.Request{Shape: ask(2, 4*gib), Zone: id(zone), Project: id(1000 + n%1000)}
				got, err := board.Choose(v, everyone, r, nil)
				if err != nil {
					b.Fatal(err)
				}
				m := &model.Instance{Meta: meta(2_000_000), Project: r.Project, Zone: r.Zone, Kaktus: got, VCPUs: 2, Memory: 4 * gib}
				put(b, v, m)
				board.Sync(v, model.KindInstance, m.ID)
				n++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
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
