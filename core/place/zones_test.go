package place_test

import (
	"slices"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// A gateway has one node in each zone; a zone without a host does not cost the others theirs, and gets
// its node once it has one.
func TestOneHostInEachZone(t *testing.T) {
	v := world(t)
	host(t, v, 101)
	host(t, v, 102)
	put(t, v, machine(200, 101, 2, gib))
	zones := []model.ID{id(empty), id(zone)}
	r := place.Request{Shape: ask(1, gib), Project: id(shop)}
	seats, err := place.PerZone(v, everyone, r, zones, nil)
	if want := []place.Seat{{Zone: id(zone), Host: id(102)}}; !slices.Equal(seats, want) || !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), `"eu-b" has no host`) {
		t.Errorf("a zone without hosts: %v, %v", seats, err)
	}
	host(t, v, 103, func(h *model.Kaktus) { h.Zone = id(empty) })
	tr := &trace.Trace{}
	want := []place.Seat{{Zone: id(empty), Host: id(103)}, {Zone: id(zone), Host: id(102)}}
	if seats, err = place.PerZone(v, everyone, r, zones, tr); err != nil || !slices.Equal(seats, want) {
		t.Errorf("%v, %v, want %v\n%s", seats, err, want, tr)
	}
	if same, err := new(place.Board).PerZone(v, everyone, r, zones, nil); err != nil || !slices.Equal(same, want) {
		t.Errorf("the board: %v, %v", same, err)
	}
	if seats, err = place.PerZone(v, without(102, 101, 103), r, zones, nil); len(seats) > 0 || !fault.Is(err, fault.Unavailable) ||
		!strings.Contains(err.Error(), "2 of 2 zones") || !strings.Contains(err.Error(), "1 offline") {
		t.Errorf("all hosts offline: %v, %v", seats, err)
	}
	if _, err = place.PerZone(v, everyone, place.Request{Shape: ask(0, gib)}, zones, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a request that no zone can mend: %v", err)
	}
}
