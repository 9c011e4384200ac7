package store

import (
	"fmt"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
	"kowabunga/store/wal"
)

// recoverLog puts what a process before this one left in the log into the bbolt file. It goes by the bytes alone: whoever
// wrote them verified them, and the objects are verified as a whole afterwards. Fault: Unavailable when what was synced
// is not whole any more.
func recoverLog(db *bbolt.DB, path string) (n int, err error) {
	var had state
	if err := guarded(func() error { return db.View(func(tx *bbolt.Tx) (err error) { had, err = readState(tx); return err }) }); err != nil || had.Lap == nil || had.Schema > schema {
		return 0, nil // what is wrong with that is told by others
	}
	records, published, err := logOf(path, had)
	if err != nil || len(records) == 0 {
		return 0, err
	}
	return len(records), guarded(func() error {
		return db.Update(func(tx *bbolt.Tx) error { return replay(tx, had, records, published) })
	})
}

// logOf are the records of the log that continue the journal of the bbolt file, and what was published by the last.
func logOf(path string, had state) (records []*Record, published uint64, err error) {
	c, err := wal.Read(path, *had.Lap)
	if err != nil {
		return nil, 0, &fault.Error{Code: fault.Unavailable, Message: path + " is damaged; " + anew, Err: err}
	}
	at := had.Position
	for _, b := range c.Batches {
		for _, raw := range b.Records {
			r, err := journal.Decode(raw)
			if err == nil {
				err = r.Follows(at.Index, at.Hash)
			}
			if err != nil {
				return nil, 0, &fault.Error{Code: fault.Unavailable, Message: fmt.Sprintf("%s is damaged: after record %d: %s; %s", path, at.Index, fault.From(err).Public(), anew), Err: err}
			}
			at = Position{r.Index, r.Hash}
			records = append(records, r)
		}
		published = max(published, b.Published)
	}
	if at.Index < c.Mark {
		return nil, 0, fault.New(fault.Unavailable, "%s is damaged: it had the records up to %d, and %d is the last that is whole; %s", path, c.Mark, at.Index, anew)
	}
	return records, published, nil
}

// reached is the highest epoch that a node knows of, from its bbolt file and its log, as far as that can be read.
func reached(path string, had state) (counter uint64) {
	counter = had.Epoch
	if had.Lap == nil {
		return counter
	}
	records, _, err := logOf(path, had)
	if n := len(records); err == nil && n > 0 {
		counter = max(counter, records[n-1].Epoch.Counter)
	}
	return counter
}

// anew is what to do when a node has lost records.
const anew = "make this Kahuna a standby of the other one anew, or restore a backup"

// replay takes records over into the bbolt file; published is the index up to which all was when they were written.
func replay(tx *bbolt.Tx, next state, records []*Record, published uint64) error {
	last, err := laidOut(tx, next)
	if err != nil {
		return err
	}
	known := shown{next.Position, next.Time, last}
	if next.Published != nil {
		known = *next.Published
	}
	log := tx.Bucket(journalBucket)
	for _, r := range records {
		raw := r.Encode() // which are the bytes it was read from
		if err := log.Put(number(r.Index), raw); err != nil {
			return err
		}
		for i := range r.Changes {
			if err := revise(tx, &r.Changes[i], r.Changes[i].After); err != nil {
				return err
			}
		}
		next.Position, next.Time, next.Reign = Position{r.Index, r.Hash}, r.Time, r.Epoch
		next.Epoch = max(next.Epoch, r.Epoch.Counter)
		next.Bytes += 8 + int64(len(raw))
		if r.Index == published {
			known = shown{next.Position, next.Time, next.Reign}
		}
	}
	next.Published = &known
	if known.Position == next.Position {
		next.Published = nil
	}
	next.Lap = newLap()
	return writeState(tx, &next)
}
