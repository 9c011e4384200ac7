package store

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/seal"
	"kowabunga/store/tree"
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
	root    *tree.Root   // the state it leads to
	raw     []byte       // its bytes in the file; until it is written, only when another node made it
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
			s.take(j)
		case <-s.late.idle.C:
			s.tidy(true)
		case <-s.closing:
			for {
				select {
				case j := <-s.queue:
					s.take(j)
					continue
				default:
				}
				break
			}
			s.settle()
			ended = true
			return
		}
	}
}

// take handles what is queued, beginning with j: changes as a batch, and what has to be alone after it.
func (s *Store) take(j *job) {
	if j.act != nil {
		s.perform(j)
		return
	}
	// Those just answered are runnable and about to queue their next change: let them, so that a batch is
	// everybody's and not the first one's alone.
	runtime.Gosched()
	s.batch = append(s.batch[:0], j)
	alone := s.gather()
	about := len(s.batch)
	s.commit()
	s.company.seen(about + len(s.queue))
	if alone != nil {
		s.perform(alone)
	}
}

// commit handles a batch.
func (s *Store) commit() {
	var records []*pending
	var waiting []waiter
	var chores []*job
	trim, probe := false, false
	on := s.last.state.Index // of the state that changes are decided on
	for _, j := range s.batch {
		if !j.taken.CompareAndSwap(false, true) {
			continue
		}
		if j.f == nil {
			trim, probe = trim || j.trim, probe || !j.trim
			chores = append(chores, j)
			continue
		}
		if err := s.refusal(j); err != nil {
			j.reply(answer{err: err})
			continue
		}
		r, a := s.run(j)
		if r != nil {
			records = append(records, r)
			on = r.record.Index
		} else if on <= s.published.Load().state.Index {
			j.reply(a) // decided on what everybody can see
			continue
		}
		waiting = append(waiting, waiter{j, a, on, r != nil})
	}
	if err := s.await(waiting); err != nil { // halted while they ran
		s.rewind()
		records = nil
		for _, w := range waiting {
			w.job.reply(answer{err: err})
		}
	}
	if probe && s.full && len(records) == 0 { // what is little may fit all the same, and would prove nothing
		if err := s.room(); err != nil {
			f := s.failed(err)
			for _, j := range chores {
				j.reply(answer{err: f})
			}
			return
		}
		s.full = false
	}
	if err := s.fold(); err != nil {
		for _, j := range chores {
			j.reply(answer{err: err})
		}
		return
	}
	if len(records) > 0 || probe || trim && s.due() {
		cuts := trimAtLeast + trimPerRecord*len(records)
		if trim {
			cuts = trimAtOnce
		}
		next, err := s.write(ofCommit, records, cuts)
		if err != nil {
			f := s.failed(err)
			s.full = s.full || len(records) > 0
			s.unwait(f)
			for _, j := range chores {
				j.reply(answer{err: f})
			}
			return
		}
		s.committed(next, records)
	}
	for _, j := range chores {
		j.reply(answer{})
	}
}

// perform runs what has to have the committer for itself.
func (s *Store) perform(j *job) {
	if !j.taken.CompareAndSwap(false, true) {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("the committer panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.rewind()
			j.reply(answer{err: fault.New(fault.Internal, "a defect stopped the work; nothing was changed")})
		}
	}()
	err := j.ctx.Err()
	switch {
	case err != nil:
		err = withdrawn(err)
	case s.broken:
		err = s.Err()
	case !j.late:
		err = s.fold()
	}
	if err == nil {
		err = j.act(j.ctx)
	}
	j.reply(answer{s.last.state.Index, err})
	s.tidy(false)
}

// refusal is why a change is not even tried.
func (s *Store) refusal(j *job) error {
	if err := j.ctx.Err(); err != nil {
		return withdrawn(err)
	}
	if s.broken {
		return s.Err()
	}
	if h := s.halted.Load(); h != nil {
		return h.reason
	}
	return nil
}

// run makes one change on top of the tip. It returns the record to write, or none when there is nothing
// to write: the change failed, or changed nothing.
func (s *Store) run(j *job) (*pending, answer) {
	r := &pending{record: Record{Epoch: s.Epoch(), Cause: j.cause}}
	before := s.state
	s.number(r)
	edit := s.tip.EditAt(r.record.Index, r.record.Time)
	err := s.call(j, edit)
	if err == nil {
		r.changes = edit.Changes()
		err = s.encode(r)
	}
	if err != nil || len(r.changes) == 0 {
		s.state = before
		return nil, answer{s.tip.Index(), err}
	}
	r.root = edit.Publish(r.record.Index)
	s.advance(r.root, r.changes)
	return r, answer{index: r.record.Index}
}

// number gives a record its index and time.
func (s *Store) number(r *pending) {
	s.state.Index++
	s.state.Time = stamp(s.opts.Now(), s.state.Time)
	s.state.Reign = r.record.Epoch
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

// committed takes over what was written.
func (s *Store) committed(next state, records []*pending) {
	s.state, s.uncommitted = next, nil
	s.last = &snapshot{root: s.tip, state: next}
	s.grown(records)
	s.full = s.full && len(records) == 0
	if !s.full && s.failure.Swap(nil) != nil {
		s.log.Info("store writes again", "index", next.Index)
	}
	if !s.opts.Held {
		s.show(next.Index)
	}
}

// rewind forgets what was made since the last commit.
func (s *Store) rewind() {
	s.state = s.last.state
	lost := s.uncommitted
	s.uncommitted = nil
	s.retreat(s.last.root, lost)
}

// failed forgets what could not be written and tells what is known of it.
func (s *Store) failed(cause error) error {
	s.rewind()
	known, broken := s.failure.Load() != nil, s.broken
	f := &fault.Error{Code: fault.Unavailable, Op: "write to the store", Message: "the change could not be written; nothing was changed; free some disk space or repair the disk", Err: cause}
	if s.withdraw() {
		f.Message = "the change could not be written here, and may stand at the other Kahuna; free some disk space or repair the disk"
		s.Halt(f)
	}
	if !s.stands() {
		s.broken = true
		f.Message = "it is not known whether the change was written; the store takes no more changes until Kahuna is restarted"
	}
	s.failure.Store(f)
	if known && s.broken == broken {
		return f // said already; a full disk is tried again and again
	}
	s.log.Error("store cannot write", "err", cause, "index", s.state.Index, "readonly", s.broken, "at", s.state.Time.Format(time.RFC3339))
	return f
}

// refuse answers all of the batch that has no answer yet.
func (s *Store) refuse(err error) {
	for _, j := range s.batch {
		j.reply(answer{err: err})
	}
	s.batch = s.batch[:0]
}

// alone runs f in the committer, between two batches.
func (s *Store) alone(ctx context.Context, f func(context.Context) error) (uint64, error) {
	return s.submit(&job{ctx: ctx, act: f, done: make(chan answer, 1)})
}
