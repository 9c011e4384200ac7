package kahuna

import (
	"bytes"
	"net/http"
	"path/filepath"
	"testing"

	"kowabunga/core/nodes"
)

// A write that the other Kahuna may have, and that the store of this one gives up by itself, has an unknown outcome:
// whoever asked repeats it only where that does no harm. It does not pass for one that was refused, nor, to a page of
// the other one, for no answer at all.
func TestGivenUpByTheStore(t *testing.T) {
	first, second := port(t), port(t)
	toA, toB := newCable(t, first), newCable(t, second)
	a := start(t, t.TempDir(), apart, func(c *Config) { c.Listen, c.PairURL = first, toA.url() })
	start(t, t.TempDir(), apart, func(c *Config) {
		c.Listen, c.PairURL, c.StandbyOf, c.PairKeyFile = second, toB.url(), toA.url(), filepath.Join(a.s.cfg.secrets(), "pair-key")
	})
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	toA.sever()
	toB.sever()
	s, answered := a.s.store.Present(), make(chan *http.Response, 1)
	before := s.End().Index
	go func() {
		answer, _ := a.send("POST", "/api/v2/regions", a.key, `{"name":"lost","domain":"lost.example"}`, "Origin", toB.url())
		answered <- answer
	}()
	a.until("the write is in the file and waits for the other Kahuna", func() bool {
		records, err := s.Tail(before+1, s.End().Index, 1<<20)
		return err == nil && bytes.Contains(bytes.Join(records, nil), []byte("lost.example"))
	})
	s.Halt(nil) // as it does itself when another record finds no room
	answer := <-answered
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get(nodes.OutcomeHeader) != nodes.Unknown {
		t.Errorf("%s, outcome %q", answer.Status, answer.Header.Get(nodes.OutcomeHeader))
	}
	if page := answer.Header.Get("Access-Control-Allow-Origin"); page != toB.url() {
		t.Errorf("a page of the other Kahuna cannot read that: it is for %q", page)
	}
}
