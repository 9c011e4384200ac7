package agent

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
)

// keeper is what an agent remembers across restarts. Setting returns once the value is durable.
type keeper interface {
	recall(draw func() string) (kept, error)
	setObedience(identity string, o lease.Obedience) error
	setVoter(identity string, v lease.VoterState) error
	kahunas() agentproto.KahunaList
	setKahunas(agentproto.KahunaList) error
	durable() bool                                         // across reboots
	ledger() (file *ledgerFile, missing string, err error) // after recall; nil: steps are not kept. missing says what was lost
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

// directory keeps everything in files: obeyed.json, voter.json, kahunas.json, states/NAME.json, which are
// written aside, synced and renamed, then their directory synced; and the ledger of steps.
type directory struct {
	dir   string
	lock  *os.File
	had   bool        // a ledger was made here
	steps *ledgerFile // nil before ledger
}

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

func (d *directory) close() {
	if d.steps != nil {
		d.steps.close()
	}
	d.lock.Close()
}

func (d *directory) damaged(file string, err error) error {
	return &fault.Error{Code: fault.Internal, Op: "read the agent's state directory",
		Message: filepath.Join(d.dir, file) + " is damaged; restore it, or remove the whole directory to let the agent begin afresh", Err: err}
}

func (d *directory) putJSON(file string, v any) error {
	data, err := json.Marshal(release.More(v))
	if err != nil {
		return err
	}
	return d.put(file, append(data, '\n'))
}

// format is the version of the sealed files.
const format = 1

// seal keeps what must not become anything else on the disk.
func (d *directory) seal(file string, v any) error {
	data, err := durable.Seal(format, v)
	if err != nil {
		return err
	}
	return d.put(file, data)
}

func (d *directory) put(file string, data []byte) error {
	path := filepath.Join(d.dir, file)
	at := pointsOf(file)
	err := at.write.Hit()
	if err == nil {
		err = durable.Fill(path, 0o600, func(w io.Writer) error {
			if _, err := w.Write(data); err != nil {
				return err
			}
			return at.rename.Hit()
		})
	}
	if err == nil {
		err = at.written.Hit()
	}
	return fault.Wrap(err, fault.Unavailable, "write "+path)
}

// keepPoints are the points at which an agent's death must be harmless, around each file it keeps.
type keepPoints struct{ write, rename, written failpoint.Point }

func pointsAround(what string) keepPoints {
	return keepPoints{failpoint.Register("agent." + what + ".before-write"), failpoint.Register("agent." + what + ".before-rename"), failpoint.Register("agent." + what + ".written")}
}

var (
	fpVoter, fpObeyed    = pointsAround("voter"), pointsAround("obeyed")
	fpKahunas, fpDesired = pointsAround("kahunas"), pointsAround("state")
)

func pointsOf(file string) keepPoints {
	switch file {
	case voterName:
		return fpVoter
	case obeyedName:
		return fpObeyed
	case kahunasName:
		return fpKahunas
	}
	return fpDesired
}
