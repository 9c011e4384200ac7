package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"kowabunga/core/fault"
)

// maxSecret bounds a secret; keys and passwords are far below it.
const maxSecret = 64 << 10

// Secret is where a secret is read from. It never holds the secret itself.
type Secret struct {
	File string // path, "-" for standard input, "" when none was given
}

// String is the name of the file; a Secret can be logged.
func (s Secret) String() string { return s.File }

// Given reports whether there is a secret to read.
func (s Secret) Given() bool { return s.File != "" }

// Read returns the secret without one trailing line end. The file must be a regular one that others
// cannot read (no permission bits for "other"; a group may read, as service credentials do). A secret
// that is empty, longer than 64 KiB, or holds a line end inside is refused.
func (s Secret) Read(stdin io.Reader) (string, error) {
	const op = "read a secret"
	var source io.Reader
	switch s.File {
	case "":
		return "", &fault.Error{Code: fault.Invalid, Op: op, Message: "no file was named for it"}
	case "-":
		source = stdin
	default:
		f, err := os.Open(s.File)
		if errors.Is(err, fs.ErrNotExist) {
			return "", &fault.Error{Code: fault.NotFound, Op: op, Message: s.File + " does not exist"}
		}
		if err != nil {
			return "", fault.Wrap(err, fault.Unavailable, op)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return "", fault.Wrap(err, fault.Unavailable, op)
		}
		if err := private(s.File, info); err != nil {
			return "", err
		}
		source = f
	}
	text, err := io.ReadAll(io.LimitReader(source, maxSecret+1))
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, op)
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	where := s.File
	if where == "-" {
		where = "standard input"
	}
	switch {
	case len(text) == 0:
		return "", &fault.Error{Code: fault.Invalid, Op: op, Message: where + " is empty"}
	case len(text) > maxSecret:
		return "", &fault.Error{Code: fault.Invalid, Op: op, Message: where + " is larger than 64 KiB; that is no secret"}
	case bytes.ContainsAny(text, "\r\n\x00"):
		return "", &fault.Error{Code: fault.Invalid, Op: op, Message: where + " holds more than one line"}
	}
	return string(text), nil
}

// private refuses what others could read.
func private(path string, info fs.FileInfo) error {
	const op = "read a secret"
	if !info.Mode().IsRegular() {
		return &fault.Error{Code: fault.Invalid, Op: op, Message: path + " is not a regular file"}
	}
	if info.Mode().Perm()&0o007 != 0 {
		return &fault.Error{Code: fault.Denied, Op: op, Message: fmt.Sprintf("%s may be read by everybody (mode %04o); run: chmod 0600 %s", path, info.Mode().Perm(), path)}
	}
	return nil
}
