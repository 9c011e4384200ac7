// Package term is everything Kowabunga says to a person at a terminal, and everything it asks.
//
// A command takes its Terminal from cobra (Of), which knows whether colours are wanted and whether a
// person can answer. On it stand tables, JSON, prompts and progress. Anything that can take longer than
// two seconds reports progress: bars on a terminal, plain lines with times elsewhere, so that a log of a
// pipeline tells the same story.
//
// Errors a command returns are printed once, by the command tree, through Report. Hint adds the next
// command to try; Usage marks mistakes in the command line, which end with exit code 2.
package term
