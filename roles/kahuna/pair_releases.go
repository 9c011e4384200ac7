package kahuna

import (
	"fmt"

	"kowabunga/core/lease"
	"kowabunga/core/nodes"
	"kowabunga/core/release"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/pair"
)

// releaseOf is the release of another node, empty while that is not known.
func (s *Server) releaseOf(node lease.NodeID) string {
	h, _ := s.pair.transport.Heard(node)
	return h.Release
}

// farApart tells, in words, of nodes whose release is more than one from this one's.
func (s *Server) farApart(all []nodes.NodeStatus) []string {
	out, mine := []string{}, config.Program().Version
	for _, n := range all {
		if h, ok := s.pair.transport.Heard(lease.NodeID(n.ID)); ok && !n.Self {
			if text := farText(n.Address, h, mine); text != "" {
				out = append(out, text)
			}
		}
	}
	return out
}

// farText says what is wrong with the release of the node at an address; mine is this one's.
func farText(address string, h pair.Heard, mine string) string {
	switch {
	case h.Strange:
		return fmt.Sprintf("%s runs %s, which speaks version %d of the pair's protocol, this Kahuna runs %s and speaks %d: they refuse each other; bring them to releases at most one apart", address, h.Release, h.Version, mine, pair.Version)
	case release.Far(h.Release, mine):
		return fmt.Sprintf("%s runs %s, this Kahuna %s: nobody tried whether releases more than one apart work together; go by way of each release between", address, h.Release, mine)
	}
	return ""
}
