package pair

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/store"
	"kowabunga/store/durable"
	"kowabunga/store/journal"
)

// ForkDir is the folder, below the data directory, of what was cut off a journal because the primary's
// did not have it.
const ForkDir = "forks"

// Ledger is the journal of the present store as a driver uses it. Options are those the store was opened
// with; Held is set.
type Ledger struct {
	store   *Store
	options store.Options

	mu     sync.Mutex
	parted *store.Position // the last record that the primary has too, when what follows could not be cut off
}

var _ Journal = (*Ledger)(nil)

// NewLedger makes the journal of a store that is open.
func NewLedger(s *Store, o store.Options) *Ledger {
	return &Ledger{store: s, options: o}
}

// End implements lease.Log.
func (l *Ledger) End() lease.Position { return position(l.store.Present().End()) }

// Cut implements lease.Log.
func (l *Ledger) Cut() lease.Position { return position(l.store.Present().CutAt()) }

// At implements lease.Log.
func (l *Ledger) At(index uint64) ([32]byte, lease.Epoch, bool) {
	return l.store.Present().Mark(index)
}

func position(p store.Position) lease.Position {
	return lease.Position{Index: p.Index, Hash: p.Hash}
}

// Making implements lease.Log.
func (l *Ledger) Making() (lease.Position, lease.Epoch) {
	last, epoch := l.store.Present().Making()
	return position(last), epoch
}

// Makes implements lease.Log.
func (l *Ledger) Makes(p lease.Position) bool {
	return l.store.Present().Makes(store.Position{Index: p.Index, Hash: p.Hash})
}

// Moved implements Journal.
func (l *Ledger) Moved() <-chan struct{} { return l.options.Moved }

// Unwritten implements Journal.
func (l *Ledger) Unwritten() lease.Epoch { return l.store.Present().Unwritten() }

// Begin implements Journal.
func (l *Ledger) Begin(ctx context.Context, e lease.Epoch) error {
	_, err := l.store.Present().Begin(ctx, e)
	return err
}

// Halt implements Journal.
func (l *Ledger) Halt(reason error) { l.store.Present().Halt(reason) }

// Publish implements Journal.
func (l *Ledger) Publish(index uint64) { l.store.Present().Publish(index) }

// Tail implements Journal.
func (l *Ledger) Tail(from, to uint64, most int) ([]lease.Entry, error) {
	raw, err := l.store.Present().Tail(from, to, most)
	if err != nil {
		return nil, err
	}
	return entries(from, raw)
}

// Recent implements Journal.
func (l *Ledger) Recent(from, to uint64, most int) ([]lease.Entry, error) {
	return entries(from, l.store.Present().Recent(from, to, most))
}

// entries are the records from an index on as the other node is given them: it verifies them.
func entries(from uint64, raw [][]byte) (out []lease.Entry, err error) {
	out = make([]lease.Entry, len(raw))
	for i, b := range raw {
		if out[i], err = entry(b); err != nil {
			return nil, fault.Wrap(err, fault.Malformed, fmt.Sprintf("read record %d", from+uint64(i)))
		}
	}
	return out, nil
}

// entry is a record of the journal as the other node is given it.
func entry(record []byte) (lease.Entry, error) {
	index, epoch, hash, err := journal.Head(record)
	return lease.Entry{Position: lease.Position{Index: index, Hash: hash}, Epoch: epoch, Data: record}, err
}

// Append implements Journal.
func (l *Ledger) Append(ctx context.Context, entries []lease.Entry) error {
	raw := make([][]byte, len(entries))
	for i, e := range entries {
		raw[i] = e.Data
	}
	_, err := l.store.Present().Append(ctx, raw)
	if err == nil {
		l.mu.Lock()
		l.parted = nil
		l.mu.Unlock()
	}
	return err
}

// CutTail implements Journal.
func (l *Ledger) CutTail(ctx context.Context, to lease.Position) error {
	path, err := l.forkFile(to.Index)
	if err != nil {
		return err
	}
	at := store.Position{Index: to.Index, Hash: to.Hash}
	err = l.store.Present().Cut(ctx, at, path)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parted = nil; err != nil {
		l.parted = &at
	}
	return err
}

// forkFile is where the records after an index are kept.
func (l *Ledger) forkFile(after uint64) (string, error) {
	dir := filepath.Join(l.options.Dir, ForkDir)
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "keep a fork of the journal")
	}
	return filepath.Join(dir, fmt.Sprintf("%s-after-%d.fork", time.Now().UTC().Format("20060102T150405.000Z"), after)), nil
}

// Probe implements Journal.
func (l *Ledger) Probe(ctx context.Context) error { return l.store.Present().Probe(ctx) }

// Snapshot implements Journal.
func (l *Ledger) Snapshot(ctx context.Context, w io.Writer) (lease.Position, error) {
	at, err := l.store.Present().Snapshot(ctx, w)
	return position(at), err
}

// Install implements Journal. What the snapshot may not have is kept as a fork first. The old store is then
// closed; where the snapshot cannot be put in its place, it is opened again.
func (l *Ledger) Install(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head, err := store.ReadSnapshot(ctx, f, l.options.SealKey)
	if err != nil {
		return err
	}
	if err := l.keep(ctx, head.Position); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := l.store.Present().Close(); err != nil {
		return fault.Wrap(err, fault.Unavailable, "close the store that a snapshot replaces")
	}
	failed := store.Install(ctx, f, l.options)
	next, err := store.Open(l.options)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "open the store after a snapshot")
	}
	l.store.now.Store(next)
	l.mu.Lock()
	if failed == nil {
		l.parted = nil
	}
	l.mu.Unlock()
	return failed
}

// partedAt is the last record before those that the primary lacks, or that were never published, where it is known
// that the two journals part.
func (l *Ledger) partedAt(s *store.Store) (at store.Position, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parted == nil {
		return at, false
	}
	if hash, _, there := s.Mark(l.parted.Index); !there || hash != l.parted.Hash {
		return at, false
	}
	if at = s.Tip(); l.parted.Index < at.Index {
		at = *l.parted
	}
	return at, true
}

// keep saves what a snapshot of a position may lack: the records after which this journal parts from the
// snapshot's; all, when it parts nobody knows where; else those that were never published.
func (l *Ledger) keep(ctx context.Context, snapshot store.Position) error {
	s := l.store.Present()
	after, end := s.Tip(), s.End()
	hash, _, there := s.Mark(snapshot.Index)
	if at, known := l.partedAt(s); known {
		after = at
	} else if end.Index > snapshot.Index || there && hash != snapshot.Hash {
		after = s.CutAt()
	}
	if after.Index >= end.Index {
		return nil
	}
	path, err := l.forkFile(after.Index)
	if err != nil {
		return err
	}
	return s.Fork(ctx, after, path)
}
