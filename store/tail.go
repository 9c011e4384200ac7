package store

import (
	"go.etcd.io/bbolt"

	"kowabunga/store/journal"
)

// Tail returns the bytes of records from one index to another, unpublished ones included and those that are being
// written where the first is in memory, up to maxBytes of them, the first whatever its size; none at the end. They
// must not be changed. Faults: as Journal.
func (s *Store) Tail(from, to uint64, maxBytes int) (out [][]byte, err error) {
	if out = s.Recent(from, to, maxBytes); len(out) > 0 {
		return out, nil
	}
	size := 0
	// A transaction sees a record a moment before it is synced; End does not.
	err = s.each(from, min(to, s.End().Index), "begin with a snapshot", func(raw []byte) (bool, error) {
		if size += len(raw); size > maxBytes && len(out) > 0 {
			return false, nil
		}
		out = append(out, raw)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// recent remembers the last records, for those who ask about them on every publication and for the other
// node and those who watch, who want each of them at once: reading it from the file costs them more than
// the record is worth.
type recent [1024]struct {
	at    Position
	epoch Epoch
	raw   []byte // nil of a large one
}

// keptBytes is the most that a record may have to be remembered as a whole.
const keptBytes = 4 << 10

func (m *recent) add(r *Record, raw []byte) {
	e := &m[r.Index%uint64(len(m))]
	if e.at, e.epoch, e.raw = (Position{r.Index, r.Hash}), r.Epoch, raw; len(raw) > keptBytes {
		e.raw = nil
	}
}

// remembered are the bytes of some records from one index to another, none where the first is not remembered.
func (s *Store) remembered(from, end uint64) (out [][]byte) {
	s.memory.RLock()
	defer s.memory.RUnlock()
	for at := from; at <= min(end, from+readAtOnce-1); at++ {
		raw, making := s.inMemory(at)
		if raw == nil || making {
			break
		}
		out = append(out, raw)
	}
	return out
}

// Mark is the hash and the epoch of a record that is still kept, published or not, or of the last one that
// retention removed; false when there is none. The epoch of a removed one is not known, and zero, when an
// older release removed it. It is answered from memory for the newest records, and otherwise costs reading
// one.
func (s *Store) Mark(index uint64) (Hash, Epoch, bool) {
	s.memory.RLock()
	file, known := s.end.Load(), s.recent[index%uint64(len(s.recent))]
	s.memory.RUnlock()
	switch {
	case index == file.Index:
		return file.Hash, file.Reign, true
	case index == file.Cut.Index:
		return file.Cut.Hash, file.CutReign, true
	case index < file.Cut.Index || index > file.Index:
		return Hash{}, Epoch{}, false
	case known.at.Index == index:
		return known.at.Hash, known.epoch, true
	}
	var r *Record
	err := guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) (err error) {
			r, err = journal.Decode(tx.Bucket(journalBucket).Get(number(index)))
			return err
		})
	})
	if err != nil {
		return Hash{}, Epoch{}, false // cut meanwhile, or damaged
	}
	return r.Hash, r.Epoch, true
}

// CutAt is the position of the last record that retention removed, zero when it removed none.
func (s *Store) CutAt() Position { return s.end.Load().Cut }
