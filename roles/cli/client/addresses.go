package client

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"kowabunga/core/nodes"
)

// addresses are those of the one or two Kahunas behind some credentials, in the order to try. The first is
// the one that answered last.
type addresses struct {
	mu sync.Mutex
	// given is the one that a person named: it stays, whatever a server says.
	given string
	known []string
}

// all is the present order.
func (a *addresses) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.known)
}

func (a *addresses) several() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.known) > 1
}

// next is the first address that was not tried, empty when all were.
func (a *addresses) next(tried map[string]bool) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, address := range a.known {
		if !tried[address] {
			return address
		}
	}
	return ""
}

// lead puts an address first, if it is known.
func (a *addresses) lead(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.known, address)
	if i > 0 {
		a.known = slices.Insert(slices.Delete(a.known, i, i+1), 0, address)
	}
}

// learn takes over what a server at an address says of the nodes there are. Addresses over which the key
// could be read, and those of servers reached over plain HTTP, which anybody could have said, are not
// taken.
func (a *addresses) learn(from string, h http.Header) {
	told, err := nodes.Parse(h.Get(nodes.Header))
	if err != nil || len(told) == 0 {
		return // an answer of something in between, or of a server alone
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	good := func(address string) bool {
		return checkURL(address) == nil && (strings.HasPrefix(address, "https:") || strings.HasPrefix(from, "http:"))
	}
	keep := []string{a.given}
	for _, n := range told {
		if good(n.URL) {
			keep = append(keep, n.URL)
		}
	}
	a.known = slices.DeleteFunc(a.known, func(address string) bool { return !slices.Contains(keep, address) })
	for _, address := range keep {
		if !slices.Contains(a.known, address) {
			a.known = append(a.known, address)
		}
	}
}

// elsewhere is the address that an answer sends a request to: the one a redirect names, or the node that
// acts. It is empty when that is none, or no known node.
func (a *addresses) elsewhere(resp *http.Response) string {
	address := ""
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect: // with method and body as they are (RFC 9110, section 15.4.8)
		to, err := url.Parse(resp.Header.Get("Location"))
		if err != nil || to.Host == "" || to.User != nil {
			return ""
		}
		address = to.Scheme + "://" + to.Host
	case http.StatusServiceUnavailable:
		told, err := nodes.Parse(resp.Header.Get(nodes.Header))
		if err != nil {
			return ""
		}
		address = nodes.Primary(told)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.known, address) {
		return ""
	}
	return address
}
