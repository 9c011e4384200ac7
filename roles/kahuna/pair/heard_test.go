package pair

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
)

// A node of a release before or after this one is taken, one further away is refused with words that say
// what to do; either way it is known what it runs.
func TestNodesOfOtherReleases(t *testing.T) {
	key := link.NewPairKey()
	a := newSeat(t, "a", key)
	for version, taken := range map[int]bool{Version - 2: false, Version - 1: true, Version + 1: true, Version + 2: false} {
		p, err := link.DialPipe(t.Context(), link.PipeTarget{URL: a.url, Path: Path, Name: "b", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		var answer greeting
		err = writeJSON(t.Context(), p, greeting{Node: lease.Node{ID: "b"}, Release: "9.9.9", Version: version, For: forMessages})
		if err == nil {
			err = readJSON(t.Context(), p, &answer)
		}
		if err != nil || taken != (answer.Refused == "") || !taken && !strings.Contains(answer.Refused, "bring them to releases at most one apart") {
			t.Errorf("version %d to one of %d: %q, %v", version, Version, answer.Refused, err)
		}
		if h, ok := a.Heard("b"); !ok || h.Release != "9.9.9" || h.Version != version || h.Strange() == taken {
			t.Errorf("of one of version %d is known: %+v", version, h)
		}
		p.Close()
	}
}

func TestANodeThatRefusesIsKnown(t *testing.T) {
	key := link.NewPairKey()
	door := link.NewDoor(key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := door.Accept(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		defer p.Close()
		var peer greeting
		if readJSON(r.Context(), p, &peer) == nil {
			_ = writeJSON(r.Context(), p, greeting{Node: lease.Node{ID: "b"}, Release: "9.9.9", Version: Version + 2, Refused: "too old"})
		}
	}))
	defer server.Close()
	a := newSeat(t, "a", key)
	if _, _, err := a.dial(t.Context(), server.URL, forMessages); err == nil || !strings.Contains(err.Error(), "too old") {
		t.Errorf("the refusal does not arrive: %v", err)
	}
	if h, ok := a.Heard("b"); !ok || h.Release != "9.9.9" || !h.Strange() {
		t.Errorf("of the one that refused is known: %+v", h)
	}
	if _, ok := a.Heard("c"); ok {
		t.Error("something is known of one that was never heard")
	}
}
