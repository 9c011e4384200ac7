package place_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
	"kowabunga/testdata/chance"
)

// What is foreseen comes true: that many machines are placed one after the other, the first where it was
// said, and then no more.
func TestForeseenComesTrue(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		v := world(t)
		put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: rapid.SampledFrom([]string{model.ApartByHost, model.ApartByZone, model.ApartEvenly}).Draw(t, "policy")})
		for n := range rapid.IntRange(0, 4).Draw(t, "hosts") {
			host(t, v, 100+n, func(h *model.Kaktus) {
				h.Caps.Threads = rapid.Int64Range(0, 4).Draw(t, "threads")
				h.Maintenance = rapid.IntRange(0, 4).Draw(t, "maintenance") == 0
			})
			if rapid.Bool().Draw(t, "used") {
				put(t, v, machine(200+n, 100+n, 1, gib))
			}
		}
		r := place.Request{Shape: ask(rapid.Int64Range(1, 4).Draw(t, "vcpus"), rapid.Int64Range(1, 9).Draw(t, "memory")*gib), Zone: id(zone), Project: id(shop)}
		if rapid.Bool().Draw(t, "apart") {
			r.Kwarantine = id(group)
		}
		if rapid.Bool().Draw(t, "other zone") {
			host(t, v, 110, func(h *model.Kaktus) { h.Zone = id(empty) })
			for n := range rapid.IntRange(0, 3).Draw(t, "members there") {
				m := member(300+n, 110)
				m.Zone = id(empty)
				put(t, v, m)
			}
		}
		seen, err := place.Foresee(v, everyone, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		placed := int64(0)
		for {
			got, err := place.Choose(v, everyone, r, nil)
			if placed == 0 && (got != seen.Host || fmt.Sprint(err) != fmt.Sprint(seen.Refused)) {
				t.Fatalf("foreseen %s, %v; chosen %s, %v", seen.Host, seen.Refused, got, err)
			}
			if err != nil {
				break
			}
			put(t, v, &model.Instance{Meta: meta(1000 + int(placed)), Project: r.Project, Zone: r.Zone, Kaktus: got, VCPUs: r.VCPUs, Memory: r.Memory, Kwarantine: r.Kwarantine})
			placed++
		}
		if placed != seen.Fits {
			t.Fatalf("%d machines were foreseen, %d placed", seen.Fits, placed)
		}
	})
}

func TestForesee(t *testing.T) {
	v := world(t)
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartByZone})
	host(t, v, 101)
	host(t, v, 102)
	host(t, v, 103)
	put(t, v, member(200, 101), machine(201, 102, 12, gib))
	tr := &trace.Trace{Detail: true}
	out, err := place.Foresee(v, without(103), place.Request{Shape: ask(3, gib), Zone: id(zone), Project: id(shop)}, tr)
	if got := fmt.Sprint(out.Host == id(101), out.Fits, out.Reasons, out.Refused); err != nil || got != "true 3 [1 offline 1 short of CPUs] <nil>" {
		t.Errorf("%s, %v\n%s", got, err, tr)
	}
	out, err = place.Foresee(v, everyone, place.Request{Shape: ask(1, gib), Zone: id(zone), Kwarantine: id(group)}, nil)
	if err != nil || out.Fits != 0 || out.Host != "" || !fault.Is(out.Refused, fault.Conflict) {
		t.Errorf("a zone that has its member: %+v, %v", out, err)
	}
	host(t, v, 104, func(h *model.Kaktus) {
		h.Caps, h.OvercommitCPU = model.Caps{Threads: math.MaxInt64, Memory: math.MaxInt64}, math.MaxInt64
	})
	if out, _ = place.Foresee(v, everyone, place.Request{Shape: ask(1, 1), Zone: id(zone)}, nil); out.Fits < math.MaxInt64/2 {
		t.Errorf("an absurd host: %+v", out)
	}
	if _, err = place.Foresee(v, everyone, place.Request{Shape: ask(0, gib), Zone: id(zone)}, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("nothing asked for: %v", err)
	}
}

// Who joins a group later may be together with a member; it shows.
func TestTogether(t *testing.T) {
	v := world(t)
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartByHost})
	host(t, v, 101)
	host(t, v, 102)
	put(t, v, member(200, 101), member(201, 101), member(202, 102), machine(203, 101, 1, gib))
	for n, want := range map[int]int64{200: 1, 201: 1, 202: 0, 203: 0} {
		m, _ := model.Find[*model.Instance](v, id(n))
		if g, others := place.Together(v, m); others != want || (g == nil) != (n == 203) {
			t.Errorf("machine %d: %v, %d others, want %d", n, g, others, want)
		}
	}
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartByZone})
	m, _ := model.Find[*model.Instance](v, id(202))
	if _, others := place.Together(v, m); others != 2 {
		t.Errorf("apart by zone: %d others, want 2", others)
	}
	host(t, v, 103, func(h *model.Kaktus) { h.Zone = id(empty) })
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartEvenly})
	if _, others := place.Together(v, m); others != 2 { // one may be there beside none in the other zone
		t.Errorf("spread: %d too many, want 2", others)
	}
}
