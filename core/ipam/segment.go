package ipam

import (
	"fmt"
	"iter"
	"strconv"
	"strings"

	"kowabunga/core/model"
)

// Owner is the project that sends through an adapter: that of the machine, gateway or load balancer that
// it is part of, else that of its subnet. It is empty for a card of no machine on a subnet of no project,
// through which nobody sends.
func Owner(v model.View, a *model.Adapter) model.ID {
	if project := user(v, a); project != "" {
		return project
	}
	if s, ok := model.Find[*model.Subnet](v, a.Subnet); ok {
		return s.Project
	}
	return ""
}

// user is the project of what an adapter is part of, empty when it is part of nothing.
func user(v model.View, a *model.Adapter) model.ID {
	for m := range model.By[*model.Instance](v, "adapter", a.ID) {
		return m.Project
	}
	if k, ok := model.Find[*model.Kompute](v, a.Kompute); ok {
		return k.Project
	}
	if k, ok := model.Find[*model.Kawaii](v, a.Service); ok {
		return k.Project
	}
	if k, ok := model.Find[*model.Konvey](v, a.Service); ok {
		return k.Project
	}
	return ""
}

// sharers yields the other adapters with this one's MAC address on its segment, in order of creation.
func sharers(v model.View, a *model.Adapter) iter.Seq[*model.Adapter] {
	return func(yield func(*model.Adapter) bool) {
		segment, ok := segmentOf(v, a)
		if !ok {
			return
		}
		for other := range model.By[*model.Adapter](v, "card", a.MAC) {
			if other.ID == a.ID {
				continue
			}
			if there, ok := segmentOf(v, other); ok && there == segment && !yield(other) {
				return
			}
		}
	}
}

// CheckSharing decides whether a project may send under the MAC address of an adapter on its segment. Switches
// learn from what is sent where a MAC address is, so who sends under another's gets what is meant for
// that one: nobody outside the project may have it there. Nor may it be one that routers of the platform
// use there (see VRouter), the project's own not excepted, since no machine has use for it: keepalived
// takes any other VRRP id as well. Without a project there is nobody who sends, and nothing to decide.
//
// Faults: Conflict on field mac. It says nothing of who has the address, whom the caller may know nothing of.
func CheckSharing(v model.View, a *model.Adapter, project model.ID) error {
	if project != "" {
		for other := range sharers(v, a) {
			if Owner(v, other) != project {
				return conflict("mac", "%s is the address of a card outside the project on the same segment (vnet, or vnets of one VLAN); only cards of one project may share an address there; choose another", a.MAC)
			}
		}
	}
	vrid, virtual := VRouter(a.MAC)
	segment, known := netOf(v, a)
	switch {
	case !virtual || !known:
		return nil
	case vrid > LastVRID:
		return conflict("mac", "%s is the address of VRRP id %d, and those above %d are for the routers of the region; choose another id", a.MAC, vrid, LastVRID)
	case used(v, segment)[vrid]:
		return conflict("mac", "%s is the address of VRRP id %d, which a gateway or load balancer on this segment (vnet, or vnets of one VLAN) has; choose another id", a.MAC, vrid)
	}
	return nil
}

// MaySend tells whether the machines of a project may be let send under the MAC address of an adapter of
// it. What was stored before CheckSharing was asked may have it twice. Then one project alone gets it: of
// a card not marked as reserved, else of one that is part of something, else the one created first.
func MaySend(v model.View, a *model.Adapter) bool {
	project := Owner(v, a)
	mine := claim(v, a)
	for other := range sharers(v, a) {
		if owner := Owner(v, other); owner == "" || owner == project {
			continue
		}
		if theirs := claim(v, other); theirs < mine || theirs == mine && other.ID < a.ID {
			return false
		}
	}
	vrid, virtual := VRouter(a.MAC)
	if !virtual {
		return true
	}
	segment, ok := netOf(v, a)
	return !ok || vrid <= LastVRID && !used(v, segment)[vrid]
}

// claim is lower for who keeps a MAC address against another project.
func claim(v model.View, a *model.Adapter) int {
	switch {
	case !a.Reserved:
		return 0
	case user(v, a) != "":
		return 1
	}
	return 2
}

// The virtual MAC addresses of VRRP routers for IPv4 and IPv6; the last two digits are the router id
// (RFC 9568 section 7.3).
const (
	vrouter4 = "00:00:5e:00:01:"
	vrouter6 = "00:00:5e:00:02:"
)

// VRouter is the VRRP router id, 1 to 255, whose virtual MAC address this is; ok is false for any other.
func VRouter(mac string) (vrid int64, ok bool) {
	text, four := strings.CutPrefix(mac, vrouter4)
	if !four {
		if text, ok = strings.CutPrefix(mac, vrouter6); !ok {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(text, 16, 8)
	return int64(n), err == nil && len(text) == 2 && n > 0
}

// VRouterMACs are the virtual MAC addresses of a VRRP router id, 1 to 255.
func VRouterMACs(vrid int64) []string {
	return []string{fmt.Sprintf("%s%02x", vrouter4, vrid), fmt.Sprintf("%s%02x", vrouter6, vrid)}
}
