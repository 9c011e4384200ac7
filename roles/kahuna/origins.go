package kahuna

import (
	"net/http"
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

// ours tells whether an origin is one of the nodes that the last record names.
func (s *Server) ours(origin string) bool {
	if s.pair == nil {
		return false
	}
	record := s.pair.driver.Status().Record
	if record == nil {
		return false
	}
	for _, n := range record.Nodes {
		if strings.EqualFold(strings.TrimSuffix(n.Address, "/"), origin) {
			return true
		}
	}
	return false
}
