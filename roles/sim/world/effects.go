package world

import (
	"slices"
	"time"

	"kowabunga/core/lease"
	"kowabunga/store/journal"
)

// atOnce is how many records one message carries.
const atOnce = 64

// do carries out an effect of the replica.
func (n *node) do(effect lease.Effect) {
	switch e := effect.(type) {
	case lease.Save:
		n.host.disk.submit(stateFile, write{grows: true, apply: func() { n.durable = e.State }, done: n.finished(func(ok bool) {
			if !ok {
				n.stopDead("stops: its state cannot be written")
				return
			}
			n.step(lease.Saved{})
		})})
	case lease.Send:
		if to, ok := n.w.find(e.To); ok {
			n.w.send(n.at, to, e.Message)
		}
	case lease.Fsync:
		n.fsync(e)
	case lease.Write:
		n.write(e)
	case lease.CutTail:
		n.cutTail(e)
	case lease.Install:
		n.install(e)
	case lease.Ship:
		if to, ok := n.w.find(lease.Address{Node: e.To}); ok {
			m := e.Message
			m.Records = n.log.after(m.Prev, m.End.Index, atOnce)
			n.w.send(n.at, to, m)
		}
	case lease.ShipSnapshot:
		if to, ok := n.w.find(lease.Address{Node: e.To}); ok {
			n.w.say(n.name, "sends %s a snapshot of %d", n.w.places[to].title(), n.published.Index)
			n.w.send(n.at, to, snapshot{epoch: e.Epoch, end: n.published, state: n.shown.clone(), last: n.log.timeOf(n.published.Index), voter: n.durable})
		}
	case lease.Begin:
		n.commit.start(e.Epoch)
	case lease.Publish:
		n.publish(e.Position)
	case lease.Serve:
		if _, epoch, _ := n.log.At(n.published.Index); epoch != e.Epoch {
			n.w.broken("the record that an epoch begins is published before it serves", "%s serves in epoch %s, and what it published last is of %s", n.name, e.Epoch, epoch)
		}
		if e.Epoch.Compare(n.last) <= 0 {
			n.w.broken("an epoch that ended is over", "%s serves in epoch %s after it served in %s", n.name, e.Epoch, n.last)
		}
		n.serving, n.draining, n.epoch, n.last = true, false, e.Epoch, e.Epoch
		n.w.say(n.name, "SERVES in epoch %s, published %d, in sync %v", e.Epoch, n.published.Index, e.Record.Sync)
		n.serve(e.Record)
	case lease.Stop:
		n.w.say(n.name, "STOPS: %s", e.Why)
		n.halt()
	case lease.Drain:
		n.w.say(n.name, "takes no new work")
		n.draining = true
	case lease.Resume:
		n.w.say(n.name, "takes new work again")
		n.draining = false
	case lease.Note:
		n.w.say(n.name, "%s: %s", e.What, e.Detail)
	}
}

// finished wraps what is to be done in this process once the disk has done something.
func (n *node) finished(then func(ok bool)) func(bool) {
	life := n.life
	return func(ok bool) {
		if n.life == life {
			n.run(func() { then(ok) })
		}
	}
}

// stopDead ends the program by its own will; the service manager starts it again.
func (n *node) stopDead(why string) {
	n.kill(why)
	n.w.after(5*time.Second, n.start)
}

// fsync proves that the disk takes writes, again and again until it does. After records that found no room it
// needs room itself.
func (n *node) fsync(e lease.Fsync) {
	n.host.disk.submit(logFile, write{grows: n.commit.full, done: n.finished(func(ok bool) {
		if !ok {
			n.later(500*time.Millisecond, func() { n.fsync(e) })
			return
		}
		n.commit.full = false
		n.step(lease.Fsynced{Token: e.Token})
	})})
}

// write appends foreign records.
func (n *node) write(e lease.Write) {
	var records []stored
	ok := false
	n.host.disk.submit(logFile, write{grows: true, apply: func() {
		if records, ok = n.log.next(e.Entries); ok {
			for _, r := range records {
				n.log.add(r)
			}
			n.log.synced = n.log.End().Index
		}
	}, done: n.finished(func(done bool) { n.step(lease.Written{Token: e.Token, OK: ok && done}) })})
}

// cutTail removes the end of the log, after it was saved as a fork.
func (n *node) cutTail(e lease.CutTail) {
	ok := false
	n.host.disk.submit(logFile, write{grows: true, apply: func() {
		hash, _, there := n.log.At(e.To.Index)
		if ok = there && (e.To.Index == 0 || hash == e.To.Hash); !ok {
			return
		}
		end := n.log.End().Index
		if e.To.Index < n.published.Index && n.up && n.w.truth.shown(n.published) && !n.w.truth.lossy {
			n.w.broken("nothing published is unpublished", "%s cuts its log to %d, and had published %d", n.name, e.To.Index, n.published.Index)
		}
		if removed := n.log.trim(e.To.Index); removed > 0 {
			n.log.forks = append(n.log.forks, fork{e.To.Index + 1, end})
			n.w.say(n.name, "keeps its records %d to %d as a fork", e.To.Index+1, end)
		}
	}, done: n.finished(func(done bool) { n.step(lease.Written{Token: e.Token, OK: ok && done}) })})
}

// install replaces the log by the snapshot that arrived.
func (n *node) install(e lease.Install) {
	taken := n.taken
	n.host.disk.submit(logFile, write{grows: true, apply: func() {
		if taken == nil {
			return
		}
		if !n.w.truth.shown(taken.end) && !n.w.truth.lossy {
			n.w.broken("a snapshot is of what is published", "%s installs a snapshot of %d, which nobody published", n.name, taken.end.Index)
		}
		n.log.cut, n.log.base, n.log.head, n.log.recs = taken.end, taken.state.clone(), taken.state.clone(), nil
		n.log.synced, n.log.last = taken.end.Index, taken.last
		if n.w.opts.Flaws.Has(lease.FlawSnapshotOverVoter) {
			n.durable = taken.voter // the file of the voter was in it
		}
	}, done: n.finished(func(done bool) {
		if done && taken != nil {
			n.w.say(n.name, "installed a snapshot of %d", taken.end.Index)
			n.published, n.shown = taken.end, n.log.base.clone()
			if n.w.opts.Flaws.Has(lease.FlawSnapshotOverVoter) {
				n.stopDead("starts anew with what came")
				return
			}
		}
		n.taken = nil
		n.step(lease.Written{Token: e.Token, OK: done && taken != nil})
	})})
}

// sign makes a certificate of this node. A sum over the key stands in for a signature.
func (n *node) sign(kind lease.CertificateKind, e lease.Epoch) lease.Certificate {
	return lease.Certificate{Kind: kind, Epoch: e, Sig: seal(n.key, kind, e)}
}

func seal(key []byte, kind lease.CertificateKind, e lease.Epoch) []byte {
	var t trace
	for _, s := range []string{string(key), string(kind), e.Node} {
		for i := range len(s) {
			t.fold(uint64(s[i]))
		}
		t.fold(256)
	}
	t.fold(e.Counter)
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(t.sum >> (8 * i))
	}
	return b
}

// valid tells whether a certificate is signed by the node that its epoch names, as one of those known.
func (w *World) valid(c lease.Certificate, nodes []lease.Node) bool {
	i := slices.IndexFunc(nodes, func(n lease.Node) bool { return string(n.ID) == c.Epoch.Node })
	return i >= 0 && string(c.Sig) == string(seal(nodes[i].Key, c.Kind, c.Epoch))
}

// what a record is about, of those that no client asked for
var system = journal.Cause{Actor: "system", What: "epoch begins"}
