package kahuna

import (
	"maps"
	"net/http"
	"strings"

	"kowabunga/core/nodes"
)

// answering keeps an answer back that this Kahuna had no right to give any more when it was ready: another
// one may have acted since what it tells was true. A success of a write is told all the same, because
// what it tells stays true.
type answering struct {
	http.ResponseWriter
	s    *Server
	r    *http.Request
	done bool // the head is written
	lost bool // the rest is dropped
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answering) WriteHeader(status int) {
	if a.done {
		return
	}
	if status >= 200 {
		a.done = true
	}
	reads := a.r.Method == http.MethodGet || a.r.Method == http.MethodHead
	if status < 200 || a.s.acts() || !reads && status < 300 {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.lost = true
	h := a.Header()
	maps.DeleteFunc(h, func(name string, _ []string) bool { return !strings.HasPrefix(name, corsPrefix) && name != "Vary" })
	a.s.list(a.ResponseWriter)
	outcome := nodes.Unknown
	if reads {
		outcome = nodes.None
	}
	h.Set(nodes.OutcomeHeader, outcome)
	h.Set("Retry-After", "2")
	unavailable(a.ResponseWriter, a.r, "this Kahuna lost the right to command while it worked on the request; its outcome is "+outcome)
}

// Write implements io.Writer.
func (a *answering) Write(b []byte) (int, error) {
	if !a.done {
		a.WriteHeader(http.StatusOK)
	}
	if a.lost {
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}
