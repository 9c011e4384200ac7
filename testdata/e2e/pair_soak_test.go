//go:build lab && soak

package e2e

import (
	"math/rand/v2"
	"testing"
)

// blowsAtRandom is how many blows are dealt at random, after each was dealt once.
const blowsAtRandom = 20

// Everything that can happen to the two, once each, and then in any order.
func TestPairLong(t *testing.T) {
	p := newPair(t)
	p.agents(9, 21)
	for _, b := range blows {
		if !b.short {
			p.strike(b)
		}
	}
	for range blowsAtRandom {
		p.strike(blows[rand.N(len(blows))])
	}
}
