// Package rooms holds the rules of the house by tests: which room may use which, that core is pure, that
// files stay small, that each package says what it is for, and what stands at the top.
package rooms
