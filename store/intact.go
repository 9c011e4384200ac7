package store

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/octets"
)

// laidOut tells whether the file has the buckets it should have and nothing else where they are, whether
// the texts in them are as they were written, and whether the journal begins and ends where the state
// says. It returns the epoch of the last record.
func laidOut(tx *bbolt.Tx, s state) (e Epoch, err error) {
	for _, name := range [][]byte{metaBucket, objectsBucket, journalBucket, migrationsBucket} {
		if tx.Bucket(name) == nil {
			return e, damagedAt("bucket "+string(name), "it is missing")
		}
	}
	if err := onlyBuckets(tx.Cursor(), "file"); err != nil {
		return e, err
	}
	if err := onlyBuckets(tx.Bucket(objectsBucket).Cursor(), "bucket objects"); err != nil {
		return e, err
	}
	for k, v := range pairs(tx.Bucket(migrationsBucket)) {
		if _, err := octets.Verify(k, v); err != nil {
			return e, damagedAt("bucket migrations", "%s", fault.From(err).Public())
		}
	}
	if k, _ := tx.Bucket(journalBucket).Cursor().First(); k != nil && !bytes.Equal(k, number(s.Cut.Index+1)) {
		return e, damagedAt("journal", "it should begin with record %d", s.Cut.Index+1)
	}
	if k, _ := tx.Bucket(journalBucket).Cursor().Last(); k != nil && !bytes.Equal(k, number(s.Index)) {
		return e, damagedAt("journal", "its last record has the key %x", k)
	}
	return ends(tx, s)
}

// onlyBuckets tells whether there are only buckets at a place. bbolt passes over other things there as if
// they did not exist.
func onlyBuckets(c *bbolt.Cursor, where string) error {
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v != nil {
			return damagedAt(where, "%q is not a bucket", k)
		}
	}
	return nil
}

func damagedAt(where, format string, args ...any) error {
	return fault.New(fault.Unavailable, "the file is damaged at %s: %s; restore a backup", where, fmt.Sprintf(format, args...))
}

// named words what was wrong inside of a file for whoever has to do something about it.
func named(path string, err error) error {
	if !fault.Is(err, fault.Malformed) && !fault.Is(err, fault.Internal) && !fault.Is(err, fault.Unavailable) {
		return err // the file is as it was written, but not for us
	}
	f := fault.From(err)
	return &fault.Error{Code: fault.Unavailable, Op: f.Op, Message: fmt.Sprintf("%s cannot be used; if it is damaged, restore a backup: %s", path, f.Public()), Err: f.Err}
}
