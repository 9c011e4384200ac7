package api

import (
	"net/http"
	"strconv"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
)

// fail answers an error. Causes of internal errors go to the log, never to the client.
func (a *API) fail(c *call, err error) {
	if c.status != 0 {
		a.Log.Warn("an answer could not be finished", "request", c.id, "operation", c.method.label(), "error", err)
		return
	}
	f := fault.From(err)
	if c.r.Context().Err() != nil && (f.Code == fault.Cancelled || f.Code == fault.Unavailable) {
		c.status = statusGone // nobody is there to read an answer
		return
	}
	reason := f.Public()
	h := c.Header()
	switch f.Code {
	case fault.Internal:
		a.Log.Error("a request failed", "request", c.id, "operation", c.method.label(), "error", err)
		if f.Message == "" {
			reason = "the request failed inside; the server's log says more under request id " + c.id
		}
	case fault.Unauthenticated:
		h.Set("WWW-Authenticate", `Bearer realm="kowabunga"`)
	case fault.Throttled, fault.Unavailable, fault.Fenced, fault.Cancelled:
		if h.Get("Retry-After") == "" {
			h.Set("Retry-After", "5")
		}
	}
	a.write(c, f.Code.HTTPStatus(), string(f.Code), f.Field, reason)
}

// write answers an error object: {"status","error","reason"} in API v1, a problem in v2.
func (a *API) write(c *call, status int, code, field, reason string) {
	b := c.buffer[:0]
	if c.version != catalogue.V2 {
		if field != "" {
			reason = field + ": " + reason
		}
		b = strconv.AppendInt(append(b, `{"status":`...), int64(status), 10)
		b = catalogue.AppendString(append(b, `,"error":`...), http.StatusText(status))
		b = append(catalogue.AppendString(append(b, `,"reason":`...), reason), '}')
		c.buffer = b
		c.answer(status, typeJSON, b)
		return
	}
	b = catalogue.AppendString(append(b, `{"type":"about:blank","title":`...), http.StatusText(status))
	b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
	b = catalogue.AppendString(append(b, `,"detail":`...), reason)
	b = catalogue.AppendString(append(b, `,"code":`...), code)
	if field != "" {
		b = catalogue.AppendString(append(b, `,"field":`...), field)
	}
	b = append(catalogue.AppendString(append(b, `,"request":`...), c.id), '}')
	c.buffer = b
	c.answer(status, typeProblem, b)
}
