// Package tree keeps decoded objects in immutable trees in memory.
//
// A Root is one state of everything: it never changes, costs no lock to read and may be kept for as
// long as somebody wants to look at it. An Edit is a draft on top of a Root. It shares all tables it
// does not write to and all tree nodes it does not touch, so that making one costs a slice of pointers,
// dropping one costs nothing, and publishing one turns it into the next Root. A batch of several
// changes is a chain of Roots of which only the last is shown to readers; a refused change is an Edit
// that was dropped.
//
// The trees are tidwall's copy-on-write B-trees. Copying one marks both copies, a write to memory that
// readers do not read but other copiers do; that is why a table's trees carry a mutex which only
// copiers take.
//
// What model.Table declares is enforced here: unique keys, references that must exist, and what a
// deletion means to the referrers. Everything is found by an index, the reverse direction of references
// included; nothing is ever scanned.
package tree
