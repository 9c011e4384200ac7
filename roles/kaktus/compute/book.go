package compute

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/store/durable"
)

// record is what this host keeps of a machine, in StateDir/machines/ID.json.
type record struct {
	Machine agentproto.Machine `json:"machine"`
	Accel   string             `json:"accel"`
	Run     bool               `json:"run"` // should run
	Ran     bool               `json:"ran"` // was started since it was last told to stop
	Cut     bool               `json:"cut"` // the host ended its QEMU by a signal
	UEFI    bool               `json:"uefi,omitempty"`
	Note    string             `json:"note,omitempty"` // why it does not have the firmware it asked for
	Taps    bool               `json:"taps,omitempty"` // its cards are behind interfaces called as Tap says
}

// book is the records of all machines, in memory and on disk. A change is on disk before it counts.
type book struct {
	dir string

	mu      *sync.Mutex
	records map[string]record
}

func openBook(dir string) (book, error) {
	b := book{dir: dir, mu: &sync.Mutex{}, records: map[string]record{}}
	const op = "read the machines' records"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return b, fault.Wrap(err, fault.Internal, op)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return b, fault.Wrap(err, fault.Internal, op)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			// Only an interrupted write leaves such a file.
			if strings.HasPrefix(e.Name(), "new-") {
				os.Remove(path)
			}
			continue
		}
		var r record
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err == nil && r.Machine.Machine != id {
			err = errors.New("it is of another machine")
		}
		if err != nil {
			return b, &fault.Error{Code: fault.Internal, Op: op, Message: path + " cannot be read; restore it, or remove it and define the machine again", Err: err}
		}
		b.records[id] = r
	}
	return b, nil
}

func (b *book) get(id string) (record, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.records[id]
	return r, ok
}

func (b *book) all() map[string]record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.records)
}

// change alters a machine's record; an unknown machine has none.
func (b *book) change(id string, alter func(*record)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.records[id]
	if !ok {
		return nil
	}
	before, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "record machine "+id)
	}
	alter(&r)
	after, err := json.Marshal(r)
	if err != nil || string(before) == string(after) {
		return fault.Wrap(err, fault.Internal, "record machine "+id)
	}
	return b.write(r)
}

// put keeps a record, new or not.
func (b *book) put(r record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(r)
}

func (b *book) write(r record) error {
	id := r.Machine.Machine
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = fpRecord.Hit()
	}
	if err == nil {
		err = b.replace(filepath.Join(b.dir, id+".json"), append(text, '\n'))
	}
	if err == nil {
		err = fpRecorded.Hit()
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "record machine "+id)
	}
	b.records[id] = r
	return nil
}

func (b *book) replace(path string, text []byte) error {
	f, err := os.CreateTemp(b.dir, "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return durable.SyncDir(b.dir)
}

func (b *book) remove(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := fpForget.Hit(); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(b.dir, id+".json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Wrap(err, fault.Internal, "forget machine "+id)
	}
	if err := fpForgotten.Hit(); err != nil {
		return err
	}
	delete(b.records, id)
	return fault.Wrap(durable.SyncDir(b.dir), fault.Internal, "forget machine "+id)
}
