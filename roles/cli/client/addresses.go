package client

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"kowabunga/core/nodes"
)

// addresses are those of the one or two Kahunas behind some credentials, in the order to try. The first is
// the one that acts, as far as is known, or the one that answered last.
type addresses struct {
	mu sync.Mutex
	// given is the one that a person named: it stays, whatever a server says.
	given string
	known []string
	acts  string               // as the last answer said
	away  map[string]time.Time // did not answer, and when
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

// next is the first address that was not tried, of those in silent only when there is no other; empty when all
// were tried.
func (a *addresses) next(tried map[string]bool, silent map[string]time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := ""
	for _, address := range a.known {
		if tried[address] {
			continue
		}
		if silent[address].IsZero() {
			return address
		}
		if last == "" {
			last = address
		}
	}
	return last
}

// awayFor is how long an address that did not answer is not asked first because another one says that it acts.
const awayFor = time.Minute

// failed remembers that an address did not answer.
func (a *addresses) failed(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away == nil {
		a.away = map[string]time.Time{}
	}
	a.away[address] = time.Now()
}

// answered puts the address first that will be asked next: the one that acts, which saves a request from being
// passed on, or else the one that answered.
func (a *addresses) answered(address string) {
	a.mu.Lock()
	delete(a.away, address)
	if at, away := a.away[a.acts]; a.acts != "" && !(away && time.Since(at) < awayFor) {
		address = a.acts
	}
	a.mu.Unlock()
	a.lead(address)
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
	a.acts = nodes.Primary(told)
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
