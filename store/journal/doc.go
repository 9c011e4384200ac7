// Package journal is the form of the journal: one record for each change that was made to the data,
// chained by hashes.
//
// A record carries the hash of the one before it, and its own hash covers all of its bytes, so a
// position is an index and a hash, and two journals that agree on a position agree on everything before
// it. Records are written once and never rewritten; cutting the old end keeps the index and hash of the
// last record cut.
package journal
