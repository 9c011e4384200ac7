package backups

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"kowabunga/store"
)

// random tells two attempts apart.
func random() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// chainName names a new chain. Sorted, names are in the order of epochs and indexes.
func chainName(e store.Epoch, index uint64) string {
	return fmt.Sprintf("%012d-%012d-%s-%s", e.Counter, index, e.Node, random())
}

// parseChain reads the name of a chain.
func parseChain(name string) (e store.Epoch, index uint64, ok bool) {
	part := strings.Split(name, "-")
	if len(part) != 4 {
		return e, 0, false
	}
	counter, err := strconv.ParseUint(part[0], 10, 64)
	index, err2 := strconv.ParseUint(part[1], 10, 64)
	return store.Epoch{Counter: counter, Node: part[2]}, index, err == nil && err2 == nil && part[2] != "" && part[3] != ""
}

func fullName(index uint64) string { return fmt.Sprintf("full-%012d-%s", index, random()) }

func segmentName(from, to uint64) string {
	return fmt.Sprintf("segment-%012d-%012d-%s", from, to, random())
}

// named tells whether this is the name of a piece of a kind, and of nothing elsewhere.
func named(object, kind string) bool {
	rest, ok := strings.CutPrefix(object, kind+"-")
	return ok && strings.Trim(rest, "-0123456789abcdef") == ""
}

func manifestName(pieces int) string { return fmt.Sprintf("manifest-%06d.json", pieces) }

// parseManifest reads the name of a manifest.
func parseManifest(object string) (pieces int, ok bool) {
	rest, ok := strings.CutPrefix(object, "manifest-")
	rest, ok2 := strings.CutSuffix(rest, ".json")
	pieces, err := strconv.Atoi(rest)
	return pieces, ok && ok2 && err == nil
}
