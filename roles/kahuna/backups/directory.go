package backups

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"kowabunga/core/fault"
	"kowabunga/store/failpoint"
)

var halfPut = failpoint.Register("backups.directory.half-put")

// partExt marks a file that is not complete yet. It stays in the list, so that what a crash left is
// found and removed.
const partExt = ".part"

// directory is a target on this machine, or mounted on it.
type directory string

func (d directory) String() string { return string(d) }

func (d directory) path(name string) string {
	return filepath.Join(string(d), filepath.FromSlash(name))
}

func (d directory) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	return d.fault("write "+name, d.put(ctx, name, r, size))
}

func (d directory) put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fault.New(fault.Conflict, "%s exists already", path)
	}
	part := path + partExt
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, until{ctx, r}, size/2)
	if err == nil {
		err = halfPut.Hit()
	}
	if err == nil {
		_, err = io.CopyN(f, until{ctx, r}, size-size/2)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	// The folder of the file, that of the chain, and that of the family may all be new.
	for dir := filepath.Dir(path); len(dir) >= len(d); dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil || dir == filepath.Dir(dir) {
			return err
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // some network file systems know no such thing
	}
	return errors.Join(err, dir.Close())
}

func (d directory) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, d.fault("read "+name, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{until{ctx, f}, f}, nil
}

func (d directory) List(ctx context.Context, prefix string) (map[string]int64, error) {
	out := map[string]int64{}
	// From the deepest folder that all names with the prefix lie in: there may be others' beside it.
	root := d.path(prefix[:strings.LastIndexByte(prefix, '/')+1])
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing yet, or just removed
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(string(d), path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if name := filepath.ToSlash(rel); err == nil && strings.HasPrefix(name, prefix) {
			out[name] = info.Size()
		}
		return err
	})
	return out, d.fault("list it", err)
}

func (d directory) Remove(_ context.Context, name string) error {
	path := d.path(name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.fault("remove "+name, err)
	}
	for dir := filepath.Dir(path); len(dir) > len(d) && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	} // what is empty now goes, too
	return nil
}

// fault says what failed where, in the codes of a target.
func (d directory) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	code := fault.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		code = fault.Denied
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &fault.Error{Code: fault.Exhausted, Op: "backup target " + string(d) + ": " + op, Message: "it is full; free some space or keep fewer backups", Err: err}
	}
	return fault.Wrap(err, code, "backup target "+string(d)+": "+op)
}

// until reads until a context ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}
