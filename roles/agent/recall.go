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
	"kowabunga/core/lease"
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
	State    lease.Obedience `json:"state"`
}

type voterFile struct {
	Identity string           `json:"identity"`
	Boot     string           `json:"boot,omitempty"` // the kernel's boot id at the last change
	State    lease.VoterState `json:"state"`
}

const (
	obeyedName = "obeyed.json"
	voterName  = "voter.json"
)

var identityShape = regexp.MustCompile(`^[0-9a-f]{32}$`)

// recall reads what is kept. An agent that lost its promises, or whom it obeyed, gets a new identity, so
// that nobody counts on what the old one said: a voter that forgot could promise twice, an agent that
// forgot could obey a Kahuna that was replaced. Epochs it does remember stay refused.
func (d *directory) recall(draw func() string) (kept, error) {
	var o obeyedFile
	var v voterFile
	obeyed, errO := d.read(obeyedName, &o)
	voter, errV := d.read(voterName, &v)
	if errO == nil && errV == nil && obeyed && voter && o.Identity == v.Identity && identityShape.MatchString(o.Identity) {
		return kept{identity: o.Identity, obeyed: o.State, voter: v.State}, nil
	}
	var k kept
	if !obeyed && !voter && errO == nil && errV == nil {
		k = d.before()
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
	err := d.setVoter(k.identity, k.voter)
	if err == nil {
		err = d.setObedience(k.identity, k.obeyed)
	}
	return k, err
}

// before reads the files of the release before, "identity" and "epoch", if there are any. That agent
// never promised anything, and obeyed without certificates.
func (d *directory) before() (k kept) {
	data, err := os.ReadFile(filepath.Join(d.dir, "identity"))
	if errors.Is(err, fs.ErrNotExist) {
		return k
	}
	var e agentproto.Epoch
	there, errE := d.read("epoch", &e)
	id := strings.TrimSpace(string(data))
	if err != nil || errE != nil || !identityShape.MatchString(id) {
		k.lost = "identity or epoch in " + d.dir + " is damaged"
		return k
	}
	k.identity = id
	k.obeyed = lease.Obedience{Obeyed: lease.Certificate{Epoch: e}, Admitted: there}
	return k
}

func (d *directory) read(file string, into any) (there bool, err error) {
	data, err := os.ReadFile(filepath.Join(d.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	return true, err
}

func (d *directory) setObedience(identity string, o lease.Obedience) error {
	return d.putJSON(obeyedName, obeyedFile{identity, o})
}

func (d *directory) setVoter(identity string, v lease.VoterState) error {
	return d.putJSON(voterName, voterFile{identity, bootID(), v})
}

func (d *directory) kahunas() (l agentproto.KahunaList, err error) {
	if _, err := d.read("kahunas.json", &l); err != nil {
		return agentproto.KahunaList{}, nil // the configuration still says where to begin
	}
	return l, nil
}

func (d *directory) setKahunas(l agentproto.KahunaList) error { return d.putJSON("kahunas.json", l) }

// durable tells whether the directory is on a file system that survives a reboot.
func (d *directory) durable() bool {
	var s unix.Statfs_t
	if err := unix.Statfs(d.dir, &s); err != nil {
		return false
	}
	return s.Type != unix.TMPFS_MAGIC && s.Type != unix.RAMFS_MAGIC
}
