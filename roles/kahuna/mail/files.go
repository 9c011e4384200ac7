package mail

import (
	"context"
	"net/mail"
	"os"
	"path/filepath"

	"kowabunga/core/fault"
)

// files writes letters into a directory, for a person or a mail system to pick up.
type files struct {
	dir  string
	from mail.Address
}

var _ Sender = (*files)(nil)

func openFiles(dir string, from mail.Address) (Sender, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: "set up mail", Message: "the directory for mail cannot be made", Err: err}
	}
	return &files{dir: dir, from: from}, nil
}

// Send writes one file, named by the letter's time and id, and returns once it and its directory are on
// disk. A repeat replaces the file by itself.
func (f *files) Send(_ context.Context, m Message) error {
	data, err := encode(f.from, m)
	if err != nil {
		return err
	}
	name := m.At.UTC().Format("20060102T150405.000Z-") + m.ID + ".eml"
	if err := place(f.dir, name, data); err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: "write a letter", Message: "the mail directory cannot be written to", Err: err}
	}
	return nil
}

// place writes a file aside and renames it, with everything synced on the way.
func place(dir, name string, data []byte) (err error) {
	aside, err := os.CreateTemp(dir, ".writing-") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		aside.Close()
		if err != nil {
			os.Remove(aside.Name())
		}
	}()
	if _, err = aside.Write(data); err != nil {
		return err
	}
	if err = aside.Sync(); err != nil {
		return err
	}
	if err = os.Rename(aside.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
