package config

import "strings"

// Nearest is the candidate closest to a mistyped word, empty when none is close: at most two edits, three
// from nine letters on (an edit is an insertion, removal, replacement or swap of neighbours), or the word
// is a part of the candidate. Case does not count.
func Nearest(word string, candidates []string) string {
	best, least := "", 3
	if len(word) >= 9 {
		least = 4
	}
	lower := strings.ToLower(word)
	for _, c := range candidates {
		if d := distance(lower, strings.ToLower(c)); d < least && 2*d <= len(c) {
			best, least = c, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, c := range candidates {
		if strings.Contains(strings.ToLower(c), lower) {
			return c
		}
	}
	return ""
}

func didYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return "; did you mean \"" + near + "\"?"
	}
	return ""
}

// distance is the optimal string alignment distance (Damerau 1964, restricted to swaps of neighbours).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
