package api

import (
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
