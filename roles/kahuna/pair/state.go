package pair

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/store/durable"
)

// voterFile is the name of the file, below the data directory, that holds lease.Durable. It is in no
// journal, snapshot or backup.
const voterFile = "voter.json"

// Initial is what a directory says about its voter file.
type Initial int

// What there may be.
const (
	Kept  Initial = iota // a file that can be read
	Fresh                // none, and none is missed: the directory is new, or of a release without
	Lost                 // none that can be read although there was one
)

// LoadState reads the voter's file of a data directory. missed tells that there must be one. A file that
// is missing or damaged makes the node another one, which counts only once a record names it.
func LoadState(dir string, missed bool) (lease.Durable, Initial, error) {
	raw, err := os.ReadFile(filepath.Join(dir, voterFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if missed {
			return newIdentity(), Lost, nil
		}
		return newIdentity(), Fresh, nil
	case err != nil:
		return lease.Durable{}, Lost, fault.Wrap(err, fault.Unavailable, "read what this node promised")
	}
	var d lease.Durable
	switch err := durable.Unseal(format, raw, &d); {
	case errors.Is(err, durable.ErrNewer):
		return lease.Durable{}, Kept, fault.New(fault.Conflict, "%s is of a newer release; run that one, which knows what this node promised", filepath.Join(dir, voterFile))
	case err != nil || d.Node == "" || d.Log == "":
		return newIdentity(), Lost, nil
	}
	return d, Kept, nil
}

// format is the version of the voter's file. A release that adds what the one before it must not pass over
// raises it.
const format = 1

func newIdentity() lease.Durable { return lease.Durable{Node: lease.NodeID(NewID()), Log: NewLogID()} }

// NewID draws the name of a node.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// NewLogID draws the name of a log.
func NewLogID() lease.LogID { return lease.LogID(NewID()) }

// SaveState makes the voter's file survive a crash: when it returns, the new one is there or, on error,
// the old one.
func SaveState(dir string, d lease.Durable) error {
	raw, err := durable.Seal(format, d)
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, voterFile), raw, 0o600)
}
