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
	epoch  Epoch

	published atomic.Pointer[snapshot]
	failure   atomic.Pointer[fault.Error] // why writing failed last, nil when it works

	queue   chan *job
	closing chan struct{}
	done    chan struct{} // the committer has ended
	once    sync.Once

	// The committer's own.
	tip         *tree.Root // committed; published holds what may be seen
	unpublished []tree.Change
	state       state
	oldest      time.Time // time of the oldest record kept, zero when not known
	broken      bool      // only the file knows what stands
	batch       []*job
}

// snapshot is a published state.
type snapshot struct {
	root  *tree.Root
	state state
	next  chan struct{} // closed when the next one is published
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
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
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
// schema, and begins a new epoch. Faults: NotFound when there is no store, Unavailable when another
// process has it (naming it) or it is damaged, Conflict when a newer release wrote it, Denied when it
// is sealed with another key.
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

// begin loads what is there and writes the record that begins this epoch.
func (s *Store) begin(path string) (err error) {
	began := s.opts.Now()
	if err := migrate(s.db, path, s.opts, s.sealer); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return err
	}
	s.state.Epoch++
	s.epoch = Epoch{Counter: s.state.Epoch, Node: s.state.Node}
	r := &pending{record: Record{Epoch: s.epoch, Cause: Cause{Actor: "system", What: "epoch begins"}}}
	s.number(r)
	s.tip = s.tip.EditAt(r.record.Index, r.record.Time).Publish(r.record.Index)
	next, err := s.write([]*pending{r}, trimAtLeast)
	if err != nil {
		return err
	}
	s.publish(next)
	s.log.Info("store opened", "dir", s.opts.Dir, "index", next.Index, "epoch", s.epoch.Counter, "node", s.epoch.Node,
		"objects", s.size(), "took", s.opts.Now().Sub(began))
	return nil
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
			if err := laidOut(tx, s.state); err != nil {
				return err
			}
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

// ends tells whether the last record is the one that the state names.
func ends(tx *bbolt.Tx, s state) error {
	k, v := tx.Bucket(journalBucket).Cursor().Last()
	if k == nil {
		if s.Position == s.Cut {
			return nil
		}
		return fault.New(fault.Unavailable, "the journal is empty but should end at record %d; restore a backup", s.Index)
	}
	r, err := journal.Decode(v)
	if err != nil {
		return fault.Wrap(err, fault.Malformed, "read the last record")
	}
	if r.Index != s.Index || r.Hash != s.Hash {
		return fault.New(fault.Unavailable, "the journal ends at record %d but should end at record %d; restore a backup", r.Index, s.Index)
	}
	return nil
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
		err = s.db.Close()
		_ = os.Remove(filepath.Join(s.opts.Dir, pidName))
	})
	return fault.Wrap(err, fault.Internal, "close the store")
}

// View is the published state. It costs one pointer load, never changes and may be kept.
func (s *Store) View() model.View { return s.published.Load().root }

// Tip is the position of the published state.
func (s *Store) Tip() Position { return s.published.Load().state.Position }

// Epoch is the reign that began with this Open.
func (s *Store) Epoch() Epoch { return s.epoch }

// Err tells why changes fail at present, nil when they do not.
func (s *Store) Err() error {
	if f := s.failure.Load(); f != nil {
		return f
	}
	return nil
}

// Status describes the store.
func (s *Store) Status() Status {
	now := s.published.Load().state
	st := Status{Position: now.Position, Time: now.Time, Epoch: s.epoch, Schema: schema, Created: now.Created, Cut: now.Cut, JournalBytes: now.Bytes, Drill: now.Drill}
	if f := s.failure.Load(); f != nil {
		st.Fault = f.Public()
	}
	if info, err := os.Stat(filepath.Join(s.opts.Dir, fileName)); err == nil {
		st.FileBytes = info.Size()
	}
	return st
}
