package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Belong gives a file or directory that root has just made to the owner of the directory it is in: a
// server that runs as that user has to read what an administrator's command put there.
func Belong(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	above, err := os.Stat(filepath.Dir(filepath.Clean(f.Name())))
	if err != nil {
		return err
	}
	owner, ok := above.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("give it to the owner of its directory: %w", err)
	}
	return nil
}

// belongs does that with a directory.
func belongs(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	d, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return Belong(d)
}
