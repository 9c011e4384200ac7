package pages

import (
	"bytes"
	"io"
	"math/bits"
)

// deepest bounds how many pages lie above one another, buckets in buckets included. Files of terabytes
// have fewer than ten.
const deepest = 64

// walk goes through the trees of a file once, and remembers the pages it came by.
type walk struct {
	r        io.ReaderAt
	pageSize uint64
	pages    uint64
	seen     []uint64        // a bit for each page
	buffers  [deepest][]byte // the page looked at on each level
}

func newWalk(r io.ReaderAt, pageSize, pages uint64) *walk {
	w := &walk{r: r, pageSize: pageSize, pages: pages, seen: make([]uint64, pages/64+1)}
	w.seen[0] = 3 // the meta pages
	return w
}

// take remembers a page; false when it was taken before or cannot exist.
func (w *walk) take(page uint64) bool {
	if page >= w.pages || w.seen[page/64]&(1<<(page%64)) != 0 {
		return false
	}
	w.seen[page/64] |= 1 << (page % 64)
	return true
}

// missed is the first page that was not taken.
func (w *walk) missed() (uint64, bool) {
	for n, word := range w.seen {
		if page := uint64(n)*64 + uint64(bits.TrailingZeros64(^word)); ^word != 0 && page < w.pages {
			return page, true
		}
	}
	return 0, false
}

// page is one page with those that continue it, or the one inside of a small bucket.
type page struct {
	id           uint64
	flags, count uint16
	bytes        []byte
}

// read takes a page. Its bytes are good until another one of the same level is read.
func (w *walk) read(id uint64, level int) (p page, err error) {
	if !w.take(id) {
		return p, damaged(id, "it is used twice, or does not exist")
	}
	b := w.buffer(level, w.pageSize)
	if _, err := w.r.ReadAt(b, int64(id*w.pageSize)); err != nil {
		return p, unreadable(id, err)
	}
	p = page{id, order.Uint16(b[8:]), order.Uint16(b[10:]), b}
	if order.Uint64(b) != id {
		return p, damaged(id, "it calls itself page %d", order.Uint64(b))
	}
	more := uint64(order.Uint32(b[12:]))
	for n := range more {
		if !w.take(id + 1 + n) {
			return p, damaged(id, "it claims page %d, which is in use or does not exist", id+1+n)
		}
	}
	if more > 0 {
		p.bytes = w.buffer(level, (1+more)*w.pageSize)
		if _, err := w.r.ReadAt(p.bytes, int64(id*w.pageSize)); err != nil {
			return p, unreadable(id, err)
		}
	}
	return p, nil
}

func (w *walk) buffer(level int, size uint64) []byte {
	if uint64(cap(w.buffers[level])) < size {
		w.buffers[level] = make([]byte, size)
	}
	return w.buffers[level][:size]
}

// bounds are what the page above says about the keys in one: not below low, below high; nil for none.
// The root of a tree has none above, and may be empty.
type bounds struct {
	low, high []byte
	root      bool
}

// tree verifies a page and all below it.
func (w *walk) tree(id uint64, level int, in bounds) error {
	if level >= deepest {
		return damaged(id, "there are %d pages above it", level)
	}
	p, err := w.read(id, level)
	if err != nil {
		return err
	}
	switch {
	case p.flags == leafFlag && p.count == 0:
		if !in.root || len(bytes.TrimRight(p.bytes[header:], "\x00")) > 0 {
			return damaged(id, "it claims to be empty")
		}
		return nil
	case p.flags == leafFlag:
		_, err := w.leaf(p, level, in)
		return err
	case p.flags == branchFlag && p.count > 0:
		return w.branch(p, level, in)
	}
	return damaged(id, "it is neither a branch nor a leaf of a tree")
}

// element is one of a branch or a leaf.
type element struct {
	key, value []byte
	page       uint64 // of a branch
	flags      uint32 // of a leaf
}

// elements yields those of a page and returns where they end.
func (p page) elements(in bounds, do func(n int, e element) error) (end uint64, err error) {
	size := uint64(len(p.bytes))
	end = header + 16*uint64(p.count)
	if end > size {
		return 0, damaged(p.id, "it claims %d elements, more than it holds", p.count)
	}
	last := in.low
	for n := range int(p.count) {
		at := header + 16*uint64(n)
		b := p.bytes[at:]
		var e element
		var pos, keySize, valueSize uint64
		if p.flags == branchFlag {
			pos, keySize, e.page = uint64(order.Uint32(b)), uint64(order.Uint32(b[4:])), order.Uint64(b[8:])
		} else {
			e.flags, pos = order.Uint32(b), uint64(order.Uint32(b[4:]))
			keySize, valueSize = uint64(order.Uint32(b[8:])), uint64(order.Uint32(b[12:]))
		}
		if at+pos != end || keySize == 0 || end+keySize+valueSize > size {
			return 0, damaged(p.id, "element %d does not stand where it should", n)
		}
		e.key = p.bytes[end : end+keySize]
		e.value = p.bytes[end+keySize : end+keySize+valueSize]
		end += keySize + valueSize
		if c := bytes.Compare(e.key, last); c < 0 || c == 0 && n > 0 {
			return 0, damaged(p.id, "the key of element %d is below the one before it", n)
		}
		if in.high != nil && bytes.Compare(e.key, in.high) >= 0 {
			return 0, damaged(p.id, "the key of element %d belongs to another page", n)
		}
		last = e.key
		if err := do(n, e); err != nil {
			return 0, err
		}
	}
	return end, nil
}

func (w *walk) branch(p page, level int, in bounds) error {
	// A page below goes up to the key of the next one: each is looked at once the next key is known.
	var before element
	below := func(e element, high []byte) error {
		return w.tree(e.page, level+1, bounds{low: e.key, high: high})
	}
	_, err := p.elements(in, func(n int, e element) (err error) {
		if n > 0 {
			err = below(before, e.key)
		}
		before = e
		return err
	})
	if err != nil {
		return err
	}
	return below(before, in.high)
}

// leaf verifies the elements of a leaf and what is in its buckets.
func (w *walk) leaf(p page, level int, in bounds) (end uint64, err error) {
	return p.elements(in, func(n int, e element) error {
		switch e.flags {
		case 0:
			return nil
		case 1:
			return w.bucket(p, n, e.value, level)
		}
		return damaged(p.id, "element %d is of an unknown type", n)
	})
}

func (w *walk) bucket(p page, n int, value []byte, level int) error {
	if len(value) < 16 {
		return damaged(p.id, "the bucket in element %d is cut off", n)
	}
	root, inside := order.Uint64(value), value[16:]
	if root != 0 {
		if len(inside) > 0 {
			return damaged(p.id, "the bucket in element %d is both here and elsewhere", n)
		}
		return w.tree(root, level+1, bounds{root: true})
	}
	if len(inside) < header || order.Uint64(inside) != 0 || order.Uint16(inside[8:]) != leafFlag || order.Uint32(inside[12:]) != 0 {
		return damaged(p.id, "the bucket in element %d has a wrong head", n)
	}
	small := page{p.id, leafFlag, order.Uint16(inside[10:]), inside}
	end, err := small.elements(bounds{}, func(_ int, e element) error {
		if e.flags != 0 {
			return damaged(p.id, "the small bucket in element %d has buckets inside", n)
		}
		return nil
	})
	if err == nil && end != uint64(len(inside)) {
		err = damaged(p.id, "the bucket in element %d does not end where it should", n)
	}
	return err
}
