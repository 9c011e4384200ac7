package nodes

import (
	"fmt"
	"strings"
	"time"

	"kowabunga/core/count"
)

// notesShown is how many of the newest notes a table shows.
const notesShown = 5

// Rows are a status as a table of two columns, for people.
func (p *Status) Rows() [][]string {
	if p.Alone && len(p.Nodes) == 1 && len(p.Pending) == 0 && !p.Lost {
		return [][]string{{"role", p.Role + ", without a standby"}}
	}
	rows := [][]string{{"role", roleText(p)}}
	add := func(name, text string) { rows = append(rows, []string{name, text}) }
	switch {
	case p.Alone:
		add("right to act", "yes, and nobody can take it away: it is the only one that has every write")
	case p.Right:
		add("right to act", fmt.Sprintf("yes, until %s, renewed every few seconds", p.RightUntil.Format("15:04:05.000Z07:00")))
	default:
		add("right to act", "no")
	}
	published := fmt.Sprintf("record %d of %d", p.Published, p.End)
	if p.Behind > 0 {
		published += fmt.Sprintf(", %s behind the primary", count.Of(p.Behind, "record"))
	}
	add("published", published)
	if p.Mode != "" {
		add("mode", p.Mode)
	}
	for _, n := range p.Nodes {
		add("kahuna", nodeText(n))
	}
	for _, far := range p.Releases {
		add("releases", "TOO FAR APART: "+far)
	}
	for _, w := range p.Witnesses {
		state := "connected"
		if !w.Connected {
			state = "NOT connected"
		}
		if w.Change != "" {
			state += ", " + w.Change
		}
		add("witness", fmt.Sprintf("agent %s, %s", w.Name, state))
	}
	if len(p.TakeOver) == 0 {
		add("take-over", "by itself")
	}
	for _, why := range p.TakeOver {
		add("take-over", "NOT by itself: "+why)
	}
	for _, m := range p.Missing {
		add("missing", m)
	}
	for _, m := range p.Pending {
		add("pending", m)
	}
	if p.Lost {
		add("records", "may be LOST: nothing is allocated until every agent reported; kowabunga agent waive NAME for one that cannot")
	}
	for _, n := range p.Notes[max(0, len(p.Notes)-notesShown):] {
		add("lately", strings.TrimSpace(n.At.Format(time.RFC3339)+" "+n.What+": "+n.Detail))
	}
	return rows
}

func roleText(p *Status) string {
	text := p.Role
	switch {
	case p.Role == "copy":
		return "a restored copy: it shows everything and changes nothing"
	case p.Role == "restored":
		return "restored: it commands nobody until it is promoted (kowabunga kahuna promote)"
	case p.Phase != "":
		text += ", " + p.Phase
	}
	if p.Role != "primary" && p.Primary != "" {
		text += " of " + p.Primary
	}
	return text + ", epoch " + p.Epoch
}

func nodeText(n NodeStatus) string {
	parts := []string{n.Address}
	if n.Self {
		parts[0] += " (this one)"
	}
	if n.Acts {
		parts = append(parts, "acts")
	}
	switch {
	case n.InSync:
		parts = append(parts, "in the sync set")
	case n.Named:
		parts = append(parts, "NOT in the sync set")
	default:
		parts = append(parts, "only follows")
	}
	if !n.Connected {
		parts = append(parts, "NOT connected")
	}
	if n.Heard {
		parts = append(parts, fmt.Sprintf("%s behind, heard %.1f s ago", count.Of(n.Lag, "record"), n.Silent))
	}
	if n.Release != "" {
		parts = append(parts, "release "+n.Release)
	}
	return strings.Join(parts, ", ")
}
