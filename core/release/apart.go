package release

import (
	"strconv"
	"strings"
)

// Far tells whether two releases, each MAJOR.MINOR.PATCH with or without more behind it, are surely more
// than one apart, patches not counted. The last minor release of a major one is not known: the first of the
// next may be one apart from any. It is false for what is no number of a release, such as "devel" and what the Go tool
// makes of a commit ("v0.0.0-2030...").
func Far(a, b string) bool {
	x, okX := parse(a)
	y, okY := parse(b)
	if !okX || !okY {
		return false
	}
	if x.major > y.major || x.major == y.major && x.minor > y.minor {
		x, y = y, x
	}
	switch y.major - x.major {
	case 0:
		return y.minor-x.minor > 1
	case 1:
		return y.minor > 0
	}
	return true
}

// number is that of a release without patches.
type number struct{ major, minor uint64 }

func parse(text string) (number, bool) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "-")
	text, _, _ = strings.Cut(text, "+")
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return number{}, false
	}
	var n [3]uint64
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseUint(part, 10, 32); err != nil {
			return number{}, false
		}
	}
	return number{n[0], n[1]}, n[0]+n[1] > 0
}
