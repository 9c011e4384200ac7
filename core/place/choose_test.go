package place_test

import (
	"math"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// both decides by Choose and by a Board and holds that they agree, in the trace as well.
func both(t *testing.T, v model.View, live func(model.ID) bool, r place.Request) (model.ID, *trace.Trace, error) {
	t.Helper()
	tr, boardTrace := &trace.Trace{Detail: true}, &trace.Trace{Detail: true}
	got, err := place.Choose(v, live, r, tr)
	same, boardErr := new(place.Board).Choose(v, live, r, boardTrace)
	if got != same || (err == nil) != (boardErr == nil) || err != nil && err.Error() != boardErr.Error() || tr.String() != boardTrace.String() {
		t.Fatalf("Choose: %s, %v\n%s\nBoard: %s, %v\n%s", got, err, tr, same, boardErr, boardTrace)
	}
	return got, tr, err
}

func TestOrderOfPreference(t *testing.T) {
	cpuPrice := func(p float64, currency string) func(*model.Kaktus) {
		return func(h *model.Kaktus) { h.CPUCost = model.Cost{Price: p, Currency: currency} }
	}
	cases := []struct {
		name  string
		build func(v model.Draft)
		want  int
	}{
		{"lowest id among equals", func(v model.Draft) {
			for _, n := range []int{103, 101, 102} {
				host(t, v, n)
			}
		}, 101},
		{"price before spread and balance", func(v model.Draft) {
			host(t, v, 101, cpuPrice(12, "EUR"))
			host(t, v, 102, cpuPrice(9, "EUR"))
			put(t, v, machine(200, 102, 6, 8*gib))
		}, 102},
		{"a larger host of the same price per CPU is no cheaper", func(v model.Draft) {
			host(t, v, 101, cpuPrice(10, "EUR"))
			host(t, v, 102, cpuPrice(70, "EUR"), func(h *model.Kaktus) { h.Caps.Threads = 28 })
			put(t, v, machine(200, 102, 1, gib))
		}, 101},
		{"prices of unlike currencies are not compared", func(v model.Draft) {
			host(t, v, 101, cpuPrice(1200, "JPY"))
			host(t, v, 102, cpuPrice(9, "EUR"))
			put(t, v, machine(200, 102, 1, gib))
		}, 101},
		{"prices that are no numbers count as none", func(v model.Draft) {
			host(t, v, 101, cpuPrice(1, "EUR"))
			host(t, v, 102, cpuPrice(math.NaN(), "EUR"))
			host(t, v, 103, cpuPrice(math.Inf(1), "EUR"))
			put(t, v, machine(200, 102, 1, gib))
		}, 103},
		{"spread before balance", func(v model.Draft) {
			host(t, v, 101)
			host(t, v, 102)
			foreign := machine(201, 102, 8, 8*gib)
			foreign.Project = id(other)
			put(t, v, machine(200, 101, 1, gib), foreign)
		}, 102},
		{"balance of the scarcer of CPUs and memory", func(v model.Draft) {
			host(t, v, 101)
			host(t, v, 102)
			// 101 is half full of CPUs, 102 a little less than half full of memory.
			put(t, v, machine(200, 101, 6, gib), machine(201, 102, 1, 7*gib))
		}, 102},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := world(t)
			c.build(v)
			got, tr, err := both(t, v, everyone, place.Request{Shape: ask(1, gib), Zone: id(zone), Project: id(shop)})
			if err != nil || got != id(c.want) {
				t.Errorf("got %s, %v, want host %d\n%s", got, err, c.want, tr)
			}
		})
	}
}

// Fault 5.1: hosts were avoided for machines of similar names, whoever's, and a tie went to whatever came
// first. Names play no part, and neither does the order in which hosts were added.
func Test51NamesAndOrderPlayNoPart(t *testing.T) {
	choose := func(hosts []int, names ...string) model.ID {
		v := world(t)
		for _, n := range hosts {
			host(t, v, n)
		}
		for i, name := range names {
			m := machine(200+i, 101, 1, gib)
			m.Name, m.Project = name, id(other)
			put(t, v, m)
		}
		put(t, v, machine(300, 102, 2, 2*gib))
		got, _, err := both(t, v, everyone, place.Request{Shape: ask(1, gib), Zone: id(zone), Project: id(shop)})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, hosts := range [][]int{{101, 102}, {102, 101}} {
		for _, names := range [][]string{{"web-1", "web-2"}, {"web-1", "unlike"}, {"", "x"}} {
			if got := choose(hosts, names...); got != id(101) {
				t.Errorf("hosts added as %v, machines named %v: %s", hosts, names, got)
			}
		}
	}
}

func TestWhyNot(t *testing.T) {
	v := world(t)
	host(t, v, 101)
	host(t, v, 102)
	host(t, v, 103, func(h *model.Kaktus) { h.Caps = model.Caps{} })
	host(t, v, 104, func(h *model.Kaktus) { h.Agents = nil })
	host(t, v, 105, func(h *model.Kaktus) { h.Phase = model.Deleting })
	host(t, v, 106)
	host(t, v, 107, func(h *model.Kaktus) { h.Caps.Memory = 2 * gib })
	host(t, v, 108)
	host(t, v, 109)
	// What is being created, deleted or resized takes room like everything else.
	leaving, coming, growing := machine(201, 101, 9, gib), machine(202, 108, 1, 15*gib), machine(203, 109, 1, gib)
	leaving.Phase, coming.Phase = model.Deleting, model.Creating
	growing.Phase, growing.Reserved = model.Updating, ask(10, 15*gib)
	put(t, v, leaving, coming, growing)

	r := place.Request{Shape: ask(4, 4*gib), Zone: id(zone), Exclude: []model.ID{id(106)}}
	_, tr, err := both(t, v, without(102), r)
	if !fault.Is(err, fault.Exhausted) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{`no host of zone "eu-a" can take 4 CPUs and 4 GiB: `, "1 offline", "1 short of CPUs,", "1 short of memory", "1 short of CPUs and memory", "1 excluded"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	for n, want := range map[int]string{101: "short of CPUs; 9 of 12 CPUs and 1 GiB of 16 GiB taken", 102: "offline", 103: "unknown size", 104: "without an agent",
		105: "being added or removed", 106: "excluded", 107: "less memory than the machine", 108: "short of memory", 109: "short of CPUs and memory"} {
		facts := tr.About(id(n))
		if len(facts) != 1 || facts[0].Verdict != trace.Refused || !strings.Contains(facts[0].Value, want) {
			t.Errorf("host %d: %v, want refused: %s", n, facts, want)
		}
	}
	// The one that was offline is back.
	if got, tr, err := both(t, v, everyone, r); err != nil || got != id(102) {
		t.Errorf("got %s, %v\n%s", got, err, tr)
	}
}

func TestNoHostNow(t *testing.T) {
	v := world(t)
	_, _, err := both(t, v, everyone, place.Request{Shape: ask(1, gib), Zone: id(empty)})
	if !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), "has no host") {
		t.Errorf("an empty zone: %v", err)
	}
	host(t, v, 101)
	host(t, v, 102, func(h *model.Kaktus) { h.Caps = model.Caps{} })
	_, _, err = both(t, v, without(101), place.Request{Shape: ask(1, gib), Zone: id(zone)})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("hosts that may come back: %v", err)
	}
	for _, c := range []struct {
		r    place.Request
		code fault.Code
	}{
		{place.Request{Shape: ask(0, gib), Zone: id(zone)}, fault.Invalid},
		{place.Request{Shape: ask(1, 0), Zone: id(zone)}, fault.Invalid},
		{place.Request{Shape: ask(1, gib), Zone: id(999)}, fault.NotFound},
		{place.Request{Shape: ask(1, gib), Zone: id(zone), Pools: []model.ID{id(999)}}, fault.NotFound},
		{place.Request{Shape: ask(math.MaxInt64, math.MaxInt64), Zone: id(zone)}, fault.Exhausted},
	} {
		if _, _, err := both(t, v, everyone, c.r); !fault.Is(err, c.code) {
			t.Errorf("%+v: %v, want %s", c.r, err, c.code)
		}
	}
}

func TestDisksAreWhereTheAgentsOfTheirPoolAre(t *testing.T) {
	v := world(t)
	host(t, v, 101)
	// Host 102 has two agents; only the second serves the pool.
	host(t, v, 102, func(h *model.Kaktus) { h.Agents = append(h.Agents, id(agents+902)) })
	host(t, v, 103)
	put(t, v, &model.Pool{Meta: meta(30), Region: id(region), Pool: "dir:fast", Agents: []model.ID{id(agents + 902), id(agents + 103)}},
		&model.Pool{Meta: meta(31), Region: id(region), Pool: "ceph", Agents: []model.ID{id(agents + 103)}},
		&model.Pool{Meta: meta(32), Region: id(abroad), Pool: "ceph"},
		&model.Pool{Meta: meta(33), Region: id(region), Pool: "dir:slow", Agents: []model.ID{id(agents + 101), id(agents + 103)}})
	for _, c := range []struct {
		name  string
		pools []model.ID
		live  func(model.ID) bool
		want  int
	}{
		{"local", []model.ID{id(30)}, everyone, 102},
		{"the pool's agent is offline, the host's other is not", []model.ID{id(30)}, without(902), 103},
		{"the host's other agent is offline", []model.ID{id(30)}, without(102), 102},
		{"shared", []model.ID{id(31)}, everyone, 101},
		{"two local pools", []model.ID{id(30), id(33)}, everyone, 103},
	} {
		if got, tr, err := both(t, v, c.live, place.Request{Shape: ask(1, gib), Zone: id(zone), Pools: c.pools}); err != nil || got != id(c.want) {
			t.Errorf("%s: got %s, %v, want host %d\n%s", c.name, got, err, c.want, tr)
		}
	}
	_, tr, err := both(t, v, without(902, 103), place.Request{Shape: ask(1, gib), Zone: id(zone), Pools: []model.ID{id(30)}})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(tr.String(), "object101: without access to the pool") {
		t.Errorf("got %v\n%s", err, tr)
	}
	if _, _, err := both(t, v, everyone, place.Request{Shape: ask(1, gib), Zone: id(zone), Pools: []model.ID{id(32)}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a pool of another region: %v", err)
	}
}

func TestExplain(t *testing.T) {
	v := world(t)
	host(t, v, 101, func(h *model.Kaktus) { h.CPUCost = model.Cost{Price: 24} })
	host(t, v, 102)
	host(t, v, 103)
	put(t, v, machine(200, 103, 3, 4*gib))
	_, tr, err := both(t, v, everyone, place.Request{Shape: ask(2, 2*gib), Zone: id(zone), Project: id(shop)})
	want := `machine: 2 CPUs and 2 GiB in zone "eu-a" of 3 hosts
host ` + string(id(101)) + `: object101: price 4.00 a month, 0 machines of the project, 17% full with it [allowed]
host ` + string(id(103)) + `: object103: price 0.00 a month, 1 machines of the project, 42% full with it [allowed]
host ` + string(id(102)) + `: object102: price 0.00 a month, 0 machines of the project, 17% full with it [chosen]
room ` + string(id(102)) + `: 2 of 12 CPUs and 2 GiB of 16 GiB taken with it, held by its record from this commit on`
	if err != nil || tr.String() != want {
		t.Errorf("%v\n%s\nwant:\n%s", err, tr, want)
	}
	short := &trace.Trace{}
	if _, err := place.Choose(v, everyone, place.Request{Shape: ask(2, 2*gib), Zone: id(zone)}, short); err != nil || len(short.Facts) != 3 {
		t.Errorf("%v, a short trace has the machine, the host and its room:\n%s", err, short)
	}
}

func TestFits(t *testing.T) {
	v := world(t)
	host(t, v, 101)
	mine := machine(200, 101, 2, 2*gib)
	put(t, v, mine, machine(201, 101, 8, 10*gib))
	for _, c := range []struct {
		name string
		s    model.Shape
		live func(model.ID) bool
		code fault.Code
	}{
		{"the same", ask(2, 2*gib), everyone, ""},
		{"all that is left", ask(4, 6*gib), everyone, ""},
		{"a CPU more", ask(5, 6*gib), everyone, fault.Exhausted},
		{"a byte more", ask(4, 6*gib+1), everyone, fault.Exhausted},
		{"more than is there", ask(4, 9*gib), everyone, fault.Exhausted},
		{"out of range", ask(math.MaxInt64, math.MaxInt64), everyone, fault.Exhausted},
		{"more CPUs than fit a number", ask(math.MaxInt64, gib), everyone, fault.Exhausted},
		{"offline", ask(1, gib), without(101), fault.Unavailable},
		{"nothing", ask(0, gib), everyone, fault.Invalid},
	} {
		if err := place.Fits(v, c.live, mine, c.s, nil); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		}
	}
	// The host promised more than it may now; machines on it still shrink, and grow where room is.
	put(t, v, machine(202, 101, 50, gib))
	for _, c := range []struct {
		s    model.Shape
		code fault.Code
	}{{ask(1, gib), ""}, {ask(2, 5*gib), ""}, {ask(3, 2*gib), fault.Exhausted}} {
		if err := place.Fits(v, everyone, mine, c.s, nil); fault.CodeOf(err) != c.code {
			t.Errorf("%+v on a crowded host: %v, want %q", c.s, err, c.code)
		}
	}
}

func TestReserve(t *testing.T) {
	for memory, want := range map[int64]int64{0: 0, -5: 0, 2 * gib: 256 << 20, 4 * gib: 512 << 20, 512 * gib: 512 << 20} {
		if got := place.Reserve(memory); got != want {
			t.Errorf("a host of %d bytes keeps %d, want %d", memory, got, want)
		}
	}
	room, ok := place.Capacity(&model.Kaktus{OvercommitCPU: math.MaxInt64, OvercommitMemory: math.MaxInt64, Caps: model.Caps{Threads: 4, Memory: gib}})
	if !ok || room.Total != ask(math.MaxInt64, math.MaxInt64) {
		t.Errorf("absurd ratios give %+v", room)
	}
}
