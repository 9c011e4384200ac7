package block

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

const (
	marker    = ".kowabunga-pool"
	imagesDir = "images"
	volumeDir = "volumes"
	seedsDir  = "seeds"
	workDir   = "tmp"
	sector    = 512
)

// pool is one directory pool.
type pool struct {
	id, name, dir string

	// Deleting an image and making a clone of it exclude each other; clones go side by side.
	clones sync.RWMutex
}

// mark is the content of the marker file.
type mark struct {
	Pool string `json:"pool"`
	Name string `json:"name"`
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{24}$`)

// checkID refuses what is no id before it becomes part of a path.
func checkID(field, id string) error {
	if !idPattern.MatchString(id) {
		return fault.Bad(field, "%.64q is not 24 lower-case hex digits", id)
	}
	return nil
}

func (p *pool) work() string            { return filepath.Join(p.dir, workDir) }
func (p *pool) image(id string) string  { return filepath.Join(p.dir, imagesDir, id) }
func (p *pool) volume(id string) string { return filepath.Join(p.dir, volumeDir, id+".qcow2") }
func (p *pool) seed(id string) string   { return filepath.Join(p.dir, seedsDir, id+".iso") }
func (p *pool) ids(sub, ext string) []string {
	entries, err := os.ReadDir(filepath.Join(p.dir, sub))
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ext); ok && idPattern.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// prepare makes the directory usable as this pool. seen says that it was one before: then a missing
// marker means that something else is there now, most often nothing because a disk is not mounted.
func (p *pool) prepare(seen bool) error {
	info, err := os.Stat(p.dir)
	if err != nil {
		return fault.New(fault.Unavailable, "pool %s: its directory %s is missing; create or mount it", p.name, p.dir)
	}
	if !info.IsDir() {
		return fault.New(fault.Unavailable, "pool %s: %s is not a directory", p.name, p.dir)
	}
	path := filepath.Join(p.dir, marker)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && seen:
		return fault.New(fault.Unavailable, "pool %s: %s does not hold the pool it held before; is its disk mounted?", p.name, p.dir)
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fault.New(fault.Unavailable, "pool %s: its marker cannot be read: %v", p.name, err)
	default:
		var m mark
		if err := json.Unmarshal(text, &m); err != nil || m.Pool != p.id {
			return fault.New(fault.Conflict, "pool %s: %s belongs to another pool (%.64q)", p.name, p.dir, m.Pool)
		}
	}
	for _, sub := range []string{imagesDir, volumeDir, seedsDir, workDir} {
		if err := os.MkdirAll(filepath.Join(p.dir, sub), 0o711); err != nil {
			return fault.New(fault.Unavailable, "pool %s: %v", p.name, err)
		}
	}
	if text == nil {
		body, err := json.Marshal(mark{Pool: p.id, Name: p.name})
		if err == nil {
			err = writeFile(path, p.work(), body)
		}
		if err != nil {
			return fault.New(fault.Unavailable, "pool %s cannot be written to: %v", p.name, err)
		}
	}
	return nil
}

// sweep empties the work directory: whatever is in it was left by a crash.
func (p *pool) sweep() error {
	entries, err := os.ReadDir(p.work())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(p.work(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// status is what the file system has. Disks are thin, so Available is what can still be written, not
// what was promised to tenants.
func (p *pool) status() agentproto.PoolStatus {
	s := agentproto.PoolStatus{ID: p.id}
	var fsinfo unix.Statfs_t
	if err := unix.Statfs(p.dir, &fsinfo); err != nil {
		s.Problem = "pool " + p.name + ": " + err.Error()
		return s
	}
	s.Ready = true
	s.Capacity = int64(fsinfo.Blocks) * fsinfo.Bsize
	s.Available = int64(fsinfo.Bavail) * fsinfo.Bsize
	return s
}

// reserve is what an import leaves free at least: a full pool stops the machines that write to it.
const reserve = 256 << 20

// room refuses work that would fill the pool.
func (p *pool) room(bytes int64) error {
	s := p.status()
	if s.Ready && s.Available-reserve < bytes {
		return fault.New(fault.Exhausted, "pool %s has %d MiB free, too little; free some space or use another pool", p.name, s.Available>>20)
	}
	return nil
}

// writeFile replaces a small file whole: written in work, synced, renamed, directory synced.
func writeFile(path, work string, content []byte) error {
	f, err := os.CreateTemp(work, "file-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath makes a file's content, or a directory's entries, survive a power cut.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// busy tells whether a QEMU has the file open. QEMU holds locks on single bytes from 100 on, two
// hundred at most (block/file-posix.c, RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE); asking for a
// write lock there takes none and shows any.
func busy(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0, Start: 100, Len: 200}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return false, err
	}
	return lock.Type != unix.F_UNLCK, nil
}

// allocated is what a file really takes on the disk; st_blocks counts 512-byte units (stat(2)).
func allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

func checkContext(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.From(context.Cause(ctx))
}
