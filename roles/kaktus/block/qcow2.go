package block

import (
	"encoding/binary"
	"io"

	"kowabunga/core/fault"
)

// The qcow2 header, by QEMU's docs/interop/qcow2.txt.
const (
	qcow2Magic      = "QFI\xfb"
	qcow2HeaderV2   = 72
	qcow2HeaderV3   = 104
	qcow2HeaderMax  = 64 << 10 // the header and its extensions lie in the first cluster
	minClusterBits  = 9
	maxClusterBits  = 21
	maxL1Bytes      = 32 << 20 // QCOW_MAX_L1_SIZE
	maxRefcountSize = 8 << 20  // QCOW_MAX_REFTABLE_SIZE
	extensionEnd    = 0
	extensionData   = 0x44415441 // "external data file name"
	featureDirty    = 1 << 0
	featureCorrupt  = 1 << 1
	featureExternal = 1 << 2
	featureCompress = 1 << 3
	featureL2       = 1 << 4
)

// header is what a qcow2 file says about itself.
type header struct {
	version     uint32
	clusterBits uint32
	size        int64  // virtual, bytes
	backing     string // empty for none
	encryption  uint32
	features    uint64 // incompatible ones
	l1Entries   uint32
	l1Offset    uint64
	refOffset   uint64
	refClusters uint32
	snapshots   uint32
	dataFile    bool // names an external data file
}

// readHeader reads the header of a qcow2 file of a known length. It decodes; strict judges.
func readHeader(r io.ReaderAt, length int64) (header, error) {
	var h header
	b := make([]byte, min(length, qcow2HeaderMax))
	if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
		return h, err
	}
	if len(b) < qcow2HeaderV2 || string(b[:4]) != qcow2Magic {
		return h, fault.New(fault.Invalid, "is not a qcow2 file")
	}
	be := binary.BigEndian
	h.version = be.Uint32(b[4:])
	backingOffset, backingLength := be.Uint64(b[8:]), be.Uint32(b[16:])
	h.clusterBits = be.Uint32(b[20:])
	size := be.Uint64(b[24:])
	h.encryption = be.Uint32(b[32:])
	h.l1Entries = be.Uint32(b[36:])
	h.l1Offset = be.Uint64(b[40:])
	h.refOffset = be.Uint64(b[48:])
	h.refClusters = be.Uint32(b[56:])
	h.snapshots = be.Uint32(b[60:])
	if h.version != 2 && h.version != 3 {
		return h, fault.New(fault.Invalid, "is qcow2 of version %d; 2 and 3 are known", h.version)
	}
	if h.clusterBits < minClusterBits || h.clusterBits > maxClusterBits {
		return h, fault.New(fault.Invalid, "has qcow2 clusters of 2^%d bytes; 2^%d to 2^%d are known", h.clusterBits, minClusterBits, maxClusterBits)
	}
	if size > 1<<62 {
		return h, fault.New(fault.Invalid, "claims a size of %d bytes", size)
	}
	h.size = int64(size)
	extensions := uint64(qcow2HeaderV2)
	if h.version == 3 {
		if len(b) < qcow2HeaderV3 {
			return h, fault.New(fault.Invalid, "ends inside its qcow2 header")
		}
		h.features = be.Uint64(b[72:])
		extensions = uint64(be.Uint32(b[100:]))
		if extensions < qcow2HeaderV3 || extensions > uint64(len(b)) {
			return h, fault.New(fault.Invalid, "has a qcow2 header of %d bytes", extensions)
		}
	}
	if backingOffset != 0 {
		// A name that lies elsewhere is a backing file all the same.
		h.backing = "(unreadable)"
		if end := backingOffset + uint64(backingLength); backingLength > 0 && backingOffset < uint64(len(b)) && end <= uint64(len(b)) {
			h.backing = string(b[backingOffset:end])
		}
	}
	h.dataFile = h.hasDataFile(b, extensions, backingOffset)
	return h, nil
}

// hasDataFile walks the header extensions, which end with a zero type, the backing file's name or the
// first cluster.
func (h header) hasDataFile(b []byte, at, backing uint64) bool {
	limit := min(uint64(len(b)), 1<<h.clusterBits)
	if backing > at {
		limit = min(limit, backing)
	}
	for at+8 <= limit {
		kind, length := binary.BigEndian.Uint32(b[at:]), uint64(binary.BigEndian.Uint32(b[at+4:]))
		switch kind {
		case extensionEnd:
			return false
		case extensionData:
			return true
		}
		at += 8 + (length+7)/8*8
	}
	return false
}

// strict refuses a qcow2 file from outside that refers to other files, needs a key, uses what we do
// not know, is broken, or claims more than limit bytes. The message continues "the image …".
func (h header) strict(length, limit int64) error {
	const known = featureDirty | featureCompress | featureL2
	cluster := int64(1) << h.clusterBits
	perL1 := cluster / 8 * cluster // bytes that one L1 entry maps
	if h.features&featureL2 != 0 {
		perL1 /= 2
	}
	switch {
	case h.backing != "":
		return fault.New(fault.Invalid, "has a backing file; flatten it first (qemu-img convert)")
	case h.dataFile || h.features&featureExternal != 0:
		return fault.New(fault.Invalid, "keeps its data in another file; flatten it first (qemu-img convert)")
	case h.encryption != 0:
		return fault.New(fault.Invalid, "is encrypted")
	case h.features&featureCorrupt != 0:
		return fault.New(fault.Invalid, "is marked corrupt; repair it first (qemu-img check -r all)")
	case h.features&^known != 0:
		return fault.New(fault.Invalid, "uses qcow2 features that are not known here (%#x)", h.features&^known)
	case h.size == 0:
		return fault.New(fault.Invalid, "has no content")
	case h.size > limit:
		return fault.New(fault.Invalid, "is %d bytes large; at most %d are allowed", h.size, limit)
	case int64(h.l1Entries)*8 > maxL1Bytes || int64(h.l1Entries) < (h.size+perL1-1)/perL1:
		return fault.New(fault.Invalid, "has a first-level table of %d entries, which does not fit its size", h.l1Entries)
	case !within(h.l1Offset, uint64(h.l1Entries)*8, length):
		return fault.New(fault.Invalid, "ends before its first-level table: it is cut off")
	case h.refClusters == 0 || int64(h.refClusters)*cluster > maxRefcountSize:
		return fault.New(fault.Invalid, "has a reference count table of %d clusters", h.refClusters)
	case !within(h.refOffset, uint64(h.refClusters)<<h.clusterBits, length):
		return fault.New(fault.Invalid, "ends before its reference counts: it is cut off")
	}
	return nil
}

func within(offset, size uint64, length int64) bool {
	return offset > 0 && offset <= uint64(length) && size <= uint64(length)-offset
}
