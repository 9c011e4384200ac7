package pages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"

	"kowabunga/core/fault"
)

const (
	magic   = 0xED0CDAED
	version = 2

	header   = 16 // bytes before the content of a page
	metaSize = 64
	sumAt    = 56 // the sum in a meta, which covers what is before it

	branchFlag = 0x01
	leafFlag   = 0x02
	metaFlag   = 0x04
	freeFlag   = 0x10

	smallest, largest = 1 << 10, 1 << 24 // page sizes bbolt looks for
)

var order = binary.NativeEndian

// meta is what a meta page says.
type meta struct {
	pageSize, root, free, pages, tx uint64
}

// File verifies all of a file of so many bytes that nobody writes to. Fault: Malformed, naming the page
// and what is wrong with it.
func File(r io.ReaderAt, size int64) error {
	first, err := readMeta(r, 0, 0)
	if err != nil {
		return err
	}
	second, err := readMeta(r, 1, int64(first.pageSize))
	if err != nil {
		return err
	}
	if second.pageSize != first.pageSize {
		return damaged(1, "it says that pages have %d bytes, page 0 says %d", second.pageSize, first.pageSize)
	}
	now := first
	if second.tx > first.tx {
		now = second
	}
	if now.pages < 2 || now.pages > uint64(size)/now.pageSize {
		return fault.New(fault.Malformed, "the file is cut off: it has %d bytes and should have %d pages of %d", size, now.pages, now.pageSize)
	}
	w := newWalk(r, now.pageSize, now.pages)
	if err := w.tree(now.root, 0, bounds{root: true}); err != nil {
		return err
	}
	return w.free(now.free)
}

// Tree verifies what a transaction sees of a file that may be written to meanwhile: the tree below the
// root page, in a file of so many pages. Faults as File.
func Tree(r io.ReaderAt, pageSize, root, pages uint64) error {
	return newWalk(r, pageSize, pages).tree(root, 0, bounds{root: true})
}

func readMeta(r io.ReaderAt, page uint64, at int64) (m meta, err error) {
	var b [header + metaSize]byte
	if _, err := r.ReadAt(b[:], at); err != nil {
		return m, unreadable(page, err)
	}
	c := b[header:]
	sum := fnv.New64a()
	_, _ = sum.Write(c[:sumAt])
	m = meta{
		pageSize: uint64(order.Uint32(c[8:])), root: order.Uint64(c[16:]), free: order.Uint64(c[32:]),
		pages: order.Uint64(c[40:]), tx: order.Uint64(c[48:]),
	}
	switch {
	case order.Uint32(c) != magic || order.Uint32(c[4:]) != version || order.Uint64(c[sumAt:]) != sum.Sum64():
		return m, damaged(page, "it tells where the last change is, and its sum is wrong; what was changed last may be lost")
	case order.Uint64(b[:]) != page || order.Uint16(b[8:]) != metaFlag || order.Uint16(b[10:]) != 0 || order.Uint32(b[12:]) != 0:
		return m, damaged(page, "its head is wrong")
	case m.pageSize < smallest || m.pageSize > largest || m.pageSize&(m.pageSize-1) != 0:
		return m, damaged(page, "it says that pages have %d bytes", m.pageSize)
	}
	return m, nil
}

// free verifies that each page is either used or in the list of free pages.
func (w *walk) free(id uint64) error {
	p, err := w.read(id, 0)
	if err != nil {
		return err
	}
	if p.flags != freeFlag {
		return damaged(id, "it is not the list of free pages")
	}
	ids, n := p.bytes[header:], uint64(p.count)
	if n == math.MaxUint16 {
		n, ids = order.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids))/8 {
		return damaged(id, "the list of free pages claims %d, more than it holds", n)
	}
	for i := range n {
		if page := order.Uint64(ids[8*i:]); !w.take(page) {
			return damaged(page, "it is in the list of free pages, and in use or in it twice, or does not exist")
		}
	}
	if page, ok := w.missed(); ok {
		return damaged(page, "it is neither in use nor in the list of free pages")
	}
	return nil
}

func damaged(page uint64, format string, args ...any) error {
	return fault.New(fault.Malformed, "page %d is damaged: %s", page, fmt.Sprintf(format, args...))
}

// unreadable tells of a page that could not be read, because it is not there or because the disk fails.
func unreadable(page uint64, err error) error {
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Malformed, "the file is cut off: page %d is missing", page)
	}
	return &fault.Error{Code: fault.Unavailable, Message: fmt.Sprintf("page %d cannot be read", page), Err: err}
}
