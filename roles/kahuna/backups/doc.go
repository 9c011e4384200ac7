// Package backups keeps backups of a Kahuna in a directory or in S3-compatible storage: it writes them,
// verifies each by restoring it, removes old ones, and finds the ones to restore from.
//
// # Chains
//
// A chain is a full backup and the segments that continue it, each with the records of the journal that
// were published since. It belongs to one epoch, thus to one process: nobody else ever writes to it, and a
// restart or a take-over begins another. In a target its objects are
//
//	FAMILY/CHAIN/full-INDEX-RANDOM            store.Backup
//	FAMILY/CHAIN/segment-FROM-TO-RANDOM       store.BackupSince
//	FAMILY/CHAIN/manifest-PIECES.json         Manifest
//
// FAMILY is store.Family of the sealing key and CHAIN is EPOCH-INDEX-NODE-RANDOM, so that two nodes never
// write an object of the same name, and no attempt that of an earlier one. With recipients everything but
// the manifest is an age file as a whole; besides them only this process can open it, with an identity
// that it never writes down, to verify what it wrote.
//
// # What counts
//
// A piece counts once the whole chain was read back from the target and restored into a scratch file, and
// a manifest that names it, with its checksum and when it was verified, was written. The manifest of n
// pieces is written beside that of n-1, which goes afterwards: none is ever overwritten. Its entries are
// chained by hashes, and the whole is authenticated with the sealing key.
//
// # When late
//
// A paused primary that wakes may still write to its own chain, which harms nobody, and remove chains by
// retention: only those of its own epoch or of earlier ones, among them never the last verified one, after
// listing the target anew. A later epoch's chain needs nothing of an earlier one's.
package backups
