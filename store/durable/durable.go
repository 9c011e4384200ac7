// Package durable puts small files on disk so that a crash or a power failure leaves the old one or the
// new one, whole.
package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// AsideExt ends the name of a file that is not complete yet. One that a crash left is overwritten by the
// next attempt.
const AsideExt = ".part"

// Write puts content into a file, in the place of what was there. When it returns without an error the
// file survives a power failure; with one, the old file stands.
func Write(path string, content []byte, mode os.FileMode) error {
	return Fill(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Fill does the same with what fill writes.
func Fill(path string, mode os.FileMode, fill func(io.Writer) error) error {
	part := path + AsideExt
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes what was created, renamed or removed in a directory survive a power failure.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
