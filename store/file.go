package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/release"
	"kowabunga/store/durable"
	"kowabunga/store/octets"
	"kowabunga/store/pages"
)

// The names of the store's files in its folder.
const (
	fileName = "kahuna.db"
	asideExt = ".new" // a file that is not complete yet
	pidName  = "kahuna.pid"
	walName  = "kahuna.wal" // what a store that follows another has on disk before it is in the file
)

var (
	metaBucket       = []byte("meta")
	objectsBucket    = []byte("objects")
	journalBucket    = []byte("journal")
	migrationsBucket = []byte("migrations")
	schemaKey        = []byte("schema")
	stateKey         = []byte("state")
)

// state is what the file says about itself besides its content; it changes with every commit.
type state struct {
	Position
	Time    time.Time `json:"time"`  // of the last record
	Epoch   uint64    `json:"epoch"` // the highest counter known
	Node    string    `json:"node"`
	Cut     Position  `json:"cut"`
	Bytes   int64     `json:"bytes"` // keys and values of the journal
	Check   []byte    `json:"check"` // seal.Sealer.Check of the key the secrets are sealed with
	Created time.Time `json:"created"`
	Drill   bool      `json:"drill,omitempty"`
	Schema  uint64    `json:"schema,omitempty"` // as under "schema": either tells when the other is damaged

	Reign     Epoch  `json:"reign,omitzero"`      // that the last record was written in; kept only when the journal is empty
	CutReign  Epoch  `json:"cutReign,omitzero"`   // that the record at Cut was written in, zero when not known
	Published *shown `json:"published,omitempty"` // what was published by then; everything when nil
	Lap       *lap   `json:"lap,omitempty"`       // what counts in the log besides; nothing when nil
}

// lockWait is how long to wait for another process to let go of the file.
const lockWait = time.Second

// mapSize is how much address space the file is mapped into from the start. Remapping a grown file has
// to wait for all readers; within this size none is needed. It costs no memory.
const mapSize = 1 << 30

// errDamaged is the cause of the fault for a file whose pages are not sound.
var errDamaged = errors.New("the file is damaged")

// openFile opens the bbolt file once its pages are verified. The list of free pages stays in the file:
// leaving it out saves a page per commit, which could not be measured here, but has bbolt walk through
// the whole file when opening, in a goroutine of its own. Faults: NotFound, Unavailable, for a damaged
// file with errDamaged.
func openFile(path string, readOnly bool) (db *bbolt.DB, err error) {
	o := &bbolt.Options{
		Timeout:      lockWait,
		ReadOnly:     readOnly,
		FreelistType: bbolt.FreelistMapType,
		// The file exists: bbolt must not make an empty one where a wrong folder was named.
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			if name == path {
				flag &^= os.O_CREATE
			}
			f, err := os.OpenFile(name, flag, mode)
			if err != nil || name != path {
				return f, err
			}
			if err := soundFile(f, readOnly); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return f, nil
		},
	}
	if strconv.IntSize == 64 {
		o.InitialMmapSize = mapSize
	}
	err = guarded(func() (err error) {
		db, err = bbolt.Open(path, 0o600, o)
		return err
	})
	switch {
	case errors.Is(err, errDamaged):
		return nil, &fault.Error{Code: fault.Unavailable, Message: path + " is damaged; restore a backup", Err: err}
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fault.New(fault.Unavailable, "%s is in use by %s; stop it first", path, holder(filepath.Dir(path)))
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.New(fault.NotFound, "there is no data in %s", filepath.Dir(path))
	case err != nil:
		return nil, &fault.Error{Code: fault.Unavailable, Op: "open " + path, Message: "the file cannot be opened; if it is damaged, restore a backup", Err: err}
	}
	db.AllocSize = 4 << 20 // the file grows by this much at a time, with an fsync of its own
	return db, nil
}

// soundFile locks the file, as bbolt will do with the same handle, and verifies its pages.
func soundFile(f *os.File, readOnly bool) error {
	how := syscall.LOCK_EX
	if readOnly {
		how = syscall.LOCK_SH
	}
	for began := time.Now(); ; time.Sleep(lockWait / 20) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if err != syscall.EWOULDBLOCK {
			return err
		}
		if time.Since(began) > lockWait {
			return berrors.ErrTimeout
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := pages.File(f, info.Size()); fault.Is(err, fault.Malformed) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	} else if err != nil {
		return err
	}
	return nil
}

// soundTree verifies the pages that an open file has at this moment. The list of free ones was verified
// when the file was opened, and is in memory since.
func soundTree(db *bbolt.DB) error {
	f, err := os.Open(db.Path())
	if err != nil {
		return err
	}
	defer f.Close()
	return guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			size := uint64(db.Info().PageSize)
			return pages.Tree(f, size, uint64(tx.Cursor().Bucket().Root()), uint64(tx.Size())/size)
		})
	})
}

// createFile makes an empty bbolt file and fills it in one transaction. It is not synced yet.
func createFile(path string, fill func(*bbolt.Tx) error) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	if err := db.Update(fill); err != nil {
		_ = db.Close()
		return err
	}
	return db.Close()
}

// install makes a complete file that was written aside the real one, so that a power failure leaves
// the old state or the new one.
func install(aside, path string) error {
	f, err := os.OpenFile(aside, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(durable.Belong(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(aside, path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// holder names the process that has the file of this folder, as well as can be known.
func holder(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, pidName))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return "process " + pid
	}
	return "another process"
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// summed is the first schema whose texts carry a sum.
const summed = 3

// schemaOf reads the number of the file's schema.
func schemaOf(tx *bbolt.Tx) (uint64, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil || len(meta.Get(schemaKey)) != 8 {
		return 0, fault.New(fault.Malformed, "the file is not a store of Kowabunga, or it is damaged; restore a backup")
	}
	n := binary.BigEndian.Uint64(meta.Get(schemaKey))
	if s, err := readState(tx); err == nil && s.Schema != n {
		return 0, fault.New(fault.Unavailable, "the file is damaged: it is of schema %d and of schema %d; restore a backup", n, s.Schema)
	}
	return n, nil
}

// readState reads what the file says about itself.
func readState(tx *bbolt.Tx) (s state, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil || len(meta.Get(schemaKey)) != 8 {
		return s, fault.New(fault.Malformed, "the file is not a store of Kowabunga, or it is damaged; restore a backup")
	}
	text, plain := meta.Get(stateKey), bytes.HasPrefix(meta.Get(stateKey), []byte("{"))
	if !plain {
		text, err = octets.Verify(stateKey, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, &fault.Error{Code: fault.Unavailable, Message: "what the file says about itself is damaged; restore a backup", Err: err}
	}
	if plain {
		s.Schema = min(binary.BigEndian.Uint64(meta.Get(schemaKey)), summed-1)
	}
	return s, nil
}

func writeState(tx *bbolt.Tx, s *state) error {
	if s.Schema >= summed {
		kept := *s
		if kept.Index != kept.Cut.Index {
			kept.Reign = Epoch{} // the last record tells
		}
		text, err := json.Marshal(release.More(&kept))
		if err != nil {
			return err
		}
		return tx.Bucket(metaBucket).Put(stateKey, octets.Sum(stateKey, text))
	}
	old := *s
	old.Schema = 0 // those schemas did not have it
	text, err := json.Marshal(&old)
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(stateKey, text)
}

// layOut makes the buckets of an empty file.
func layOut(tx *bbolt.Tx, schema uint64, s *state, tables []model.Table) error {
	for _, name := range [][]byte{metaBucket, objectsBucket, journalBucket, migrationsBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if _, err := tx.Bucket(objectsBucket).CreateBucketIfNotExists([]byte(t.Kind)); err != nil {
			return err
		}
	}
	if err := tx.Bucket(metaBucket).Put(schemaKey, number(schema)); err != nil {
		return err
	}
	s.Schema = schema
	return writeState(tx, s)
}
