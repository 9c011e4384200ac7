package wal

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"kowabunga/core/fault"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
	"kowabunga/store/octets"
)

// Size is that of the file; Room is what frames have of it.
const (
	Size = 4 << 20
	Room = Size - markBytes
)

// markBytes is a sector, which a disk writes as a whole.
const markBytes = 512

var markName = []byte("mark")

// KeySize is the length of a key.
const KeySize = 16

// What stands before a body.
const (
	lengthBytes = 4
	sumBytes    = 5 // of octets.Sum
)

// The moments of an append at which a crash is interesting.
var (
	beforeWrite = failpoint.Register("store.wal.before-write")
	beforeSync  = failpoint.Register("store.wal.before-sync")
	afterSync   = failpoint.Register("store.wal.after-sync")
	beforeMark  = failpoint.Register("store.wal.before-mark")
)

// File is an open log. Its methods are for one goroutine.
type File struct {
	f   *os.File
	key []byte
	at  int64 // where the next frame goes
	buf []byte
}

// Batch is what one Append wrote.
type Batch struct {
	Published uint64
	Records   [][]byte
}

// Make makes an empty log in the place of whatever is there.
func Make(path string) error { return durable.Write(path, make([]byte, Size), 0o600) }

// Open opens a log for writing. Faults: NotFound; Malformed when it has not the size of one.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no %s", path)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != Size {
		err = fault.New(fault.Malformed, "%s has %d bytes instead of %d", path, info.Size(), Size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f: f}, nil
}

// Close lets go of the file.
func (w *File) Close() error { return w.f.Close() }

// Begin begins a lap: from now on frames are written from the front, for a key that no lap had before.
func (w *File) Begin(key [KeySize]byte) { w.key, w.at = key[:], markBytes }

// Fits tells whether a lap has begun that has room for so many records of so many bytes in all.
func (w *File) Fits(records, bytes int) bool {
	return w.key != nil && w.at+lengthBytes+sumBytes+binary.MaxVarintLen64*int64(1+records)+int64(bytes) <= Size
}

// Append puts records behind those that the lap has, and returns once they are on disk. After an error it is not known
// whether they are, and the log must not be used any more before the next lap.
func (w *File) Append(published uint64, records [][]byte) error {
	body := octets.Number(w.buf[:0], published)
	for _, r := range records {
		body = octets.Append(body, r)
	}
	w.buf = body
	framed := octets.Sum(w.key, body)
	raw := append(binary.BigEndian.AppendUint32(make([]byte, 0, lengthBytes+len(framed)), uint32(len(framed))), framed...)
	if w.at+int64(len(raw)) > Size {
		return fault.New(fault.Internal, "a batch of %d bytes was appended to a log that has room for %d", len(raw), Size-w.at)
	}
	if err := beforeWrite.Hit(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(raw, w.at); err != nil {
		return err
	}
	if err := beforeSync.Hit(); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	w.at += int64(len(raw))
	return afterSync.Hit()
}

// sync waits for the disk. The file's size does not change, so that its content is all there is to sync.
func (w *File) sync() error {
	for {
		if err := syscall.Fdatasync(int(w.f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// Mark notes that everything up to a record is on disk. The note gets there with the next Append, or whenever the
// system writes it: with it a frame that is damaged later is told from one that a crash cut off.
func (w *File) Mark(index uint64) error {
	if err := beforeMark.Hit(); err != nil {
		return err
	}
	_, err := w.f.WriteAt(octets.Sum(markName, binary.BigEndian.AppendUint64(slices.Clone(w.key), index)), 0)
	return err
}
