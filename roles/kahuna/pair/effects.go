package pair

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/store/durable"
)

// do carries out one effect. What takes time goes on elsewhere and is answered with an event.
func (d *Driver) do(effect lease.Effect) {
	j := d.cfg.Journal
	switch e := effect.(type) {
	case lease.Save:
		d.durable.Store(&e.State)
		d.saves.Add(func() {
			if err := SaveState(d.cfg.Dir, e.State); err != nil {
				d.cfg.Log.Error("what this node promised cannot be written; it stops", "error", err)
				d.fail(fault.Wrap(err, fault.Unavailable, "write "+filepath.Join(d.cfg.Dir, voterFile)))
				return
			}
			d.tell(lease.Saved{})
		})
	case lease.Send:
		if e.To.Node != "" {
			d.cfg.Carrier.Send(e.To.Node, e.Message)
			return
		}
		d.ask(e.To.Witness, e.Message)
	case lease.Fsync:
		d.log.Add(func() { d.prove(e.Token, true) })
	case lease.Write:
		d.log.Add(func() { d.written(e.Token, "records of the other node", j.Append(d.ctx, e.Entries)) })
	case lease.CutTail:
		d.log.Add(func() { d.written(e.Token, "the end of the journal to cut off", j.CutTail(d.ctx, e.To)) })
	case lease.Install:
		d.log.Add(func() { d.install(e.Token) })
	case lease.Ship:
		d.ship(e.To, e.Message)
	case lease.ShipSnapshot:
		d.cfg.Carrier.Send(e.To, offer{Epoch: e.Epoch})
	case lease.Begin:
		d.rules.Store(&e.Epoch)
		d.log.Add(func() { d.begin(e.Epoch) })
	case lease.Publish:
		j.Publish(e.Position.Index)
	case lease.Serve:
		d.cfg.Role.Serve(e.Epoch)
	case lease.Stop:
		d.rules.Store(nil)
		j.Halt(notPrimary(e.Why)) // first: what a drain held back is refused then
		d.cfg.Role.Stop(e.Why)
	case lease.Drain:
		d.cfg.Role.Drain()
	case lease.Resume:
		d.cfg.Role.Resume()
	case lease.Note:
		d.cfg.Log.Info("pair: "+e.What, "detail", e.Detail)
		d.cfg.Role.Noted(e)
	}
}

func notPrimary(why string) error {
	return fault.New(fault.Unavailable, "this Kahuna is the primary no more: %s", why)
}

// begin begins an epoch in the journal, unless that is over by then.
func (d *Driver) begin(e lease.Epoch) {
	still := func() bool { now := d.rules.Load(); return now != nil && *now == e }
	if !still() {
		return
	}
	if err := d.cfg.Journal.Begin(d.ctx, e); err != nil && d.ctx.Err() == nil {
		d.cfg.Log.Error("the epoch cannot begin", "epoch", e.String(), "error", err)
	}
	if !still() { // it ended meanwhile, and its Halt may have come before the beginning
		d.cfg.Journal.Halt(notPrimary("its epoch ended as it began"))
	}
}

func (d *Driver) written(token uint64, what string, err error) {
	if err != nil && d.ctx.Err() == nil {
		d.cfg.Log.Error("the journal does not take "+what, "error", err)
	}
	d.tell(lease.Written{Token: token, OK: err == nil})
}

// prove fsyncs until it works, also when the reign that asked is over: until then nobody is elected here.
// Records of the other node do not wait behind it.
func (d *Driver) prove(token uint64, first bool) {
	err := d.cfg.Journal.Probe(d.ctx)
	if err == nil {
		d.tell(lease.Fsynced{Token: token})
		return
	}
	if d.ctx.Err() != nil {
		return
	}
	if first {
		d.cfg.Log.Error("the disk of the journal does not take writes; the lease is not renewed", "error", err)
	}
	d.work.Go(func() {
		sleep(d.ctx, probeAgain)
		d.log.Add(func() { d.prove(token, false) })
	})
}

// ask puts a question to a witness; its answer is an event.
func (d *Driver) ask(w lease.Witness, m lease.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asking[w] >= asksEach {
		return
	}
	d.asking[w]++
	d.work.Go(func() {
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.asking[w]--; d.asking[w] == 0 {
				delete(d.asking, w)
			}
		}()
		ctx, cancel := context.WithTimeout(d.ctx, askAtMost)
		defer cancel()
		reply, err := d.cfg.Witnesses.Ask(ctx, w, m)
		if err != nil || reply == nil {
			return
		}
		d.tell(lease.Received{From: lease.Address{Witness: w}, Message: reply})
	})
}

// ship sends records to a node, as many as fit.
func (d *Driver) ship(to lease.NodeID, m lease.Entries) {
	if records, err := d.cfg.Journal.Recent(m.Prev.Index+1, m.End.Index, shipBytes); err == nil && len(records) > 0 {
		m.Records = records
		d.cfg.Carrier.Send(to, m)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ships[to] >= shipsEach {
		return
	}
	d.ships[to]++
	d.work.Go(func() {
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.ships[to]--
		}()
		records, err := d.cfg.Journal.Tail(m.Prev.Index+1, m.End.Index, shipBytes)
		if err != nil {
			d.cfg.Log.Warn("records cannot be read for the other Kahuna", "from", m.Prev.Index+1, "error", err)
			return
		}
		m.Records = records
		d.cfg.Carrier.Send(to, m)
	})
}

// snapshotAtMost bounds how long a snapshot takes.
const snapshotAtMost = time.Hour

// snapshotFile is the name, below the data directory, of a snapshot that arrives.
const snapshotFile = "snapshot.part"

// fetch gets the snapshot that a primary offers, one at a time.
func (d *Driver) fetch(from lease.NodeID, o offer) {
	if d.ctx.Err() != nil || !d.fetches.CompareAndSwap(false, true) {
		return
	}
	d.work.Go(func() {
		defer d.fetches.Store(false)
		ctx, cancel := context.WithTimeout(d.ctx, snapshotAtMost)
		defer cancel()
		path := filepath.Join(d.cfg.Dir, snapshotFile)
		end, err := d.download(ctx, from, path)
		if err != nil {
			_ = os.Remove(path)
			if d.ctx.Err() == nil {
				d.cfg.Log.Warn("the snapshot of the primary did not arrive", "error", err)
			}
			return
		}
		d.cfg.Log.Info("a snapshot of the primary arrived", "index", end.Index)
		d.mu.Lock()
		d.image = path
		d.mu.Unlock()
		d.tell(lease.SnapshotArrived{From: from, Epoch: o.Epoch, End: end})
	})
}

func (d *Driver) download(ctx context.Context, from lease.NodeID, path string) (lease.Position, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return lease.Position{}, err
	}
	var end snapshotEnd
	err = d.cfg.Carrier.Fetch(ctx, from, forSnapshots, durable.NewPaced(f), &end)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return end.End, err
}

func (d *Driver) install(token uint64) {
	d.mu.Lock()
	path := d.image
	d.image = ""
	d.mu.Unlock()
	err := error(fault.New(fault.Internal, "there is no snapshot to install"))
	if path != "" {
		err = d.cfg.Journal.Install(d.ctx, path)
		_ = os.Remove(path)
	}
	d.written(token, "the snapshot", err)
}
