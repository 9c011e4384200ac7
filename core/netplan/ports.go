package netplan

import (
	"slices"
	"strconv"

	"kowabunga/core/netrule"
)

// span is a range of ports, both ends included.
type span struct{ first, last int }

// ports is a set of ports: spans in order that neither overlap nor touch.
type ports []span

// parsePorts reads a list like "80,443,8000-8080"; ok is false when it is none.
func parsePorts(text string) (set ports, ok bool) {
	spans, err := netrule.Ports("ports", text)
	for _, s := range spans {
		set = append(set, span{int(s.First), int(s.Last)})
	}
	return set, err == nil
}

func (p ports) settled() ports {
	slices.SortFunc(p, func(a, b span) int { return a.first - b.first })
	var out ports
	for _, s := range p {
		if n := len(out); n > 0 && s.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, s.last)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (p ports) union(o ports) ports { return slices.Concat(p, o).settled() }

// inverse is all ports but these.
func (p ports) inverse() ports {
	var out ports
	next := 1
	for _, s := range p {
		if next < s.first {
			out = append(out, span{next, s.first - 1})
		}
		next = s.last + 1
	}
	if next <= 65535 {
		out = append(out, span{next, 65535})
	}
	return out
}

func (p ports) intersect(o ports) ports {
	var out ports
	for _, a := range p {
		for _, b := range o {
			if first, last := max(a.first, b.first), min(a.last, b.last); first <= last {
				out = append(out, span{first, last})
			}
		}
	}
	return out.settled()
}

func (p ports) String() string {
	var b []byte
	for i, s := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(s.first), 10)
		if s.last > s.first {
			b = strconv.AppendInt(append(b, '-'), int64(s.last), 10)
		}
	}
	return string(b)
}
