package backups

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/store"
)

// Progress is told how many bytes of how many were read; it may be nil.
type Progress func(done, total int64)

// pieces are the objects of a chain in a folder of this machine.
type pieces struct {
	dir  string
	m    *Manifest
	with []age.Identity
}

// fetch copies the first n pieces of a chain into a folder and verifies that they are what the manifest
// says. Faults name the object: NotFound when it is missing, Malformed when it is damaged.
func fetch(ctx context.Context, t Target, m *Manifest, n int, dir string, with []age.Identity, p Progress) (*pieces, error) {
	var done, total int64
	for _, piece := range m.Pieces[:n] {
		total += piece.Bytes
	}
	for i, piece := range m.Pieces[:n] {
		name := m.Family + "/" + m.Chain + "/" + piece.Object
		in, err := t.Get(ctx, name)
		if fault.Is(err, fault.NotFound) {
			what := "the full backup"
			if i > 0 {
				what = fmt.Sprintf("a segment (records %d to %d)", piece.From, piece.To.Index)
			}
			return nil, &fault.Error{Code: fault.NotFound, Message: what + " is missing: " + name, Err: err}
		}
		if err != nil {
			return nil, err
		}
		read := func(n int64) {
			if done += n; p != nil {
				p(done, total)
			}
		}
		if err := keep(in, filepath.Join(dir, piece.Object), piece, name, read); err != nil {
			return nil, err
		}
	}
	cut := *m
	cut.Pieces = m.Pieces[:n]
	return &pieces{dir, &cut, with}, nil
}

// keep writes an object to a file.
func keep(in io.ReadCloser, path string, piece Piece, name string, read func(int64)) (err error) {
	defer in.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "write a scratch file")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum, counting(read)), io.LimitReader(in, piece.Bytes+1))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "read "+name)
	}
	if n != piece.Bytes || hex.EncodeToString(sum.Sum(nil)) != piece.Sum {
		return fault.New(fault.Malformed, "%s is damaged: it is not what was verified when it was written", name)
	}
	return nil
}

type counting func(int64)

func (c counting) Write(b []byte) (int, error) {
	c(int64(len(b)))
	return len(b), nil
}

// open opens a piece.
func (p *pieces) open(i int) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(p.dir, p.m.Pieces[i].Object))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "read a scratch file")
	}
	r, err := Opened(f, p.with)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// restore makes a store of the pieces.
func (p *pieces) restore(ctx context.Context, o store.RestoreOptions) (*store.Restored, store.Key, error) {
	for i := 1; i < len(p.m.Pieces); i++ {
		o.Segments = append(o.Segments, store.Part{Name: p.m.Chain + "/" + p.m.Pieces[i].Object, Open: func() (io.ReadCloser, error) { return p.open(i) }})
	}
	in, err := p.open(0)
	if err != nil {
		return nil, store.Key{}, err
	}
	defer in.Close()
	return store.RestoreChain(ctx, in, o)
}

const ageLine = "age-encryption.org/v1\n"

// Opened reads a backup or a piece of one: through age when it is an age file. Fault: Invalid when there is
// no identity that opens it.
func Opened(r io.Reader, with []age.Identity) (io.Reader, error) {
	head := make([]byte, len(ageLine))
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, fault.Wrap(err, fault.Unavailable, "read the backup")
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	if string(head[:n]) != ageLine {
		return r, nil
	}
	if len(with) == 0 {
		return nil, fault.New(fault.Invalid, "the backup is encrypted for age recipients; give the identity of one of them (--identity-file)")
	}
	out, err := age.Decrypt(r, with...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, fault.New(fault.Denied, "the backup is encrypted for other age recipients than the identities given")
	case err != nil:
		return nil, &fault.Error{Code: fault.Malformed, Message: "the backup is a damaged age file", Err: err}
	}
	return out, nil
}

// Identities reads age identities, one a line. Fault: Invalid, which does not quote them.
func Identities(text string) ([]age.Identity, error) {
	if text == "" {
		return nil, nil
	}
	out, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the identities are not age identities (AGE-SECRET-KEY-1...)")
	}
	return out, nil
}
