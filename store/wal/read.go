package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"kowabunga/core/fault"
	"kowabunga/store/octets"
)

// Content is what a log has for a key.
type Content struct {
	Batches []Batch // in the order in which they were written, up to the first that is not whole
	Mark    uint64  // all up to this record was synced; 0 when nothing of this lap is known to be
}

// Read reads what a log has for a key. There is nothing in a log that is not there, nor in one of other laps. Whether
// a batch that is not whole was cut off by a crash or is damaged, the mark tells. Fault: Malformed when the mark is
// damaged, or the file is cut off.
func Read(path string, key [KeySize]byte) (Content, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Content{}, nil
	}
	if err != nil {
		return Content{}, fault.Wrap(err, fault.Unavailable, "read "+path)
	}
	c, err := parse(raw, key[:])
	return c, fault.Wrap(err, fault.Malformed, "read "+path)
}

func parse(raw, key []byte) (c Content, err error) {
	if len(raw) != Size {
		return c, fault.New(fault.Malformed, "it has %d bytes instead of %d", len(raw), Size)
	}
	if mark := raw[:markBytes]; !bytes.Equal(mark, make([]byte, markBytes)) {
		text, err := octets.Verify(markName, mark[:sumBytes+KeySize+8])
		if err != nil {
			return c, err
		}
		if bytes.Equal(text[:KeySize], key) {
			c.Mark = binary.BigEndian.Uint64(text[KeySize:])
		}
	}
	c.Batches = whole(raw[markBytes:], key)
	return c, nil
}

// whole are the batches of a lap up to the first that is not whole.
func whole(raw, key []byte) (out []Batch) {
	for len(raw) > lengthBytes {
		n := uint64(binary.BigEndian.Uint32(raw))
		if n > uint64(len(raw)-lengthBytes) {
			break
		}
		body, err := octets.Verify(key, raw[lengthBytes:lengthBytes+n])
		if err != nil {
			break
		}
		b, err := batch(body)
		if err != nil {
			break
		}
		out = append(out, b)
		raw = raw[lengthBytes+n:]
	}
	return out
}

func batch(body []byte) (b Batch, err error) {
	r := octets.Read(body)
	b.Published = r.Number()
	for r.More() {
		b.Records = append(b.Records, r.Field())
	}
	return b, r.End()
}
