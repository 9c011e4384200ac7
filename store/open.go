package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/durable"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
	"kowabunga/store/tree"
)

// Store is an open store. All methods may be used by many goroutines.
type Store struct {
	opts   Options
	log    *slog.Logger
	sealer *seal.Sealer
	tables map[model.Kind]*model.Table
	db     *bbolt.DB
	epoch  atomic.Pointer[Epoch] // that changes are made in

	published atomic.Pointer[snapshot]
	end       atomic.Pointer[state]       // where the file ends
	failure   atomic.Pointer[fault.Error] // why writing failed last, nil when it works
	halted    atomic.Pointer[halt]        // why changes are refused, nil when they are not

	isLate atomic.Bool // the log has what the bbolt file has not

	queue   chan *job
	closing chan struct{}
	done    chan struct{} // the committer has ended
	once    sync.Once

	// What the committer shares with those who publish and halt.
	mu        sync.Mutex
	memory    sync.RWMutex // taken within mu to change recent; whoever reads that need not wait for answers being given
	held      []*snapshot  // committed and not published, one for each record
	recent    recent       // of the last records
	making    making       // what is being written
	unwritten Epoch        // of what could not be written after somebody had it
	waiters   []waiter     // in order of index
	halts     int          // how often it was halted
	cutting   bool         // what lies beyond keep is being removed
	keep      uint64

	// The committer's own.
	tip         *tree.Root    // what the next draft begins from
	state       state         // as of the tip
	last        *snapshot     // what was committed last
	uncommitted []tree.Change // since then
	oldest      time.Time     // time of the oldest record kept, zero when not known
	broken      bool          // only the file knows what stands
	full        bool          // the last records could not be written
	batch       []*job
	late        unfolded
	company     company
}

// Create makes the file of a new store in opts.Dir, which is created when missing. Fault: Conflict
// when there is one already.
func Create(opts Options) error {
	opts = opts.filled()
	const op = "create the store"
	if err := declared(opts.Tables); err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	path := filepath.Join(opts.Dir, fileName)
	if err := durable.MkdirAll(opts.Dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	if _, err := os.Lstat(path); err == nil {
		return &fault.Error{Code: fault.Conflict, Op: op, Message: path + " exists already; it was left alone"}
	}
	s := state{Node: newNode(), Check: seal.New(opts.SealKey).Check(), Created: stamp(opts.Now(), time.Time{})}
	err := createFile(path+asideExt, func(tx *bbolt.Tx) error { return layOut(tx, schema, &s, opts.Tables) })
	if err == nil {
		err = createInstall.Hit()
	}
	if err == nil {
		err = install(path+asideExt, path)
	}
	return fault.Wrap(err, fault.Unavailable, op)
}

func newNode() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// stamp is a time as records carry it: UTC, no monotonic part, never before the last one.
func stamp(now, last time.Time) time.Time {
	now = now.UTC().Round(0)
	if now.Before(last) {
		return last
	}
	return now
}

// declared tells whether the tables can be kept.
func declared(tables []model.Table) error {
	if err := tree.Validate(tables); err != nil {
		return err
	}
	for i := range tables {
		if err := seal.Covers(&tables[i]); err != nil {
			return err
		}
	}
	return nil
}

// Open opens the store in opts.Dir for reading and writing, migrating its file when it is of an older
// schema, and begins a new epoch, unless opts.Held. A file that was held and is opened without Held is
// that of the only node now: with the epoch, all that is in the file is published. Faults: NotFound when
// there is no store, Unavailable when another process has it (naming it) or it is damaged, Conflict when
// a newer release wrote it, Denied when it is sealed with another key.
func Open(opts Options) (*Store, error) {
	s, err := open(opts.filled())
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open the store")
	}
	return s, nil
}

func open(opts Options) (*Store, error) {
	if err := declared(opts.Tables); err != nil {
		return nil, err
	}
	path := filepath.Join(opts.Dir, fileName)
	db, err := openFile(path, false)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: opts, log: opts.Log, db: db, sealer: seal.New(opts.SealKey), tables: byKind(opts.Tables),
		queue: make(chan *job, 1024), closing: make(chan struct{}), done: make(chan struct{}),
		late: unfolded{latest: map[target]seal.Value{}, after: foldAfter, idle: never()},
	}
	pid := filepath.Join(opts.Dir, pidName)
	if err := os.WriteFile(pid, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := s.begin(path); err != nil {
		_ = os.Remove(pid)
		return nil, errors.Join(named(path, err), db.Close())
	}
	go s.commits()
	return s, nil
}

// begin loads what is there and writes the record that begins this epoch, unless it is held.
func (s *Store) begin(path string) (err error) {
	began := s.opts.Now()
	switch n, err := recoverLog(s.db, filepath.Join(s.opts.Dir, walName)); {
	case err != nil:
		return err
	case n > 0:
		s.log.Info("records were taken over from "+walName, "records", n)
	}
	if err := migrate(s.db, path, s.opts, s.sealer); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return err
	}
	if s.opts.Held {
		if err := s.hold(); err != nil {
			return err
		}
	} else {
		s.last = &snapshot{root: s.tip, state: s.state}
		epoch := Epoch{Counter: s.state.Epoch + 1, Node: s.state.Node}
		records := []*pending{s.epochBegins(epoch)}
		next, err := s.write(ofCommit, records, trimAtLeast)
		if err != nil {
			return err
		}
		s.epoch.Store(&epoch)
		s.committed(next, records)
	}
	now := s.last.state
	s.log.Info("store opened", "dir", s.opts.Dir, "index", now.Index, "published", s.Tip().Index, "epoch", now.Reign.Counter, "node", now.Node,
		"objects", s.size(), "took", s.opts.Now().Sub(began))
	return nil
}

// epochBegins is the record that begins an epoch.
func (s *Store) epochBegins(e Epoch) *pending {
	s.state.Epoch = e.Counter
	r := &pending{record: Record{Epoch: e, Cause: Cause{Actor: "system", What: "epoch begins"}}}
	s.number(r)
	r.root = s.tip.EditAt(r.record.Index, r.record.Time).Publish(r.record.Index)
	s.advance(r.root, nil)
	return r
}

// load reads state and objects, and verifies that the journal ends where the state says.
func (s *Store) load() (err error) {
	return guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			if s.state, err = readState(tx); err != nil {
				return err
			}
			if !s.sealer.Same(s.state.Check) {
				return fault.New(fault.Denied, "the data is sealed with another key than the one given")
			}
			reign, err := laidOut(tx, s.state)
			if err != nil {
				return err
			}
			s.state.Reign = reign
			all, err := readObjects(tx, s.tables, s.sealer)
			if err != nil {
				return err
			}
			root, problems := tree.Build(s.opts.Tables, s.state.Index, all)
			if len(problems) > 0 {
				p := problems[0]
				return fault.New(fault.Unavailable, "the data contradicts itself in %d places, first: %s %s %s; restore a backup", len(problems), p.Kind, p.ID, p.Message)
			}
			s.tip = root
			return nil
		})
	})
}

// ends tells whether the last record is the one that the state names, and its epoch.
func ends(tx *bbolt.Tx, s state) (Epoch, error) {
	k, v := tx.Bucket(journalBucket).Cursor().Last()
	if k == nil {
		if s.Position == s.Cut {
			return s.Reign, nil
		}
		return Epoch{}, fault.New(fault.Unavailable, "the journal is empty but should end at record %d; restore a backup", s.Index)
	}
	r, err := journal.Decode(v)
	if err != nil {
		return Epoch{}, fault.Wrap(err, fault.Malformed, "read the last record")
	}
	if r.Index != s.Index || r.Hash != s.Hash {
		return Epoch{}, fault.New(fault.Unavailable, "the journal ends at record %d but should end at record %d; restore a backup", r.Index, s.Index)
	}
	return r.Epoch, nil
}

func byKind(tables []model.Table) map[model.Kind]*model.Table {
	m := make(map[model.Kind]*model.Table, len(tables))
	for i := range tables {
		m[tables[i].Kind] = &tables[i]
	}
	return m
}

func (s *Store) size() (n int) {
	for kind := range s.tables {
		n += s.tip.Len(kind)
	}
	return n
}

// Close ends the committer, after it has finished what was queued, and releases the file. Later changes
// get Unavailable; views stay good.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		<-s.done
		err = errors.Join(s.closeLog(), s.db.Close())
		_ = os.Remove(filepath.Join(s.opts.Dir, pidName))
	})
	return fault.Wrap(err, fault.Internal, "close the store")
}

// View is the published state. It costs one pointer load, never changes and may be kept.
func (s *Store) View() model.View { return s.published.Load().root }

// Tip is the position of the published state.
func (s *Store) Tip() Position { return s.published.Load().state.Position }

// Epoch is the one that changes are made in: that of Open or of the last Begin, none before that.
func (s *Store) Epoch() Epoch {
	if e := s.epoch.Load(); e != nil {
		return *e
	}
	return Epoch{}
}

// Err tells why changes fail at present, nil when they do not.
func (s *Store) Err() error {
	if f := s.failure.Load(); f != nil {
		return f
	}
	return nil
}

// Status describes the store.
func (s *Store) Status() Status {
	now, file := s.published.Load().state, s.end.Load()
	st := Status{Position: now.Position, Time: now.Time, Epoch: now.Reign, Schema: schema, Created: now.Created, Cut: file.Cut, JournalBytes: file.Bytes, Drill: now.Drill}
	if f := s.failure.Load(); f != nil {
		st.Fault = f.Public()
	}
	if info, err := os.Stat(filepath.Join(s.opts.Dir, fileName)); err == nil {
		st.FileBytes = info.Size()
	}
	return st
}
