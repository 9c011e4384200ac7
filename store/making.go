package store

import (
	"runtime"
	"slices"
)

// making are the records of one batch while they are being written: the other node may write them at the same
// time, so that two disks cost the time of one.
type making struct {
	at    []Position
	epoch Epoch
	raw   [][]byte
	read  bool // somebody has some of them: they may stand elsewhere, whatever becomes of them here
}

// Making is the last of the records that are being written, and their epoch; zero when there are none. They are not
// in the file yet, and whether they ever are is open.
func (s *Store) Making() (last Position, e Epoch) {
	s.memory.RLock()
	defer s.memory.RUnlock()
	if n := len(s.making.at); n > 0 {
		last = s.making.at[n-1]
	}
	return last, s.making.epoch
}

// Makes tells whether a record is one of those that are being written.
func (s *Store) Makes(p Position) bool {
	s.memory.RLock()
	defer s.memory.RUnlock()
	return slices.Contains(s.making.at, p)
}

// Unwritten is the epoch of the last records that could not be written after somebody got them from Recent or Tail; zero
// when there were none. Nothing more was made in that epoch: it has ended as if it had been halted.
func (s *Store) Unwritten() Epoch {
	s.memory.RLock()
	defer s.memory.RUnlock()
	return s.unwritten
}

// offer shows changes that are about to be written to those who ask for them.
func (s *Store) offer(records []*pending) {
	if !s.opts.Held || len(records) == 0 || s.halted.Load() != nil { // else another node made them, or an epoch begins
		return
	}
	m := making{epoch: s.Epoch(), at: make([]Position, len(records)), raw: make([][]byte, len(records))}
	for i, r := range records {
		m.at[i], m.raw[i] = Position{r.record.Index, r.record.Hash}, r.raw
	}
	s.memory.Lock()
	s.making = m
	s.memory.Unlock()
	s.moved()
	runtime.Gosched() // whoever sends it begins before this goroutine waits for the disk
}

// moved tells who follows the end of the file.
func (s *Store) moved() {
	select {
	case s.opts.Moved <- struct{}{}:
	default: // it looks anyway, or nobody does
	}
}

// withdraw forgets what could not be written, and tells whether somebody has it.
func (s *Store) withdraw() bool {
	s.memory.Lock()
	defer s.memory.Unlock()
	read := s.making.read
	s.making = making{}
	if read {
		s.unwritten = s.Epoch()
		s.moved()
	}
	return read
}

// Recent returns what Tail does as far as it is in memory: nothing where the first record is not.
func (s *Store) Recent(from, to uint64, maxBytes int) (out [][]byte) {
	s.memory.Lock()
	defer s.memory.Unlock()
	for at := from; at <= to; at++ {
		raw, making := s.inMemory(at)
		if maxBytes -= len(raw); raw == nil || maxBytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, raw)
		s.making.read = s.making.read || making
	}
	return out
}

// inMemory are the bytes of a record that is remembered or being written, nil of any other. The lock is held.
func (s *Store) inMemory(index uint64) (raw []byte, making bool) {
	if m := &s.making; len(m.at) > 0 && index >= m.at[0].Index {
		if i := index - m.at[0].Index; i < uint64(len(m.raw)) {
			return m.raw[i], true
		}
		return nil, false
	}
	file, e := s.end.Load(), &s.recent[index%uint64(len(s.recent))]
	if index <= file.Cut.Index || index > file.Index || e.at.Index != index {
		return nil, false
	}
	return e.raw, false
}
