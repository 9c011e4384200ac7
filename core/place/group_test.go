package place_test

import (
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

const group = 40

// member is a machine of the group.
func member(n, on int) *model.Instance {
	m := machine(n, on, 1, gib)
	m.Kwarantine = id(group)
	return m
}

// No two members come to one host, however much better it is; where all hosts have one, the refusal says
// that this is why.
func TestMembersAreOnHostsOfTheirOwn(t *testing.T) {
	v := world(t)
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartByHost})
	host(t, v, 101)
	host(t, v, 102, func(h *model.Kaktus) { h.CPUCost.Price = 100 })
	put(t, v, member(200, 101))
	r := place.Request{Shape: ask(1, gib), Zone: id(zone), Project: id(shop), Kwarantine: id(group)}
	got, tr, err := both(t, v, everyone, r)
	if err != nil || got != id(102) {
		t.Fatalf("got %s, %v, want host 102\n%s", got, err, tr)
	}
	if facts := tr.About(id(101)); len(facts) != 1 || !strings.Contains(facts[0].Value, "with a machine of the same kwarantine") {
		t.Errorf("why not 101: %v", facts)
	}
	put(t, v, member(201, 102))
	if _, _, err = both(t, v, everyone, r); !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), `kwarantine "object40"`) || !strings.Contains(err.Error(), "2 with a machine of the same kwarantine") {
		t.Errorf("all hosts have a member: %v", err)
	}
	// A member that is decided on anew is not in its own way.
	r.Self = id(200)
	if got, err := place.Choose(v, everyone, r, nil); err != nil || got != id(101) {
		t.Errorf("of its own: %s, %v", got, err)
	}
	r.Self, r.Kwarantine = "", ""
	if got, _, err := both(t, v, everyone, r); err != nil || got != id(101) {
		t.Errorf("who is not in the group: %s, %v", got, err)
	}
	r.Kwarantine = id(999)
	if _, _, err := both(t, v, everyone, r); !fault.Is(err, fault.NotFound) {
		t.Errorf("a group that is not there: %v", err)
	}
}

// A group that is apart by zone has one member in each.
func TestMembersAreInZonesOfTheirOwn(t *testing.T) {
	v := world(t)
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartByZone})
	host(t, v, 101)
	host(t, v, 102)
	host(t, v, 103, func(h *model.Kaktus) { h.Zone = id(empty) })
	put(t, v, member(200, 101))
	r := place.Request{Shape: ask(1, gib), Zone: id(zone), Project: id(shop), Kwarantine: id(group)}
	_, _, err := both(t, v, everyone, r)
	if !fault.Is(err, fault.Conflict) || fault.From(err).Field != "kwarantine" || !strings.Contains(err.Error(), `zone "eu-a" has 1 of kwarantine "object40", which has one machine a zone; choose zone "eu-b"`) {
		t.Errorf("a second one in the zone: %v", err)
	}
	r.Zone = id(empty)
	if got, _, err := both(t, v, everyone, r); err != nil || got != id(103) {
		t.Errorf("the first one in another zone: %s, %v", got, err)
	}
	other := member(201, 103)
	other.Zone = id(empty)
	put(t, v, other)
	if _, _, err := both(t, v, everyone, r); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "no zone of the region can have another") {
		t.Errorf("all zones have one: %v", err)
	}
}

// A group that is spread may have more members than there are zones: each goes to one of those that have
// the fewest, whatever is cheaper. Zones without a host hold nobody up.
func TestMembersAreSpreadOverZones(t *testing.T) {
	v := world(t)
	put(t, v, &model.Kwarantine{Meta: meta(group), Project: id(shop), Policy: model.ApartEvenly},
		&model.Zone{Meta: meta(12), Region: id(region)}, &model.Zone{Meta: meta(13), Region: id(abroad)})
	host(t, v, 101)
	host(t, v, 103, func(h *model.Kaktus) { h.Zone = id(empty) })
	host(t, v, 104, func(h *model.Kaktus) { h.Zone = id(13) })
	r := place.Request{Shape: ask(1, gib), Project: id(shop), Kwarantine: id(group)}
	for n, want := range []struct {
		zone    int
		refused string
	}{{zone, ""}, {zone, `zone "eu-a" has 1 of kwarantine "object40", which is spread evenly over the zones of the region; choose zone "eu-b"`},
		{empty, ""}, {empty, ""}, {empty, `choose zone "eu-a"`}, {zone, ""}, {zone, ""}, {zone, `choose zone "eu-b"`}, {13, ""}, {13, ""}} {
		r.Zone = id(want.zone)
		got, _, err := both(t, v, everyone, r)
		if (err == nil) != (want.refused == "") || err != nil && !strings.Contains(err.Error(), want.refused) {
			t.Fatalf("step %d: %v, want %q", n, err, want.refused)
		}
		if err == nil {
			m := member(200+n, 101)
			m.Zone, m.Kaktus = r.Zone, got
			put(t, v, m)
		}
	}
}

// A host in maintenance gets nothing new; what is on it may still be reshaped.
func TestMaintenance(t *testing.T) {
	v := world(t)
	rest := func(h *model.Kaktus) { h.Maintenance = true }
	host(t, v, 101, rest)
	host(t, v, 102, func(h *model.Kaktus) { h.CPUCost.Price = 100 })
	mine := machine(200, 101, 1, gib)
	put(t, v, mine)
	r := place.Request{Shape: ask(1, gib), Zone: id(zone)}
	if got, tr, err := both(t, v, everyone, r); err != nil || got != id(102) || !strings.Contains(tr.About(id(101))[0].Value, "in maintenance") {
		t.Errorf("got %s, %v\n%s", got, err, tr)
	}
	if err := place.Fits(v, everyone, mine, ask(2, 2*gib), nil); err != nil {
		t.Errorf("a machine that is there: %v", err)
	}
	host(t, v, 102, rest)
	if _, _, err := both(t, v, everyone, r); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "2 in maintenance") {
		t.Errorf("all hosts rest: %v", err)
	}
}

// The nodes of gateways and load balancers take room like machines.
func TestNodesTakeRoom(t *testing.T) {
	v := world(t)
	h := host(t, v, 101)
	put(t, v, &model.Node{Meta: meta(300), Project: id(shop), Zone: id(zone), Kaktus: id(101), Shape: ask(1, gib)})
	if room, _ := place.Survey(v, h); room.Taken != ask(1, gib) {
		t.Errorf("the survey has %+v", room.Taken)
	}
	r := place.Request{Shape: ask(12, gib), Zone: id(zone)}
	if _, _, err := both(t, v, everyone, r); !fault.Is(err, fault.Exhausted) {
		t.Errorf("the last processor was given twice: %v", err)
	}
	if err := place.Fits(v, everyone, machine(200, 101, 1, gib), ask(12, gib), &trace.Trace{}); !fault.Is(err, fault.Exhausted) {
		t.Errorf("growing onto it: %v", err)
	}
	r.VCPUs = 11
	if got, _, err := both(t, v, everyone, r); err != nil || got != id(101) {
		t.Errorf("what is left: %s, %v", got, err)
	}
}
