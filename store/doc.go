// Package store keeps everything Kahuna knows: objects in memory for reading, one bbolt file for
// surviving, one journal for everything that follows from a change.
//
// # The committer
//
// All changes go through one goroutine. It takes whatever is queued, runs each change once on a draft of
// the state so far, and writes what they all did in one bbolt transaction with one fsync; there is no
// timer, a batch is simply what came in while the last one was written. A change that fails, or whose
// function panics, leaves nothing behind. After the fsync the new state is published with one pointer
// store, and only then are the callers answered. A refusal that was decided on a state not yet published
// waits for that publication, too, because the answer tells about that state.
//
// # One of two
//
// Committed and published are kept apart. A store that is not Held publishes what it commits at once. One
// that is Held obeys somebody who knows the other Kahuna: Begin and Update append records, Tail gives them
// to the other one, whose Append verifies and takes them, and Publish shows them once both have them; only
// then are the callers answered. Tail gives records before they are in this file, so that both disks work at
// the same time; if this one then does not take them the epoch ends (Unwritten), because the other one may
// have them, and the next record would have their number. Halt ends an epoch: who waits is told that the
// outcome is unknown, and the records stay, for the same reason. Everything that leaves the store is as of
// the published state; only End, Making, Tail, Mark, CutAt and HighestEpoch tell of what is not published.
//
// A node that comes back with records which the other one lacks writes them to a fork file and has Cut take
// them back, never below what was published. One that is too far behind gets a Snapshot of the published
// state and its journal, which Install verifies and puts in the place of the file; what was published there
// and shall be kept is saved with Fork first.
//
// The file notes with each commit what was published by then, so that a Held store shows no more than
// that after a restart: objects in the file are as of its end, and the state shown is made by taking back
// the records after it. Without a note everything in the file is published. Opened without Held, the
// store is the only one there is: it begins an epoch, and with that all that is in the file stands.
//
// # The log
//
// What the other node sends is on disk in kahuna.wal first (package wal), after one sync instead of a transaction: the
// other node's callers wait for it. It is taken over into the bbolt file some hundred records at a time, when nothing
// comes for a moment, and before anything else is done with that: so whatever is not an Append finds the bbolt file
// complete. The transaction that takes records over changes the key under which the log counts, and a file that was
// replaced knows none: nothing comes back out of the log that was folded, cut off or replaced. A process that ends
// without order leaves its records there, and the next start takes them over. Many or large records, and those of a
// store that leads, go to the bbolt file directly.
//
// # The file
//
// kahuna.db is a bbolt file with these buckets:
//
//	meta        "schema": the number of the file's schema, 8 bytes big endian
//	            "state": position, epoch, node and the like, JSON (type state) with a sum (octets.Sum)
//	objects     one bucket per kind: id -> seal.Value
//	journal     index, 8 bytes big endian -> journal.Record
//	migrations  schema reached, 8 bytes big endian -> name and time, JSON with a sum (octets.Sum)
//	room        only while it is tried whether a full disk has room again
//
// It is created aside and renamed, because a bbolt file is not power-safe while it is initialised. No
// bbolt transaction outlives a function: an open read transaction would keep the file from growing.
// kahuna.pid names the process that has the file, for the message that somebody else gets.
//
// A byte that changed on the disk is noticed: values and texts carry a CRC-32C, records a hash, and all
// that bbolt goes by is verified by package pages before bbolt opens the file. In particular a file with
// one bad meta page is refused, from which bbolt would read the state before the last change. A record in
// the middle of the journal is verified when it is read, and by Check. An older copy of the whole file is
// sound in itself; only somebody else who knows how far the journal was can tell.
//
// # When writing fails
//
// On a full disk nothing is published and the callers get Unavailable. As long as the file provably
// still ends where memory does, the next change tries again (of one of two in the next epoch, if the other
// one may have what failed); if it does not, or cannot be read, the
// store only answers reads until it is opened again, because then only the file knows what stands.
package store
