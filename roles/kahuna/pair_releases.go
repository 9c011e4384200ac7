package kahuna

import (
	"fmt"

	"kowabunga/core/release"
	"kowabunga/roles/kahuna/pair"
)

// farText says what is wrong with the release of the node at an address, as it said; mine is this one's.
func farText(address string, h pair.Heard, mine string) string {
	switch {
	case h.Strange():
		return fmt.Sprintf("%s runs %s, which speaks version %d of the pair's protocol, this Kahuna runs %s and speaks %d: they refuse each other; bring them to releases at most one apart", address, h.Release, h.Version, mine, pair.Version)
	case release.Far(h.Release, mine):
		return fmt.Sprintf("%s runs %s, this Kahuna %s: nobody tried whether releases more than one apart work together; go by way of each release between", address, h.Release, mine)
	}
	return ""
}
