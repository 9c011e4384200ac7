// Package netrule reads the words that rules about traffic are made of: lists of ports and networks. What
// validates a rule when it is sent and what compiles it for a gateway later is the same code, so nothing
// is accepted that cannot be carried out.
package netrule

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/fault"
)

// Span is a range of ports, both ends included, 1 to 65535.
type Span struct{ First, Last uint16 }

// String writes a span as rules do: 80 or 8000-8080.
func (s Span) String() string {
	if s.First == s.Last {
		return strconv.Itoa(int(s.First))
	}
	return strconv.Itoa(int(s.First)) + "-" + strconv.Itoa(int(s.Last))
}

// maxPorts bounds a list: 2,048 bytes are more than 300 single ports.
const maxPorts = 2048

// Ports reads a list of ports as rules have it, such as "80,443,8000-8080": decimal numbers from 1 to
// 65535 without leading zeros, ranges with the lower end first, commas between, nothing else. The spans
// come back sorted, and merged where they overlap or touch. Faults: Invalid with the field.
func Ports(field, text string) ([]Span, error) {
	if len(text) > maxPorts {
		return nil, fault.Bad(field, "the list of ports has %d bytes; at most %d are read, use ranges", len(text), maxPorts)
	}
	var spans []Span
	for _, item := range strings.Split(text, ",") {
		low, high, ranged := strings.Cut(item, "-")
		first, ok := port(low)
		last := first
		if ok && ranged {
			last, ok = port(high)
		}
		switch {
		case !ok:
			return nil, fault.Bad(field, "%q is no port: write a number from 1 to 65535 or a range such as 8000-8080, with commas and no blanks between several", item)
		case last < first:
			return nil, fault.Bad(field, "the range %s begins after its end; write %d-%d", item, last, first)
		}
		spans = append(spans, Span{first, last})
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	merged := spans[:1]
	for _, s := range spans[1:] {
		top := &merged[len(merged)-1]
		if int(s.First) <= int(top.Last)+1 {
			top.Last = max(top.Last, s.Last)
			continue
		}
		merged = append(merged, s)
	}
	return merged, nil
}

// port reads one port in its only spelling.
func port(text string) (uint16, bool) {
	if text == "" || len(text) > 5 || text[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), n <= 65535
}

// Overlap returns the ports that two sorted lists have in common first, and whether there are any.
func Overlap(a, b []Span) (Span, bool) {
	for len(a) > 0 && len(b) > 0 {
		common := Span{max(a[0].First, b[0].First), min(a[0].Last, b[0].Last)}
		if common.First <= common.Last {
			return common, true
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return Span{}, false
}
