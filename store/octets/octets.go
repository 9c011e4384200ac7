// Package octets reads and writes the length-prefixed fields that stored values, journal records and
// backups are made of. Lengths and numbers are unsigned varints (encoding/binary), so that equal
// content has exactly one encoding as long as it is written here; Reader refuses overlong varints.
package octets

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"kowabunga/core/fault"
)

// Append adds a length and the bytes.
func Append[B ~string | ~[]byte](to []byte, field B) []byte {
	to = binary.AppendUvarint(to, uint64(len(field)))
	return append(to, field...)
}

// Number adds an unsigned number.
func Number(to []byte, n uint64) []byte { return binary.AppendUvarint(to, n) }

const summed = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is a text with a sum over it and the name it is kept under:
//
//	1 byte   format, 1
//	4 bytes  CRC-32C (Castagnoli, RFC 3720) of name and text, big endian
//	the text
//
// A CRC notices every change of up to four bytes in a row.
func Sum(name, text []byte) []byte {
	b := make([]byte, 1, 5+len(text))
	b[0] = summed
	b = binary.BigEndian.AppendUint32(b, crc32.Update(crc32.Checksum(name, castagnoli), castagnoli, text))
	return append(b, text...)
}

// Verify is the text of what Sum made under this name; it shares the memory of b. Fault: Malformed.
func Verify(name, b []byte) ([]byte, error) {
	if len(b) < 5 || b[0] != summed {
		return nil, fault.New(fault.Malformed, "%q is cut off or of a form this release does not know", name)
	}
	if crc32.Update(crc32.Checksum(name, castagnoli), castagnoli, b[5:]) != binary.BigEndian.Uint32(b[1:]) {
		return nil, fault.New(fault.Malformed, "%q is damaged: its sum is wrong", name)
	}
	return b[5:], nil
}

// Reader takes fields off the front of some bytes. After the first failure it returns zeroes, and Err
// tells what was wrong, so that callers check once.
type Reader struct {
	rest []byte
	err  error
}

// Read makes a reader; the fields it returns share the memory of b.
func Read(b []byte) *Reader { return &Reader{rest: b} }

// Number takes an unsigned number.
func (r *Reader) Number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || size > (bits.Len64(n|1)+6)/7 {
		r.fail("a number is cut off or overlong")
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Field takes a length and as many bytes.
func (r *Reader) Field() []byte {
	n := r.Number()
	if n > uint64(len(r.rest)) {
		r.fail("a field is longer than what holds it")
		return nil
	}
	return r.Fixed(int(n))
}

// Text takes a length and as many bytes as a string.
func (r *Reader) Text() string { return string(r.Field()) }

// Fixed takes n bytes.
func (r *Reader) Fixed(n int) []byte {
	if n > len(r.rest) {
		r.fail("the end is missing")
		return nil
	}
	field := r.rest[:n:n]
	r.rest = r.rest[n:]
	return field
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if b := r.Fixed(1); b != nil {
		return b[0]
	}
	return 0
}

// More tells whether bytes are left and nothing failed.
func (r *Reader) More() bool { return r.err == nil && len(r.rest) > 0 }

// End is the first failure, or one for bytes that are left over.
func (r *Reader) End() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("there are bytes after the end")
	}
	return r.err
}

// Err is the first failure.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(message string) {
	if r.err == nil {
		r.err = fault.New(fault.Malformed, "%s", message)
	}
	r.rest = nil
}
