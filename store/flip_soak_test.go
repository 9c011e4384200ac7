//go:build soak

package store

import "testing"

// Every byte there is, each with one of the patterns.
func TestEveryFlippedByte(t *testing.T) {
	flip(t, func(_ []byte, at, pattern int) bool { return at%len(patterns) == pattern })
}
