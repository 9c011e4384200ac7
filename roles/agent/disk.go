package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/store/failpoint"
)

// keeper is what an agent remembers across restarts. Setting returns once the value is durable.
type keeper interface {
	identity(draw func() string) (string, error)
	epoch() (agentproto.Epoch, error)
	setEpoch(agentproto.Epoch) error
	state(name string) (agentproto.State, bool, error)
	setState(agentproto.State) error
	close()
}

func openKeeper(dir string) (keeper, error) {
	if dir == "" {
		return &memory{states: map[string]agentproto.State{}}, nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "states"), 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "make the agent's state directory")
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open the agent's state directory")
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, &fault.Error{Code: fault.Conflict, Op: "open the agent's state directory", Message: dir + " is in use by another agent process; stop that first", Err: err}
	}
	return &directory{dir: dir, lock: lock}, nil
}

// directory keeps everything in files: identity, epoch, states/NAME.json. A file is written aside,
// synced and renamed, then its directory synced.
type directory struct {
	dir  string
	lock *os.File
}

var identityShape = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (d *directory) identity(draw func() string) (string, error) {
	data, err := os.ReadFile(filepath.Join(d.dir, "identity"))
	if errors.Is(err, fs.ErrNotExist) {
		id := draw()
		return id, d.put("identity", []byte(id+"\n"))
	}
	id := strings.TrimSpace(string(data))
	if err != nil || !identityShape.MatchString(id) {
		return "", d.damaged("identity", err)
	}
	return id, nil
}

func (d *directory) epoch() (agentproto.Epoch, error) {
	var e agentproto.Epoch
	data, err := os.ReadFile(filepath.Join(d.dir, "epoch"))
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return e, d.damaged("epoch", err)
	}
	return e, nil
}

func (d *directory) setEpoch(e agentproto.Epoch) error { return d.putJSON("epoch", e) }

func (d *directory) state(name string) (agentproto.State, bool, error) {
	var s agentproto.State
	file := filepath.Join("states", name+".json")
	data, err := os.ReadFile(filepath.Join(d.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, false, d.damaged(file, err)
	}
	return s, true, nil
}

func (d *directory) setState(s agentproto.State) error {
	return d.putJSON(filepath.Join("states", s.Name+".json"), s)
}

func (d *directory) close() { d.lock.Close() }

func (d *directory) damaged(file string, err error) error {
	return &fault.Error{Code: fault.Internal, Op: "read the agent's state directory",
		Message: filepath.Join(d.dir, file) + " is damaged; restore it, or remove the whole directory to let the agent begin afresh", Err: err}
}

func (d *directory) putJSON(file string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return d.put(file, append(data, '\n'))
}

func (d *directory) put(file string, data []byte) error {
	path := filepath.Join(d.dir, file)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "write "+path)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = fpKeep.Hit()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = fpKept.Hit()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return fault.Wrap(err, fault.Unavailable, "write "+path)
}

// The points at which an agent's death must be harmless: around each thing it remembers.
var (
	fpKeep = failpoint.Register("agent.keep.before")
	fpKept = failpoint.Register("agent.keep.after")
)

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// memory forgets everything at the end of the process.
type memory struct {
	mu     sync.Mutex
	id     string
	held   agentproto.Epoch
	states map[string]agentproto.State
}

func (m *memory) identity(draw func() string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.id == "" {
		m.id = draw()
	}
	return m.id, nil
}

func (m *memory) epoch() (agentproto.Epoch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held, nil
}

func (m *memory) setEpoch(e agentproto.Epoch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = e
	return nil
}

func (m *memory) state(name string) (agentproto.State, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.states[name]
	return s, ok, nil
}

func (m *memory) setState(s agentproto.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = maps.Clone(m.states)
	m.states[s.Name] = s
	return nil
}

func (*memory) close() {}
