package behaviour

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/netrule"
)

// checkEndpoints checks what a load balancer listens on and hands connections to.
func checkEndpoints(endpoints []model.Endpoint) error {
	if len(endpoints) == 0 {
		return fault.Bad("endpoints", "is empty; a load balancer listens on one port at least")
	}
	for i := range endpoints {
		e := &endpoints[i]
		at := fmt.Sprintf("endpoints[%d]", i)
		if e.Name == "" {
			return fault.Bad(at+".name", "must not be empty")
		}
		for j := range i {
			if endpoints[j].Name == e.Name {
				return fault.Bad(at+".name", "endpoints[%d] is called %q already", j, e.Name)
			}
			if endpoints[j].Protocol == e.Protocol && endpoints[j].Port == e.Port {
				return fault.Bad(at+".port", "endpoints[%d] and endpoints[%d] both listen on %s port %d", j, i, e.Protocol, e.Port)
			}
		}
		if len(e.Backends.Hosts) == 0 {
			return fault.Bad(at+".backends.hosts", "is empty; name one backend at least")
		}
		for j, host := range e.Backends.Hosts {
			field := fmt.Sprintf("%s.backends.hosts[%d]", at, j)
			if err := checkBackend(field, host); err != nil {
				return err
			}
			if first := slices.Index(e.Backends.Hosts, host); first < j {
				return fault.Bad(field, "%s is backends.hosts[%d] already; name each backend once", host, first)
			}
		}
	}
	return nil
}

// numeric is what ends an address rather than a host name: no top-level domain is all digits (RFC 3696
// section 2).
var numeric = regexp.MustCompile(`(^|\.)[0-9]+$`)

// checkBackend takes IPv4 addresses and host names.
func checkBackend(field, host string) error {
	if numeric.MatchString(host) || strings.Contains(host, ":") {
		_, err := netrule.Address(field, host)
		return err
	}
	if len(host) > 253 || !domainForm.MatchString(host) {
		return fault.Bad(field, "%q is neither an IPv4 address nor a host name", host)
	}
	return nil
}
