// Package cli is the command line for resources: what one says to a Kahuna from anywhere, over its API v2
// with the rights of one's credentials.
//
// The commands are derived from core/catalogue: each kind has the verbs of its operations, each writable
// field has a flag, tables have the columns it declares. What is written here is how people are spoken to:
// names stand for ids, sizes have units, work that goes on after the answer is followed step by step,
// deletions ask first, and what the server refuses is told with the flag to change and the next thing to
// try.
//
// Documents (apply, diff, export) are the same objects written down: reconcile.go brings one and the other
// together, and sends nothing where they agree. Plans are asked of the server; diff compares here, so that
// it can show objects that do not exist yet together with what will refer to them.
//
// Package client talks to the server; package form reads and shows values.
package cli
