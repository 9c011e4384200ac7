package sim

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// held is what an agent with a directory keeps there, so that it is the same host after a restart.
type held struct {
	State    agentproto.KaktusState `json:"state"`
	Images   []agentproto.Image     `json:"images"`
	Volumes  []heldVolume           `json:"volumes"`
	Seeds    []agentproto.Seed      `json:"seeds"`
	Shares   []heldShare            `json:"shares,omitempty"`
	Machines []heldMachine          `json:"machines"`
}

type heldVolume struct {
	agentproto.Volume
	From string `json:"from,omitempty"` // the image it is a copy of
}

type heldMachine struct {
	agentproto.Machine
	State  string `json:"state"`
	Reason string `json:"reason"`
	Output []byte `json:"output,omitempty"`
}

// file is where an agent keeps what it holds, empty when it keeps nothing.
func (c Config) file() string {
	if c.Keep == "" {
		return ""
	}
	return filepath.Join(c.Keep, c.ID+".json")
}

// recall takes up what the agent held before. Its machines are as they were: nobody pulled a plug.
func (k *Kaktus) recall() error {
	if k.cfg.file() == "" {
		return nil
	}
	h, err := readHeld(k.cfg.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	k.state = h.State
	for _, i := range h.Images {
		k.images[i.ImageRef] = i
	}
	for _, v := range h.Volumes {
		k.volumes[v.VolumeRef] = volume{Volume: v.Volume, image: v.From}
	}
	for _, s := range h.Seeds {
		k.seeds[s.VolumeRef] = s
	}
	k.shares = h.recallShares()
	for _, m := range h.Machines {
		k.machines[m.Machine.Machine] = &machine{Machine: m.Machine, state: m.State, reason: m.Reason, output: m.Output}
	}
	return nil
}

func readHeld(path string) (held, error) {
	var h held
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		return h, &fault.Error{Code: fault.Internal, Op: "read the simulated host", Message: path + " cannot be read; remove it to begin with an empty host", Err: err}
	}
	return h, nil
}

// save writes what the agent holds, before what was done is answered. It needs the lock.
func (k *Kaktus) save() error {
	path := k.cfg.file()
	if path == "" {
		return nil
	}
	h := held{State: k.state}
	for _, i := range k.images {
		h.Images = append(h.Images, i)
	}
	for _, v := range k.volumes {
		h.Volumes = append(h.Volumes, heldVolume{v.Volume, v.image})
	}
	for _, s := range k.seeds {
		h.Seeds = append(h.Seeds, s)
	}
	h.keepShares(k.shares)
	for _, id := range sorted(k.machines) {
		m := k.machines[id]
		h.Machines = append(h.Machines, heldMachine{m.Machine, m.state, m.reason, m.output})
	}
	text, err := json.Marshal(h)
	if err == nil {
		err = os.MkdirAll(k.cfg.Keep, 0o700)
	}
	if err == nil {
		err = os.WriteFile(path+".part", text, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".part", path)
	}
	return fault.Wrap(err, fault.Unavailable, "keep the simulated host")
}

// Consoles are what the machines of the agents that keep their state in a directory said on their
// serial consoles, by the machines' names.
func Consoles(dir string) (map[string][]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	said := map[string][]byte{}
	for _, file := range files {
		h, err := readHeld(file)
		if err != nil {
			return nil, err
		}
		for _, m := range h.Machines {
			said[m.Name] = m.Output
		}
	}
	return said, nil
}
