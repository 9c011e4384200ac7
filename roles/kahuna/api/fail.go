package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/operate"
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
	status := f.Code.HTTPStatus()
	if errors.Is(f, operate.ErrChanged) {
		status = http.StatusPreconditionFailed
	}
	a.write(c, status, string(f.Code), f.Field, reason)
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
		switch {
		case c.method.takes(field), c.r.URL.Query().Has(field):
			b = catalogue.AppendString(append(b, `,"parameter":`...), field)
		case c.r.ContentLength != 0 && field[0] >= 'a': // names of headers begin with a capital
			b = catalogue.AppendString(append(b, `,"pointer":`...), pointer(field))
		}
	}
	b = append(catalogue.AppendString(append(b, `,"request":`...), c.id), '}')
	c.buffer = b
	c.answer(status, typeProblem, b)
}

// takes tells whether a word is a query parameter of the method.
func (m *method) takes(name string) bool { return m != nil && slices.Contains(m.query, name) }

// pointer is the place of a field in the body as a JSON pointer (RFC 6901): "reserved[0].first" is
// "/reserved/0/first". Keys of labels may have dots in them.
func pointer(field string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	if key, ok := strings.CutPrefix(field, "labels."); ok {
		return "/labels/" + escape.Replace(key)
	}
	field = strings.NewReplacer("[", ".", "]", "").Replace(field)
	var b strings.Builder
	for _, segment := range strings.Split(field, ".") {
		b.WriteString("/" + escape.Replace(segment))
	}
	return b.String()
}
