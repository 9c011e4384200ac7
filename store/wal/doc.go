// Package wal is a small write-ahead log beside a larger file: a place where a batch of records is on disk after one
// write and one sync, before it is put where it belongs.
//
// The file is as large from the start as it ever gets, so that no write has to find room or change what the file
// system knows of it:
//
//	512 bytes  the mark, made by octets.Sum: the key of a lap, and up to which record all was synced then, 8 bytes big
//	           endian; zeroes in a new file
//	frames     each 4 bytes length, big endian, and as many bytes that octets.Sum made of the body under the key
//
// A body is the index that was published when it was written, as an unsigned varint, and the records, each with its
// length before it.
//
// Frames count only under the key that they were written for. Whoever keeps the larger file keeps the key of the
// present lap in it, and changes it in the transaction that takes the records over: so these are void at the very
// moment at which they are there.
package wal
