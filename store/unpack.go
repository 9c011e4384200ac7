package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"io"
	"strings"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/store/journal"
	"kowabunga/store/octets"
	"kowabunga/store/seal"
)

// maxFrame bounds one frame of a backup: no object and no record comes near it.
const maxFrame = 64 << 20

// unpacker reads a backup, or another file of the same frames.
type unpacker struct {
	of     string // what it is, for faults
	r      *bufio.Reader
	sum    hash.Hash
	header Header
	locked []byte // the encrypted sealing key, none when it is outside
	kind   byte   // of the frame after the key, which is read already
	body   []byte
}

// ReadHeader reads what a backup says about itself, without verifying the rest. Fault: Malformed.
func ReadHeader(r io.Reader) (*Header, error) {
	u, err := unpack(r)
	if err != nil {
		return nil, fault.Wrap(err, fault.Malformed, "read the backup")
	}
	return &u.header, nil
}

func framed(r io.Reader, of string) *unpacker {
	return &unpacker{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New(), of: of}
}

// unpack reads a backup up to its first object.
func unpack(r io.Reader) (*unpacker, error) {
	u := framed(r, "backup")
	if err := u.begin(backupMagic, &u.header); err != nil {
		return nil, err
	}
	if u.kind == 'k' {
		u.locked = u.body
		if err := u.next(); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// begin reads the line of text and the header, and the frame after it.
func (u *unpacker) begin(line string, header any) error {
	magic := make([]byte, len(line))
	if _, err := io.ReadFull(u.r, magic); err != nil || string(magic) != line {
		return fault.New(fault.Malformed, "this is not a %s of Kowabunga, or one of a newer form", u.of)
	}
	u.sum.Write(magic)
	if err := u.next(); err != nil {
		return err
	}
	if u.kind != 'h' {
		return u.malformed("has no header")
	}
	if err := json.Unmarshal(u.body, header); err != nil {
		return &fault.Error{Code: fault.Malformed, Op: "read the header", Err: err}
	}
	return u.next()
}

// next reads a frame and adds it to the sum, the end excepted.
func (u *unpacker) next() error {
	kind, err := u.r.ReadByte()
	if err != nil {
		return u.cutOff(err)
	}
	n, err := binary.ReadUvarint(u.r)
	if err != nil {
		return u.cutOff(err)
	}
	if n > maxFrame {
		return u.malformed("is damaged: a part of it claims %d bytes", n)
	}
	// Grown as the bytes come, so that a lying length costs nothing.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, u.r, int64(n)); err != nil {
		return u.cutOff(err)
	}
	u.kind, u.body = kind, b.Bytes()
	if kind != 'e' {
		u.sum.Write(octets.Append([]byte{kind}, u.body))
	}
	return nil
}

func (u *unpacker) cutOff(err error) error {
	return &fault.Error{Code: fault.Malformed, Message: "the " + u.of + " is cut off", Err: err}
}

func (u *unpacker) malformed(format string, args ...any) error {
	return fault.New(fault.Malformed, "the "+u.of+" "+format, args...)
}

// content feeds every object and record to the functions and verifies counts, chain and sums. It
// returns the position before the first record.
func (u *unpacker) content(sealer *seal.Sealer, object func(kind, id, value []byte) error, record func(*journal.Record, []byte) error) (cut Position, err error) {
	var end backupEnd
	for ; u.kind == 'o'; end.Objects++ {
		in := octets.Read(u.body)
		kind, id, value := in.Field(), in.Field(), in.Field()
		if err := in.End(); err != nil {
			return cut, err
		}
		if err := object(kind, id, value); err != nil {
			return cut, err
		}
		if err := u.next(); err != nil {
			return cut, err
		}
	}
	if u.kind != 'c' {
		return cut, u.malformed("has no journal")
	}
	if err := json.Unmarshal(u.body, &cut); err != nil {
		return cut, &fault.Error{Code: fault.Malformed, Op: "read where the journal begins", Err: err}
	}
	if err := u.next(); err != nil {
		return cut, err
	}
	return cut, u.rest(sealer, cut, u.header.Position, end, record)
}

// rest feeds the records to a function and verifies that they lead from a position to another, and the
// end of the backup.
func (u *unpacker) rest(sealer *seal.Sealer, at, to Position, end backupEnd, record func(*journal.Record, []byte) error) error {
	for ; u.kind == 'r'; end.Records++ {
		r, err := journal.Decode(u.body)
		if err != nil {
			return err
		}
		if err := r.Follows(at.Index, at.Hash); err != nil {
			return err
		}
		if err := record(r, u.body); err != nil {
			return err
		}
		at = Position{r.Index, r.Hash}
		if err := u.next(); err != nil {
			return err
		}
	}
	var said backupEnd
	if err := json.Unmarshal(u.body, &said); u.kind != 'e' || err != nil {
		return u.malformed("has no end")
	}
	sum := u.sum.Sum(nil)
	switch {
	case !bytes.Equal(sum, said.Sum):
		return u.malformed("is damaged: its checksum is wrong")
	case !bytes.Equal(sealer.Sum(sum), said.Mac):
		return fault.New(fault.Denied, "the %s was made with another sealing key, or changed by somebody without it", u.of)
	case at != to || said.Objects != end.Objects || said.Records != end.Records:
		return u.malformed("does not hold what its header promises")
	}
	return nil
}

// wrapKey encrypts the sealing key.
func wrapKey(key Key, to []age.Recipient) ([]byte, error) {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(key[:]); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// key finds the sealing key: the one given, or the one inside.
func (u *unpacker) key(o RestoreOptions) (key Key, err error) {
	if o.SealKey != nil {
		return *o.SealKey, nil
	}
	var with []age.Identity
	switch {
	case u.locked == nil:
		return key, fault.New(fault.Invalid, "the backup does not hold the sealing key; give the key it was made with")
	case u.header.Key == KeyPassphrase && o.Passphrase == "":
		return key, fault.New(fault.Invalid, "the sealing key in the backup is encrypted; give its passphrase, or the key itself")
	case u.header.Key == KeyPassphrase:
		id, err := age.NewScryptIdentity(o.Passphrase)
		if err != nil {
			return key, err
		}
		with = append(with, id)
	case o.Identities == "":
		return key, fault.New(fault.Invalid, "the sealing key in the backup is encrypted for age recipients; give an identity of one of them, or the key itself")
	default:
		if with, err = age.ParseIdentities(strings.NewReader(o.Identities)); err != nil {
			// The cause quotes the line, which is a secret.
			return key, fault.New(fault.Invalid, "the identities are not age identities (AGE-SECRET-KEY-1...)")
		}
	}
	r, err := age.Decrypt(bytes.NewReader(u.locked), with...)
	if err != nil {
		return key, &fault.Error{Code: fault.Denied, Message: "the sealing key in the backup does not open with that passphrase or identity", Err: err}
	}
	if _, err := io.ReadFull(r, key[:]); err != nil {
		return key, u.cutOff(err)
	}
	return key, nil
}
