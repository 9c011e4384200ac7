package ipam

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// span is a range of addresses, both ends included; first is never above last.
type span struct{ first, last uint32 }

func (s span) has(a uint32) bool { return s.first <= a && a <= s.last }
func (s span) size() int64       { return int64(s.last) - int64(s.first) + 1 }

// ranges reads declared ranges: ordered, and inside the subnet.
func ranges(field string, declared []model.IPRange, l layout) ([]span, error) {
	spans := make([]span, 0, len(declared))
	for i, r := range declared {
		at := fmt.Sprintf("%s[%d]", field, i)
		first, err := parse(at+".first", r.First)
		if err != nil {
			return nil, err
		}
		last, err := parse(at+".last", r.Last)
		if err != nil {
			return nil, err
		}
		switch {
		case !l.all.has(first):
			return nil, fault.Bad(at+".first", "%s is outside %s", r.First, l.prefix)
		case !l.all.has(last):
			return nil, fault.Bad(at+".last", "%s is outside %s", r.Last, l.prefix)
		case first > last:
			return nil, fault.Bad(at, "the range begins at %s, after its end %s; swap them", r.First, r.Last)
		}
		spans = append(spans, span{first, last})
	}
	return spans, nil
}

func contains(spans []span, a uint32) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.has(a) })
}

// gaps are the spans of all that none of the kept spans covers, ascending. The kept ones may overlap
// and are sorted in place.
func gaps(all span, kept []span) []span {
	slices.SortFunc(kept, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var out []span
	next := int64(all.first) // 64 bits wide because 255.255.255.255 has no successor in 32
	for _, s := range kept {
		if next < int64(s.first) {
			out = append(out, span{uint32(next), s.first - 1})
		}
		next = max(next, int64(s.last)+1)
	}
	if next <= int64(all.last) {
		out = append(out, span{uint32(next), all.last})
	}
	return out
}

// ranking numbers the addresses of some ascending, disjoint spans from 0 without listing them.
type ranking struct {
	spans  []span
	before []int64 // how many addresses come before each span
	total  int64
}

func rank(spans []span) ranking {
	r := ranking{spans: spans, before: make([]int64, len(spans))}
	for i, s := range spans {
		r.before[i] = r.total
		r.total += s.size()
	}
	return r
}

// of is the number of address a, false when it lies in no span.
func (r ranking) of(a uint32) (int64, bool) {
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].last >= a })
	if i == len(r.spans) || !r.spans[i].has(a) {
		return 0, false
	}
	return r.before[i] + int64(a-r.spans[i].first), true
}

// at is the address with number n, which must be below total.
func (r ranking) at(n int64) uint32 {
	i := sort.Search(len(r.spans), func(i int) bool { return r.before[i]+r.spans[i].size() > n })
	return r.spans[i].first + uint32(n-r.before[i])
}
