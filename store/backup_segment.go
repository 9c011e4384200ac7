package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store/seal"
)

// A segment continues a backup with the records published since. It has the frames of a backup:
//
//	h  header, JSON (SegmentHeader)
//	r  record (journal.Record.Encode), at least one
//	e  end, as that of a backup
const segmentMagic = "KOWABUNGA SEGMENT 1\n"

// SegmentHeader says what a segment holds.
type SegmentHeader struct {
	From     Position  `json:"from"` // of the record that it continues
	Position           // of its last record
	First    time.Time `json:"first"` // of its first record
	Time     time.Time `json:"time"`  // of its last record
	Epoch    Epoch     `json:"epoch"`
	Schema   uint64    `json:"schema"`
	Made     time.Time `json:"made"`
}

// BackupSince writes the records published after a position, which a backup or segment of this epoch ends
// at. Faults: NotFound with ErrGone when retention has cut them, so that a new backup is due; Conflict
// when the position is not one of this journal, or is its end.
func (s *Store) BackupSince(ctx context.Context, w io.Writer, from Position) (*SegmentHeader, error) {
	h, err := s.backupSince(ctx, w, from)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "back up the journal")
	}
	return h, nil
}

func (s *Store) backupSince(ctx context.Context, w io.Writer, from Position) (*SegmentHeader, error) {
	now := s.published.Load()
	records, err := s.read(from.Index+1, readAtOnce, now)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fault.New(fault.Conflict, "no record was published after record %d", from.Index)
	}
	if records[0].Prev != from.Hash {
		return nil, fault.New(fault.Conflict, "record %d of this journal is another than the one of the backup", from.Index)
	}
	h := &SegmentHeader{From: from, Position: now.state.Position, First: records[0].Time, Time: now.state.Time, Epoch: now.state.Reign, Schema: schema, Made: stamp(s.opts.Now(), time.Time{})}
	out := &framer{ctx: ctx, w: w, sum: sha256.New()}
	out.raw([]byte(segmentMagic))
	out.json('h', h)
	end := backupEnd{}
	for len(records) > 0 {
		for i := range records {
			if out.frame('r', records[i].Encode()); out.err != nil {
				return nil, out.err
			}
			end.Records++
		}
		if records, err = s.read(records[len(records)-1].Index+1, readAtOnce, now); err != nil {
			return nil, err
		}
	}
	end.Sum = out.sum.Sum(nil)
	end.Mac = s.sealer.Sum(end.Sum)
	out.json('e', end)
	return h, out.err
}

// unpackSegment reads a segment up to its first record.
func unpackSegment(r io.Reader) (*unpacker, *SegmentHeader, error) {
	u, h := framed(r, "backup"), &SegmentHeader{}
	if err := u.begin(segmentMagic, h); err != nil {
		return nil, nil, err
	}
	if u.kind != 'r' {
		return nil, nil, fault.New(fault.Malformed, "the segment holds no record")
	}
	return u, h, nil
}

// Family names all stores whose secrets are sealed with a key: a Kahuna, the one that follows it, and
// what was restored of their backups. It tells nothing about the key.
func Family(key Key) string { return hex.EncodeToString(seal.New(key).Check()[:8]) }

// Authenticate makes the code that only who has the sealing key can make of a text beside a backup.
func Authenticate(key Key, text []byte) []byte {
	sum := sha256.Sum256(append([]byte("KOWABUNGA BESIDE A BACKUP 1\n"), text...))
	return seal.New(key).Sum(sum[:])
}
