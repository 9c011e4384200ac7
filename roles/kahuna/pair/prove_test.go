package pair

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// broken is a journal whose disk takes nothing until it is mended.
type broken struct {
	Journal
	mended atomic.Bool
	probes chan struct{}
}

func (b *broken) Probe(context.Context) error {
	select {
	case b.probes <- struct{}{}:
	default:
	}
	if b.mended.Load() {
		return nil
	}
	return fault.New(fault.Unavailable, "no room")
}

// A disk that takes no writes holds up nothing else of the journal, and is tried until it does: also after the
// reign that asked has ended, or the node could never be elected again.
func TestDiskIsTriedUntilItTakesWrites(t *testing.T) {
	b := &broken{probes: make(chan struct{}, 1)}
	d := &Driver{cfg: Config{Journal: b, Log: slog.New(slog.DiscardHandler)}, log: NewQueue(), events: make(chan lease.Event, 1)}
	d.ctx, d.stop = context.WithCancel(t.Context())
	d.work.Go(d.log.Run)
	defer func() {
		d.stop()
		d.log.Close()
		d.work.Wait()
	}()
	d.do(lease.Fsync{Token: 7})
	<-b.probes
	behind := make(chan struct{})
	d.log.Add(func() { close(behind) })
	<-behind
	select {
	case e := <-d.events:
		t.Fatalf("a disk that takes nothing is told as %+v", e)
	default:
	}
	b.mended.Store(true)
	if e := <-d.events; e != (lease.Fsynced{Token: 7}) {
		t.Errorf("the mended disk is told as %+v", e)
	}
}
