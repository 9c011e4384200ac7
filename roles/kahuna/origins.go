package kahuna

import (
	"net/http"
	"net/url"
	"strings"

	"kowabunga/core/nodes"
)

// What pages of the other node may send and read (the CORS protocol of the Fetch standard): no cookie is among
// it, the API takes none.
const (
	pageMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	pageSends   = "Authorization, X-API-Key, Content-Type, If-Match, Idempotency-Key, Last-Event-ID, X-Request-Id, " + nodes.StaleHeader
	pageReads   = "ETag, Location, Retry-After, X-Request-Id, " + nodes.Header + ", " + nodes.OutcomeHeader + ", " + nodes.LagHeader
	pageKeeps   = "600" // seconds that a browser remembers it
)

// corsPrefix begins the names of the headers by which a browser lets a page read an answer.
const corsPrefix = "Access-Control-"

// fromPage lets a page that one node served ask the other one, so that it goes on when its own dies: a browser
// allows that only where the one that is asked says so. Pages of anybody else are not let. It tells whether
// that was the whole answer.
func (s *Server) fromPage(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || r.Header[relayed] != nil || !s.ours(origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", pageReads)
		return false
	}
	h.Set("Access-Control-Allow-Methods", pageMethods)
	h.Set("Access-Control-Allow-Headers", pageSends)
	h.Set("Access-Control-Max-Age", pageKeeps)
	w.WriteHeader(http.StatusNoContent)
	return true
}

// ours tells whether an origin is one of the nodes that the last record names, or where this one is reached: pages of
// both come from there where a name leads to either (url) and the two reach each other by another (pair-url).
func (s *Server) ours(origin string) bool {
	if s.pair == nil {
		return false
	}
	record := s.pair.driver.Status().Record
	if record == nil {
		return false
	}
	for _, n := range record.Nodes {
		if sameOrigin(n.Address, origin) {
			return true
		}
	}
	return sameOrigin(s.cfg.publicURL(), origin)
}

// sameOrigin tells whether pages of an address have an origin, as a browser names it: in lower case, and without a
// port that is the scheme's own (RFC 6454 sections 4 and 6.2).
func sameOrigin(address, origin string) bool {
	a, err := url.Parse(address)
	if err != nil || a.Host == "" {
		return false
	}
	b, err := url.Parse(origin)
	return err == nil && a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

// portOf is the port of an address, its scheme's own where it names none.
func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	}
	return ""
}
