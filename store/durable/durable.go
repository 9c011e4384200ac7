// Package durable puts small files on disk so that a crash or a power failure leaves the old one or the
// new one, whole. What root makes, except with Fill, belongs to the owner of the directory it is in.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// AsideExt ends the name of a file that is not complete yet. One that a crash left is removed by the
// next attempt.
const AsideExt = ".part"

// Write puts content into a file, in the place of what was there. When it returns without an error the
// file survives a power failure; with one, the old file stands.
func Write(path string, content []byte, mode os.FileMode) error {
	return replace(path, mode, func(f *os.File) error {
		_, err := f.Write(content)
		return errors.Join(Belong(f), err)
	})
}

// Fill does the same with what fill writes. The file belongs to whoever makes it.
func Fill(path string, mode os.FileMode, fill func(io.Writer) error) error {
	return replace(path, mode, func(f *os.File) error { return fill(f) })
}

func replace(path string, mode os.FileMode, fill func(*os.File) error) error {
	f, err := aside(path, mode)
	if err != nil {
		return err
	}
	part := f.Name()
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
	f, err := aside(path, mode)
	if err != nil {
		return err
	}
	part := f.Name()
	_, err = f.Write(content)
	if err = errors.Join(err, Belong(f), f.Sync(), f.Close()); err == nil {
		err = os.Link(part, path) // unlike a rename it replaces nothing
	}
	if err := errors.Join(err, os.Remove(part)); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// aside makes the file that becomes another one once it is complete. What a crash left there is removed,
// not followed: where root writes into a directory of somebody else it may be a link.
func aside(path string, mode os.FileMode) (*os.File, error) {
	part := path + AsideExt
	if err := syscall.Unlink(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &fs.PathError{Op: "remove", Path: part, Err: err}
	}
	return os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
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
	err := os.Mkdir(dir, mode)
	if err == nil {
		err = belongs(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
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
