package kahuna

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"kowabunga/core/count"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/nodes"
	"kowabunga/roles/config"
)

// copied is what a restored copy that was not promoted is.
func (s *Server) copied() *nodes.Status {
	out, index := nodes.NewStatus(s.cfg.pairURL(), "copy"), s.store.View().Index()
	out.Epoch, out.Published, out.End = s.epoch().String(), index, index
	out.TakeOver = append(out.TakeOver, "this is a restored copy that was not promoted: it commands nobody")
	return out
}

// pairStatus is how this Kahuna stands as a node of a pair, and what it knows of the others.
func (s *Server) pairStatus() *nodes.Status {
	if s.pair == nil {
		return s.copied()
	}
	st, right := s.pair.driver.Status(), s.pair.driver.Right()
	out := nodes.NewStatus(s.pair.self.Address, st.Role)
	out.Phase, out.Epoch, out.Primary = st.Phase, st.Epoch.String(), s.addressOf(st, st.Primary)
	out.Published, out.End, out.Behind = st.Published.Index, st.End.Index, st.Behind
	out.Right, out.Alone, out.Lost = right, right && st.Sole, holding.Lost(s.store.View())
	out.Witnesses, out.Notes = s.witnessStatus(st), append(out.Notes, s.notes.list()...)
	if right && !st.Sole {
		out.RightUntil = time.Now().Add(st.RightFor).UTC().Truncate(time.Millisecond)
	}
	if st.Role != "primary" {
		out.Silent = seconds(st.Silent)
	}
	if st.Record != nil {
		out.Mode = string(st.Record.Mode)
	}
	out.Nodes, out.Releases = s.nodeStatus(st, right)
	words := s.words(st)
	if st.Lacks.Index > 0 {
		out.Missing = append(out.Missing, lacksText(st))
	}
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

// lacksText says what a node lacks that it had, and what a person can do.
func lacksText(st lease.Status) string {
	return fmt.Sprintf("records that this Kahuna had on its disk, up to record %d, as others know: its journal ends at record %d, so the disk is that of an earlier time, or lost writes. Give it the right disk back; or start the other Kahuna, if that has them; or give them up for good, if nobody has them: kowabunga kahuna promote --lose-after %d", st.Lacks.Index, st.End.Index, st.End.Index)
}

// nodeStatus lists the two nodes and those that only follow: this one first. far tells, in words, of those whose
// release is more than one from this one's.
func (s *Server) nodeStatus(st lease.Status, right bool) (all []nodes.NodeStatus, far []string) {
	self, mine := s.pair.driver.State(), config.Program().Version
	me := nodes.NodeStatus{ID: string(self.Node), Address: s.pair.self.Address, Self: true, Release: mine, Acts: right, InSync: st.Record.InSync(self.Log), Connected: true, Acked: st.End.Index}
	_, me.Named = st.Record.Node(self.Node)
	all, far = []nodes.NodeStatus{me}, []string{}
	for _, n := range s.known(st) {
		said, ever := s.pair.transport.Heard(n.ID)
		if text := farText(n.Address, said, mine); ever && text != "" {
			far = append(far, text)
		}
		one := nodes.NodeStatus{ID: string(n.ID), Address: n.Address, Release: said.Release, Acts: !right && st.Primary == n.ID, Connected: s.pair.transport.Reaches(n.ID)}
		_, one.Named = st.Record.Node(n.ID)
		for _, p := range st.Peers {
			if p.Node == n.ID {
				one.InSync, one.Acked, one.Heard, one.Silent = p.InSync, p.Acked, true, seconds(p.Silent)
				one.Lag = st.Published.Index - min(st.Published.Index, p.Acked)
			}
		}
		if st.Role != "primary" && one.Named { // logs have no names here: whatever is in sync and is not this one's is the other's
			one.InSync = slices.ContainsFunc(st.Record.Sync, func(l lease.LogID) bool { return l != self.Log })
		}
		all = append(all, one)
	}
	return all, far
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

// seconds are those of a duration, to a tenth.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }

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

func (s *Server) witnessStatus(st lease.Status) []nodes.WitnessStatus {
	r := st.Record
	out, live := []nodes.WitnessStatus{}, s.fleet.Live()
	for _, w := range r.All() {
		m, ok := live.Get(w.Agent)
		one := nodes.WitnessStatus{Agent: w.Agent, Name: s.agentName(w.Agent), Connected: ok && m.Connected && m.Leased && m.Hello.Identity == w.Identity}
		for _, told := range st.Told {
			if told.Witness == w {
				one.Knows = told.Published
			}
		}
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
	text := fmt.Sprintf("nodes %s; %s in the sync set; mode %s", strings.Join(names, ", "), count.Of(len(r.Sync), "journal"), r.Mode)
	if sets := len(r.Witnesses); sets > 0 {
		text += fmt.Sprintf("; witnesses: %d", len(r.Witnesses[sets-1]))
	}
	return text
}

// hinders tells why the node that does not act could not take over now if the one that acts went away. It
// judges by the agents that are connected to this node.
func (s *Server) hinders(st lease.Status, witnesses []nodes.WitnessStatus) []string {
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
		return slices.ContainsFunc(witnesses, func(s nodes.WitnessStatus) bool { return s.Agent == w.Agent && s.Connected })
	}; {
	case len(r.Witnesses) == 0:
		out = append(out, "there are no witnesses: that needs an agent with a durable disk on a host without a Kahuna, better three")
	case !r.College(there):
		out = append(out, fmt.Sprintf("a majority of the witnesses is away: agents %s are not connected to this node", strings.Join(away, ", ")))
	}
	return out
}
