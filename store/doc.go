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
// Committed and published are kept apart (tip and published in the code): with a replica, publication
// waits until the replica has the records as well.
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
// still ends where memory does, the next change tries again; if it does not, or cannot be read, the
// store only answers reads until it is opened again, because then only the file knows what stands.
package store
