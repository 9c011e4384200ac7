package world

import "time"

// happening is something that is due at a time.
type happening struct {
	at  time.Duration
	seq uint64 // order of making, among those due at the same time
	do  func()
}

func (h happening) before(o happening) bool {
	return h.at < o.at || h.at == o.at && h.seq < o.seq
}

// agenda is a heap of happenings, the next one first.
type agenda []happening

func (a *agenda) push(h happening) {
	*a = append(*a, h)
	s := *a
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(s[up]) {
			return
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (a *agenda) pop() happening {
	s := *a
	first := s[0]
	last := len(s) - 1
	s[0] = s[last]
	s[last] = happening{}
	s = s[:last]
	*a = s
	for i := 0; ; {
		next := 2*i + 1
		if next >= last {
			return first
		}
		if next+1 < last && s[next+1].before(s[next]) {
			next++
		}
		if !s[next].before(s[i]) {
			return first
		}
		s[i], s[next] = s[next], s[i]
		i = next
	}
}
