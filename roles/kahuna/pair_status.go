package kahuna

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// PairStatus is this Kahuna as a node of a pair, and what it knows of the others.
type PairStatus struct {
	Role       string          `json:"role"`            // "primary", "standby", "candidate", "restored"
	Phase      string          `json:"phase,omitempty"` // how far that is
	Epoch      lease.Epoch     `json:"epoch"`
	Mode       lease.Mode      `json:"mode,omitempty"`
	Primary    string          `json:"primary,omitempty"` // address of the one that acts, as far as this one knows
	Published  uint64          `json:"published"`         // index of the last record that everybody may see
	End        uint64          `json:"end"`               // index of the last record in the journal
	Behind     uint64          `json:"behind"`            // of one that follows: records published at the primary and not here
	Silent     string          `json:"silent,omitempty"`  // of one that follows: since the primary was heard
	Right      bool            `json:"right"`             // may act
	RightUntil time.Time       `json:"rightUntil,omitzero"`
	Alone      bool            `json:"alone"` // its right needs nobody and does not end
	Nodes      []NodeStatus    `json:"nodes"`
	Witnesses  []WitnessStatus `json:"witnesses"`
	TakeOver   []string        `json:"takeOver"` // why the one that does not act could not take over by itself, in words; empty when it could
	Missing    []string        `json:"missing"`  // of one that tried to take over: what it waits for, in words
	Pending    []string        `json:"pending"`  // changes of the sync set, the witnesses and so on that are not agreed on yet
	Lost       bool            `json:"lost"`     // records may be lost, and not all agents reported since
	Notes      []Noted         `json:"notes"`    // what happened lately, the newest last
}

// NodeStatus is a Kahuna in a PairStatus.
type NodeStatus struct {
	ID        lease.NodeID `json:"id"`
	Address   string       `json:"address"`
	Self      bool         `json:"self"`
	Named     bool         `json:"named"` // one of the two; any other only follows
	Acts      bool         `json:"acts"`
	InSync    bool         `json:"inSync"` // has every acknowledged write
	Connected bool         `json:"connected"`
	Acked     uint64       `json:"acked,omitempty"`  // as the primary knows: index of the last record on its disk
	Lag       uint64       `json:"lag"`              // as the primary knows: published records it has not
	Silent    string       `json:"silent,omitempty"` // as the primary knows: since it was heard
}

// WitnessStatus is an agent in a PairStatus.
type WitnessStatus struct {
	Agent     string `json:"agent"`
	Name      string `json:"name"`
	Connected bool   `json:"connected"` // to this Kahuna
	Change    string `json:"change,omitempty"`
}

// pairStatus is nil in a restored copy.
func (s *Server) pairStatus() *PairStatus {
	if s.pair == nil {
		return nil
	}
	st, right := s.pair.driver.Status(), s.pair.driver.Right()
	out := &PairStatus{Role: st.Role, Phase: st.Phase, Epoch: st.Epoch, Primary: s.addressOf(st, st.Primary), Published: st.Published.Index, End: st.End.Index, Behind: st.Behind,
		Right: right, Alone: right && st.Sole, Nodes: []NodeStatus{}, Witnesses: s.witnessStatus(st.Record), Missing: []string{}, Pending: []string{}, TakeOver: []string{}, Lost: holding.Lost(s.store.View()), Notes: s.notes.list()}
	if right && !st.Sole {
		out.RightUntil = time.Now().Add(st.RightFor).UTC().Truncate(time.Millisecond)
	}
	if st.Role != "primary" {
		out.Silent = st.Silent.Round(100 * time.Millisecond).String()
	}
	if st.Record != nil {
		out.Mode = st.Record.Mode
	}
	out.Nodes = s.nodeStatus(st, right)
	words := s.words(st)
	for _, m := range st.Missing {
		out.Missing = append(out.Missing, words.Replace(m))
	}
	for _, r := range st.Pending {
		out.Pending = append(out.Pending, s.describe(r))
	}
	for i := range out.Notes {
		out.Notes[i].Detail = words.Replace(out.Notes[i].Detail)
	}
	out.TakeOver = s.hinders(st, out.Witnesses)
	return out
}

// nodeStatus lists the two nodes and those that only follow: this one first.
func (s *Server) nodeStatus(st lease.Status, right bool) []NodeStatus {
	self := s.pair.driver.State()
	me := NodeStatus{ID: self.Node, Address: s.pair.self.Address, Self: true, Acts: right, InSync: st.Record.InSync(self.Log), Connected: true, Acked: st.End.Index}
	_, me.Named = st.Record.Node(self.Node)
	out := []NodeStatus{me}
	for _, n := range s.known(st) {
		one := NodeStatus{ID: n.ID, Address: n.Address, Acts: !right && st.Primary == n.ID, Connected: s.pair.transport.Reaches(n.ID)}
		_, one.Named = st.Record.Node(n.ID)
		for _, p := range st.Peers {
			if p.Node == n.ID {
				one.InSync, one.Acked, one.Silent = p.InSync, p.Acked, p.Silent.Round(100*time.Millisecond).String()
				one.Lag = st.Published.Index - min(st.Published.Index, p.Acked)
			}
		}
		if st.Role != "primary" && one.Named { // logs have no names here: whatever is in sync and is not this one's is the other's
			one.InSync = slices.ContainsFunc(st.Record.Sync, func(l lease.LogID) bool { return l != self.Log })
		}
		out = append(out, one)
	}
	return out
}

// known are the other nodes that this one knows of: of the record, that follow, that are connected.
func (s *Server) known(st lease.Status) []lease.Node {
	var out []lease.Node
	add := func(n lease.Node) {
		if n.ID != s.pair.self.ID && n.ID != "" && !slices.ContainsFunc(out, func(o lease.Node) bool { return o.ID == n.ID }) {
			out = append(out, n)
		}
	}
	if st.Record != nil {
		for _, n := range st.Record.Nodes {
			add(n)
		}
	}
	for _, p := range st.Peers {
		add(p.As)
	}
	for _, n := range s.pair.transport.Nodes() {
		if n.Address != "" { // without one it is a standby that is being made
			add(n)
		}
	}
	return out
}

func (s *Server) addressOf(st lease.Status, id lease.NodeID) string {
	if id == s.pair.self.ID {
		return s.pair.self.Address
	}
	for _, n := range s.known(st) {
		if n.ID == id {
			return n.Address
		}
	}
	return ""
}

// agentName is the name of an agent, its id where it has none.
func (s *Server) agentName(id string) string {
	if a, ok := model.Find[*model.Agent](s.store.View(), model.ID(id)); ok {
		return a.Name
	}
	return id
}

func (s *Server) witnessStatus(r *lease.Record) []WitnessStatus {
	out, live := []WitnessStatus{}, s.fleet.Live()
	for _, w := range r.All() {
		m, ok := live.Get(w.Agent)
		one := WitnessStatus{Agent: w.Agent, Name: s.agentName(w.Agent), Connected: ok && m.Connected && m.Leased && m.Hello.Identity == w.Identity}
		if n := len(r.Witnesses); n > 1 {
			switch old, next := slices.Contains(r.Witnesses[0], w), slices.Contains(r.Witnesses[n-1], w); {
			case old && !next:
				one.Change = "leaves"
			case next && !old:
				one.Change = "joins"
			}
		}
		out = append(out, one)
	}
	return out
}

// words puts names and addresses in the place of ids.
func (s *Server) words(st lease.Status) *strings.Replacer {
	var pairs []string
	name := func(n lease.Node) {
		if n.Address == "" {
			return
		}
		pairs = append(pairs, "node "+string(n.ID), n.Address, fmt.Sprintf("node %.8s", n.ID), n.Address, "@"+string(n.ID), fmt.Sprintf("@%.8s", n.ID))
	}
	name(s.pair.self)
	for _, n := range s.known(st) {
		name(n)
	}
	for _, w := range st.Record.All() {
		pairs = append(pairs, fmt.Sprintf("witness %.24s", w.Agent), "agent "+s.agentName(w.Agent))
	}
	return strings.NewReplacer(pairs...)
}

// describe says what a record states.
func (s *Server) describe(r *lease.Record) string {
	names := []string{}
	for _, n := range r.Nodes {
		names = append(names, n.Address)
	}
	text := fmt.Sprintf("nodes %s; %s in the sync set; mode %s", strings.Join(names, ", "), count(len(r.Sync), "journal"), r.Mode)
	if sets := len(r.Witnesses); sets > 0 {
		text += fmt.Sprintf("; witnesses: %d", len(r.Witnesses[sets-1]))
	}
	return text
}

// hinders tells why the node that does not act could not take over now if the one that acts went away. It
// judges by the agents that are connected to this node.
func (s *Server) hinders(st lease.Status, witnesses []WitnessStatus) []string {
	out := []string{}
	r := st.Record
	switch {
	case st.Role == "restored":
		return append(out, "this node commands nobody until a person promotes it: what it promised is lost")
	case r == nil || len(r.Nodes) < 2:
		return append(out, "there is no second Kahuna")
	case r.Mode == lease.Async:
		out = append(out, "the mode is async: a person decides")
	case len(r.Sync) < 2:
		out = append(out, "one of the two is not in the sync set: it may lack acknowledged writes")
	}
	away := []string{}
	for _, w := range witnesses {
		if !w.Connected {
			away = append(away, w.Name)
		}
	}
	switch there := func(w lease.Witness) bool {
		return slices.ContainsFunc(witnesses, func(s WitnessStatus) bool { return s.Agent == w.Agent && s.Connected })
	}; {
	case len(r.Witnesses) == 0:
		out = append(out, "there are no witnesses: that needs an agent with a durable disk on a host without a Kahuna, better three")
	case !r.College(there):
		out = append(out, fmt.Sprintf("a majority of the witnesses is away: agents %s are not connected to this node", strings.Join(away, ", ")))
	}
	return out
}
