package kahuna

import (
	"slices"

	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// Candidate is an agent as it may be a witness.
type Candidate struct {
	Agent     string   `json:"agent"`
	Name      string   `json:"name"`
	Witness   bool     `json:"witness"`
	Connected bool     `json:"connected"` // to this Kahuna
	Why       []string `json:"why"`       // why it is none
}

// candidates lists all agents, with why each is no witness. It is as this node sees them.
func (s *Server) candidates() []Candidate {
	out := []Candidate{}
	view, live := s.store.View(), s.fleet.Live()
	var r *lease.Record
	if s.pair != nil {
		r = s.pair.driver.Status().Record
	}
	may := map[string]lease.Candidate{}
	if s.pair != nil {
		for _, c := range s.eligible() {
			may[c.Agent] = c
		}
	}
	witnesses := r.All()
	for a := range model.All[*model.Agent](view) {
		m, known := live.Get(string(a.ID))
		one := Candidate{Agent: string(a.ID), Name: a.Name, Connected: known && m.Connected, Why: []string{}}
		one.Witness = slices.ContainsFunc(witnesses, func(w lease.Witness) bool { return w.Agent == one.Agent })
		c, listed := may[one.Agent]
		why := func(is bool, text string) {
			if is {
				one.Why = append(one.Why, text)
			}
		}
		if !one.Witness {
			why(!one.Connected, "not connected to this Kahuna")
			why(one.Connected && !m.Leased, "of a release that cannot be one")
			why(one.Connected && m.Leased && !m.Hello.Durable, "keeps nothing on a durable disk (state directory)")
			why(listed && c.Beside, "on the host of a Kahuna")
			why(one.Connected && m.Leased && !c.Ready && c.Durable, "not admitted yet")
			why(len(one.Why) == 0, "others are chosen: an odd number, one on a host, no zone with a majority where possible")
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Candidate) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return out
}
