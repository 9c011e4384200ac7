// Package durable puts small files on disk so that a crash or a power failure leaves the old one or the
// new one, whole.
package durable

import (
	"errors"
	"io"
	"io/fs"
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

// New puts content into a file that is not there yet, and leaves one that is as it is: the error is
// fs.ErrExist then. When it returns without an error the file survives a power failure; until then there
// is no file of that name.
func New(path string, content []byte, mode os.FileMode) error {
	part := path + AsideExt
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(part, path) // unlike a rename it replaces nothing
	}
	if err := errors.Join(err, os.Remove(part)); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// MkdirAll makes a directory and those above it that are missing, so that they survive a power failure.
func MkdirAll(dir string, mode os.FileMode) error {
	dir = filepath.Clean(dir)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MkdirAll(above, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(above)
}

// SyncDir makes what was created, renamed or removed in a directory survive a power failure.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
