package client

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"kowabunga/core/fault"
)

// unreachable explains why no answer came from a node, in our words: those of net/http repeat address and
// request. hopeless tells that it will not be otherwise in a moment.
func (c *Client) unreachable(ctx context.Context, where, id string, err error) (hopeless bool, _ error) {
	if ctx.Err() != nil {
		return false, fault.From(context.Cause(ctx))
	}
	if c.socket {
		where = c.from
	}
	var dns *net.DNSError
	var op *net.OpError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var timeout net.Error
	unavailable := func(format string, args ...any) error { return fault.New(fault.Unavailable, format, args...) }
	switch {
	case errors.As(err, &authority):
		return true, unavailable("%s shows a certificate of an unknown CA; name the certificate of its local CA with --ca FILE (Kahuna keeps it as DIR/tls/ca.pem)", where)
	case errors.As(err, &name):
		return true, unavailable("%s shows a certificate for another name; use a name it was made for as the url in %s", where, c.from)
	case errors.As(err, &dns):
		return true, unavailable("the name %s is not known to DNS; check the url in %s", dns.Name, c.from)
	case errors.Is(err, syscall.EACCES):
		return true, fault.New(fault.Denied, "%s may not be used by you; run this as root, or use --credentials", where)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return false, unavailable("nobody listens at %s; is Kahuna running?", where)
	case errors.As(err, &op) && op.Op == "dial":
		return false, unavailable("%s cannot be reached: %v", where, op.Err)
	case errors.Is(err, errSlow), errors.As(err, &timeout) && timeout.Timeout():
		return false, unavailable("%s did not answer in time (request %s)", where, id)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return false, unavailable("the connection to %s broke: %v (request %s)", where, err, id)
}

// refused turns an error answer of a node into a fault. Where the answer names another node, that one is
// tried next.
func (c *Client) refused(base string, resp *http.Response, body []byte, id string) (fate, error) {
	var p struct {
		Detail string     `json:"detail"`
		Reason string     `json:"reason"` // in API v1
		Code   fault.Code `json:"code"`
		Field  string     `json:"field"`
	}
	to := c.nodes.elsewhere(resp)
	moved := to != "" && to != base
	if moved {
		c.nodes.lead(to)
	}
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	kind := resp.Header.Get("Content-Type")
	ours := strings.HasPrefix(kind, "application/problem+json") || strings.HasPrefix(kind, "application/json")
	if !ours || json.Unmarshal(body, &p) != nil || p.Detail == "" && p.Reason == "" {
		err := fault.New(codeOf(resp.StatusCode), "%s answered %s, which is not Kahuna's way to answer; check the url in %s (request %s)", base, status, c.from, id)
		return c.fateOf(resp, false, moved), err
	}
	if p.Detail == "" {
		p.Detail = p.Reason
	}
	f := &fault.Error{Code: p.Code, Field: p.Field, Message: fmt.Sprintf("%s (request %s)", p.Detail, id)}
	switch f.Code = codeOf(resp.StatusCode); {
	case p.Code.HTTPStatus() == resp.StatusCode:
		f.Code = p.Code
	case p.Code != f.Code && p.Code != "":
		f.Err = Word(p.Code)
	}
	became := c.fateOf(resp, true, moved)
	became.acts = became.waits && to == base
	return became, f
}

// Word is a code of the server that is none of core/fault's, as the cause of a fault. RFC 8628 has such.
type Word string

func (w Word) Error() string { return strings.ReplaceAll(string(w), "_", " ") }

// codeOf is the code for a status that came without one.
func codeOf(status int) fault.Code {
	for _, c := range []fault.Code{fault.Malformed, fault.Unauthenticated, fault.Denied, fault.NotFound, fault.Conflict, fault.Invalid, fault.Throttled, fault.Unavailable, fault.Exhausted} {
		if c.HTTPStatus() == status {
			return c
		}
	}
	if status == http.StatusPreconditionFailed {
		return fault.Conflict
	}
	if status >= 500 && status != http.StatusInternalServerError {
		return fault.Unavailable // gateways and proxies on the way
	}
	return fault.Internal
}
