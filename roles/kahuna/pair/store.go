package pair

import (
	"context"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store"
	"kowabunga/store/seal"
)

// Store is the store that is open at present: a snapshot of the primary replaces a standby's by another
// one, and whoever holds a Store goes on with that.
type Store struct {
	now   atomic.Pointer[store.Store]
	drain atomic.Pointer[drain]
}

// drain holds new changes back until it is over.
type drain struct{ over chan struct{} }

// Drain holds new changes back, until Resume.
func (c *Store) Drain() { c.drain.CompareAndSwap(nil, &drain{make(chan struct{})}) }

// Resume lets changes through again. Those that were held back then find whatever the store says by then.
func (c *Store) Resume() {
	if d := c.drain.Swap(nil); d != nil {
		close(d.over)
	}
}

// Drained is closed when no changes are held back any more; nil while none are.
func (c *Store) Drained() <-chan struct{} {
	if d := c.drain.Load(); d != nil {
		return d.over
	}
	return nil
}

// NewStore begins with an open store.
func NewStore(s *store.Store) *Store {
	c := &Store{}
	c.now.Store(s)
	return c
}

// Present is the store that is open now. Keep it for a moment only.
func (c *Store) Present() *store.Store { return c.now.Load() }

// View is store.Store's.
func (c *Store) View() model.View { return c.now.Load().View() }

// Tip is store.Store's.
func (c *Store) Tip() store.Position { return c.now.Load().Tip() }

// Epoch is store.Store's.
func (c *Store) Epoch() store.Epoch { return c.now.Load().Epoch() }

// Err is store.Store's.
func (c *Store) Err() error { return c.now.Load().Err() }

// Halted is store.Store's.
func (c *Store) Halted() bool { return c.now.Load().Halted() }

// Status is store.Store's.
func (c *Store) Status() store.Status { return c.now.Load().Status() }

// Close is store.Store's.
func (c *Store) Close() error { return c.now.Load().Close() }

// Update is store.Store's. During a drain it waits for its end.
func (c *Store) Update(ctx context.Context, cause store.Cause, f func(model.Draft) error) (uint64, error) {
	if over := c.Drained(); over != nil {
		select {
		case <-over:
		case <-ctx.Done():
			return 0, fault.From(ctx.Err())
		}
	}
	return c.now.Load().Update(ctx, cause, f)
}

// Try is store.Store's.
func (c *Store) Try(f func(model.Draft) error) error { return c.now.Load().Try(f) }

// Watch is store.Store's. It ends with a fault when the store is replaced.
func (c *Store) Watch(ctx context.Context, from uint64) iter.Seq2[store.Record, error] {
	return c.now.Load().Watch(ctx, from)
}

// Journal is store.Store's.
func (c *Store) Journal(from uint64, most int) ([]store.Record, error) {
	return c.now.Load().Journal(from, most)
}

// JournalBack is store.Store's.
func (c *Store) JournalBack(from uint64, most int) ([]store.Record, error) {
	return c.now.Load().JournalBack(from, most)
}

// IndexAt is store.Store's.
func (c *Store) IndexAt(at time.Time) (uint64, error) { return c.now.Load().IndexAt(at) }

// At is store.Store's.
func (c *Store) At(ctx context.Context, index, limit uint64) (model.View, error) {
	return c.now.Load().At(ctx, index, limit)
}

// Object is store.Store's.
func (c *Store) Object(kind model.Kind, v seal.Value) (model.Object, error) {
	return c.now.Load().Object(kind, v)
}

// Check is store.Store's.
func (c *Store) Check(ctx context.Context) (*store.Report, error) { return c.now.Load().Check(ctx) }

// Backup is store.Store's.
func (c *Store) Backup(ctx context.Context, w io.Writer, o store.BackupOptions) (*store.Header, error) {
	return c.now.Load().Backup(ctx, w, o)
}

// BackupSince is store.Store's.
func (c *Store) BackupSince(ctx context.Context, w io.Writer, at store.Position) (*store.SegmentHeader, error) {
	return c.now.Load().BackupSince(ctx, w, at)
}
