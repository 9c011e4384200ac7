package store

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/failpoint"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
	"kowabunga/store/tree"
)

// The moments of a commit at which a crash is interesting. Between before-sync and after-sync bbolt
// writes and syncs the pages, then the page that makes them count.
var (
	beforeWrite  = failpoint.Register("store.commit.before-write")
	beforeSync   = failpoint.Register("store.commit.before-sync")
	afterSync    = failpoint.Register("store.commit.after-sync")
	beforeAnswer = failpoint.Register("store.commit.before-answer")
)

const (
	batchAtMost   = 512     // changes in one transaction
	trimPerRecord = 2       // with every record written up to this many old ones are cut,
	trimAtLeast   = 16      // and with every transaction this many more
	trimAtOnce    = 100_000 // by Trim
)

// pending is a record that is being written, with the values of what it changes.
type pending struct {
	record  Record
	changes []tree.Change
	after   []seal.Value // of each change; empty for deletions
}

// commits is the committer: it takes what is queued as a batch until the store is closed.
func (s *Store) commits() {
	ended := false
	defer func() {
		if ended {
			close(s.done)
			return
		}
		// A change called runtime.Goexit (a failed assertion of a test does). This goroutine is lost, the
		// store is not: its batch fails as if the change had panicked, and another goroutine goes on.
		s.rewind()
		s.refuse(fault.New(fault.Internal, "a change ended the goroutine it ran in; nothing was changed"))
		go s.commits()
	}()
	for {
		select {
		case j := <-s.queue:
			s.commit(j)
		case <-s.closing:
			for {
				select {
				case j := <-s.queue:
					s.commit(j)
					continue
				default:
				}
				break
			}
			ended = true
			return
		}
	}
}

// commit handles a batch that begins with j.
func (s *Store) commit(j *job) {
	// Those just answered are runnable and about to queue their next change: let them, so that a batch is
	// everybody's and not the first one's alone.
	runtime.Gosched()
	s.batch = append(s.batch[:0], j)
drain:
	for len(s.batch) < batchAtMost {
		select {
		case j := <-s.queue:
			s.batch = append(s.batch, j)
		default:
			break drain
		}
	}
	var records []*pending
	var answers []answer
	var waiting []*job
	trim := false
	for _, j := range s.batch {
		if !j.taken.CompareAndSwap(false, true) {
			continue
		}
		if j.trim {
			trim = true
			waiting, answers = append(waiting, j), append(answers, answer{})
			continue
		}
		r, a := s.run(j)
		if r == nil && len(records) == 0 {
			j.done <- a // decided on what everybody can see
			continue
		}
		if r != nil {
			records = append(records, r)
		}
		waiting, answers = append(waiting, j), append(answers, a)
	}
	if len(records) > 0 || trim && s.due() {
		cuts := trimAtLeast + trimPerRecord*len(records)
		if trim {
			cuts = trimAtOnce
		}
		next, err := s.write(records, cuts)
		if err != nil {
			s.rewind()
			s.failed(err)
			return
		}
		s.publish(next)
		if err := beforeAnswer.Hit(); err != nil {
			s.log.Error("failpoint", "err", err)
		}
	}
	for i, j := range waiting {
		j.done <- answers[i]
	}
}

// run makes one change on top of the tip. It returns the record to write, or none when there is nothing
// to write: the change failed, or changed nothing.
func (s *Store) run(j *job) (*pending, answer) {
	if err := j.ctx.Err(); err != nil {
		return nil, answer{err: withdrawn(err)}
	}
	if s.broken {
		return nil, answer{err: s.Err()}
	}
	r := &pending{record: Record{Epoch: s.epoch, Cause: j.cause}}
	last := s.state
	s.number(r)
	edit := s.tip.EditAt(r.record.Index, r.record.Time)
	err := s.call(j, edit)
	if err == nil {
		r.changes = edit.Changes()
		err = s.encode(r)
	}
	if err != nil || len(r.changes) == 0 {
		s.state = last
		return nil, answer{s.tip.Index(), err}
	}
	s.advance(edit.Publish(r.record.Index), r.changes)
	return r, answer{index: r.record.Index}
}

// number gives a record its index and time.
func (s *Store) number(r *pending) {
	s.state.Index++
	s.state.Time = stamp(s.opts.Now(), s.state.Time)
	r.record.Index, r.record.Time = s.state.Index, s.state.Time
}

// call runs the caller's function and turns a panic into a fault.
func (s *Store) call(j *job, draft model.Draft) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a change panicked", "what", j.cause.What, "request", j.cause.Request, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &fault.Error{Code: fault.Internal, Op: j.cause.What, Message: "a defect stopped the change; nothing was changed"}
		}
	}()
	return j.f(draft)
}

// encode makes the values of what a change put. It happens before anything builds on the change, so
// that an object that cannot be encoded fails its own change only.
func (s *Store) encode(r *pending) error {
	r.after = make([]seal.Value, len(r.changes))
	for i, c := range r.changes {
		if c.After == nil {
			continue
		}
		v, err := s.sealer.Encode(s.tables[c.Kind], c.After)
		if err != nil {
			return err
		}
		r.after[i] = v
	}
	return nil
}

// write makes records durable in one transaction and returns the state they lead to. The state of the
// store is only replaced by publish.
func (s *Store) write(records []*pending, cuts int) (next state, err error) {
	err = guarded(func() error {
		next, err = s.transact(records, cuts)
		return err
	})
	return next, err
}

func (s *Store) transact(records []*pending, cuts int) (next state, err error) {
	if err := beforeWrite.Hit(); err != nil {
		return next, err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return next, err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	next = s.state
	log := tx.Bucket(journalBucket)
	log.FillPercent = 0.95 // records only ever go to the end
	objects := tx.Bucket(objectsBucket)
	for _, r := range records {
		if err := apply(objects, r); err != nil {
			return next, err
		}
		r.record.Prev = next.Hash
		b := r.record.Encode()
		if err := log.Put(number(r.record.Index), b); err != nil {
			return next, err
		}
		next.Hash = r.record.Hash
		next.Bytes += 8 + int64(len(b))
	}
	if err := s.cut(log, &next, cuts); err != nil {
		return next, err
	}
	if err := writeState(tx, &next); err != nil {
		return next, err
	}
	if err := beforeSync.Hit(); err != nil {
		return next, err
	}
	if err := tx.Commit(); err != nil {
		return next, err
	}
	return next, afterSync.Hit()
}

// apply writes what a record changes and completes the record with the values from before.
func apply(objects *bbolt.Bucket, r *pending) error {
	r.record.Changes = make([]Change, len(r.changes))
	for i, c := range r.changes {
		b, err := objects.CreateBucketIfNotExists([]byte(c.Kind))
		if err != nil {
			return err
		}
		out := &r.record.Changes[i]
		*out = Change{Kind: c.Kind, ID: c.ID, Op: journal.Update, Before: b.Get([]byte(c.ID)), After: r.after[i]}
		switch {
		case (c.Before == nil) != (out.Before == nil):
			return fault.New(fault.Internal, "%s %s is in the file or in memory, but not in both", c.Kind, c.ID)
		case c.Before == nil:
			out.Op = journal.Create
		case c.After == nil:
			out.Op, out.Version = journal.Delete, c.Before.Base().Version
			// The bytes of Before stay good until the transaction ends, deleted or not.
			if err := b.Delete([]byte(c.ID)); err != nil {
				return err
			}
			continue
		}
		out.Version = c.After.Base().Version
		if err := b.Put([]byte(c.ID), r.after[i]); err != nil {
			return err
		}
	}
	return nil
}

// rewind forgets what was made on top of the published state.
func (s *Store) rewind() {
	s.state = s.published.Load().state
	s.retreat()
}

// publish shows the tip to everybody.
func (s *Store) publish(next state) {
	s.state, s.unpublished = next, nil
	old := s.published.Load()
	s.published.Store(&snapshot{root: s.tip, state: next, next: make(chan struct{})})
	if old != nil {
		close(old.next)
	}
	if s.failure.Swap(nil) != nil {
		s.log.Info("store writes again", "index", next.Index)
	}
}

// failed answers a batch that could not be written, refusals that were decided on it included.
func (s *Store) failed(cause error) {
	f := &fault.Error{Code: fault.Unavailable, Op: "write to the store", Message: "the change could not be written; nothing was changed; free some disk space or repair the disk", Err: cause}
	var file state
	err := guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) (err error) {
			file, err = readState(tx)
			return err
		})
	})
	if err != nil || file.Position != s.state.Position {
		s.broken = true
		f.Message = "it is not known whether the change was written; the store takes no more changes until Kahuna is restarted"
	}
	s.failure.Store(f)
	s.log.Error("store cannot write", "err", cause, "index", s.state.Index, "readonly", s.broken, "at", s.state.Time.Format(time.RFC3339))
	s.refuse(f)
}

// refuse answers all of the batch that has no answer yet.
func (s *Store) refuse(err error) {
	for _, j := range s.batch {
		select {
		case j.done <- answer{err: err}:
		default: // answered
		}
	}
	s.batch = s.batch[:0]
}
