package api

import (
	"net/http"
	"net/url"
	"time"
)

// LimitEvents sets what an event stream may cost, for tests of those bounds.
func (a *API) LimitEvents(streams int64, buffer int, slow, write, heartbeat time.Duration) {
	a.streams = eventLimits{streams: streams, buffer: buffer, slow: slow, write: write, heartbeat: heartbeat}
}

// LimitAudit sets how many records one page of the audit looks at.
func (a *API) LimitAudit(most int) { a.auditMost = most }

// ReadCursor is what reading a cursor comes to.
func ReadCursor(text string) (again string, err error) {
	p, err := readPage(url.Values{"cursor": {text}})
	return p.after.String(), err
}

// Ways are the endpoint that a path is found to lead to without http.ServeMux, nil when that is not tried,
// with its parameter, and the one that the mux finds, with its pattern.
func (a *API) Ways(path string) (direct any, name, value string, mux any, pattern string) {
	if e, n, v := a.direct.find(path); e != nil && canonical(path) {
		direct, name, value = e, n, v
	}
	mux, pattern = a.mux.Handler(&http.Request{Method: "GET", Host: "kahuna", URL: &url.URL{Path: path}})
	return direct, name, value, mux, pattern
}

// Canonical is what is let pass without path.Clean.
func Canonical(path string) bool { return canonical(path) }
