//go:build race

package world

// raced tells that the race detector watches, which makes runs many times slower.
const raced = true
