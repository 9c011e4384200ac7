package block

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"kowabunga/core/fault"
)

const (
	hole      = 64 << 10 // zeros of this length, aligned, are left out of the file
	roomEvery = 64 << 20 // bytes between two looks at the free space
)

var zeros [hole]byte

// copySparse writes r to a new file, leaves holes for zeros, and returns how many bytes r had. More
// than limit bytes are refused. The file ends on a sector; it is synced when this returns.
func copySparse(ctx context.Context, p *pool, path string, r io.Reader, limit int64) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, hole)
	written, checked := int64(0), int64(-roomEvery)
	for {
		if err := checkContext(ctx); err != nil {
			return n, err
		}
		if written-checked >= roomEvery {
			if err := p.room(roomEvery); err != nil {
				return n, err
			}
			checked = written
		}
		// ReadFull keeps the bytes that come together with the end of the stream.
		got, readErr := io.ReadFull(r, block)
		if n+int64(got) > limit {
			return n, fault.New(fault.Invalid, "the image is larger than the %d bytes that are allowed", limit)
		}
		if got > 0 && !bytes.Equal(block[:got], zeros[:got]) {
			if _, err := f.WriteAt(block[:got], n); err != nil {
				return n, noSpace(err)
			}
			written += int64(got)
		}
		n += int64(got)
		if readErr == io.EOF || readErr == io.ErrUnexpectedEOF {
			break
		}
		if readErr != nil {
			return n, readErr
		}
	}
	if err := f.Truncate((n + sector - 1) / sector * sector); err != nil {
		return n, noSpace(err)
	}
	return n, noSpace(f.Sync())
}
