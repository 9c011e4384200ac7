package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/store/durable"
)

// kept is what an agent remembers of itself.
type kept struct {
	identity string
	obeyed   lease.Obedience
	voter    lease.VoterState
	lost     string // why the identity is a new one though there was one; empty otherwise
}

// obeyedFile and voterFile are files of the state directory. Both carry the identity: an agent that lost
// either, or has one of another directory, is another agent.
type obeyedFile struct {
	Identity string          `json:"identity"`
	Ledger   bool            `json:"ledger,omitempty"` // there is a ledger of steps; without it, it was lost
	State    lease.Obedience `json:"state"`
}

type voterFile struct {
	Identity string           `json:"identity"`
	State    lease.VoterState `json:"state"`
}

const (
	obeyedName = "obeyed.json"
	voterName  = "voter.json"

	kahunasName = "kahunas.json"
)

var identityShape = regexp.MustCompile(`^[0-9a-f]{32}$`)

// damaged is a file that is there and makes no sense.
type damaged struct{ error }

// recall reads what is kept. An agent that lost its promises, or whom it obeyed, gets a new identity, so
// that nobody counts on what the old one said: a voter that forgot could promise twice, an agent that
// forgot could obey a Kahuna that was replaced. Epochs it does remember stay refused. A file that cannot
// be read now is no loss: the agent does not start.
func (d *directory) recall(draw func() string) (kept, error) {
	var o obeyedFile
	var v voterFile
	obeyed, errO := d.read(obeyedName, &o, unseal)
	voter, errV := d.read(voterName, &v, unseal)
	d.had = o.Ledger
	old, err := d.before()
	for _, e := range []error{errO, errV, err} {
		if e != nil && !errors.As(e, &damaged{}) {
			return kept{}, fault.Wrap(e, fault.Unavailable, "read the agent's state directory "+d.dir)
		}
	}
	if errO == nil && errV == nil && obeyed && voter && o.Identity == v.Identity && identityShape.MatchString(o.Identity) {
		return kept{identity: o.Identity, obeyed: o.State, voter: v.State}, d.forgetBefore()
	}
	var k kept
	if !obeyed && errV == nil && (!voter || v.Identity == old.identity && old.identity != "") {
		k = old // of the release before; or taking it over was cut short, before anything was promised
	} else {
		k.obeyed.Obeyed = o.State.Obeyed
		k.lost = voterName + " and " + obeyedName + " in " + d.dir + " are not a whole pair"
		if err := errors.Join(errO, errV); err != nil {
			k.lost += ": " + err.Error()
		}
		if errO != nil {
			k.obeyed.Obeyed = lease.Certificate{}
		}
	}
	if k.identity == "" {
		k.identity = draw()
	}
	err = d.setVoter(k.identity, k.voter)
	if err == nil {
		err = d.setObedience(k.identity, k.obeyed)
	}
	if err == nil {
		err = d.forgetBefore()
	}
	return k, err
}

// The files of the release before.
const (
	oldIdentity = "identity"
	oldEpoch    = "epoch"
)

// before reads the files of the release before, if there are any. That agent never promised anything, and
// obeyed without certificates.
func (d *directory) before() (k kept, err error) {
	data, err := os.ReadFile(filepath.Join(d.dir, oldIdentity))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	var e agentproto.Epoch
	there, err := d.read(oldEpoch, &e, json.Unmarshal)
	id := strings.TrimSpace(string(data))
	if err != nil || !identityShape.MatchString(id) {
		return kept{lost: "identity or epoch in " + d.dir + " is damaged"}, err
	}
	return kept{identity: id, obeyed: lease.Obedience{Obeyed: lease.Certificate{Epoch: e}, Admitted: there}}, nil
}

// forgetBefore removes them: an agent that loses the new files must not come back as who it was.
func (d *directory) forgetBefore() error {
	for _, name := range []string{oldIdentity, oldEpoch} {
		err := os.Remove(filepath.Join(d.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = durable.SyncDir(d.dir)
		}
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "remove what a release before left")
		}
	}
	return nil
}

func unseal(data []byte, into any) error { return durable.Unseal(format, data, into) }

func (d *directory) read(file string, into any, parse func([]byte, any) error) (there bool, err error) {
	data, err := os.ReadFile(filepath.Join(d.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		if err = parse(data, into); err != nil && !errors.Is(err, durable.ErrNewer) {
			err = damaged{err}
		}
	}
	return true, err
}

func (d *directory) setObedience(identity string, o lease.Obedience) error {
	return d.seal(obeyedName, obeyedFile{identity, d.had, o})
}

func (d *directory) setVoter(identity string, v lease.VoterState) error {
	return d.seal(voterName, voterFile{identity, v})
}

// ledger opens the ledger of steps.
func (d *directory) ledger() (f *ledgerFile, missing string, err error) {
	if d.steps, missing, err = openLedger(filepath.Join(d.dir, ledgerName), d.had); err != nil || d.had {
		return d.steps, missing, err
	}
	d.had = true
	var o obeyedFile
	if _, err = d.read(obeyedName, &o, unseal); err == nil {
		err = d.setObedience(o.Identity, o.State)
	}
	return d.steps, "", err
}

// kahunas is the list that was kept; without one the configuration says where to begin.
func (d *directory) kahunas() (l agentproto.KahunaList) {
	if _, err := d.read(kahunasName, &l, unseal); err != nil {
		return agentproto.KahunaList{}
	}
	return l
}

func (d *directory) setKahunas(l agentproto.KahunaList) error { return d.seal(kahunasName, l) }

// durable tells whether the directory is on a file system that survives a reboot.
func (d *directory) durable() bool {
	var s unix.Statfs_t
	if err := unix.Statfs(d.dir, &s); err != nil {
		return false
	}
	return s.Type != unix.TMPFS_MAGIC && s.Type != unix.RAMFS_MAGIC
}
