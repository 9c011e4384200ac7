package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kowabunga/core/fault"
)

// Bounds of one exchange. The server answers at once and leaves the work to an operation; only hashing a
// password and asking a host take a moment.
const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 60 * time.Second
	maxAnswer     = 64 << 20
	attempts      = 3 // of a request that may be repeated when the connection breaks
	retryPause    = 300 * time.Millisecond
	pageSize      = 1000 // the most the server gives at once
)

// Client talks to one server.
type Client struct {
	base    *url.URL
	key     string
	session string
	from    string
	// socket tells that the server is reached by its local socket.
	socket bool
	http   *http.Client
}

// New makes a client. It does not connect yet.
func New(c Credentials) (*Client, error) {
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, fault.Bad("url", "cannot be understood")
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       time.Minute,
	}
	if c.Socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", c.Socket)
		}
	}
	if len(c.CA) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.CA) {
			return nil, fault.Bad("ca", "holds no certificate in PEM form")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &Client{base: base, key: c.Key, session: c.Session, from: c.From, socket: c.Socket != "", http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one call of API v2.
type Request struct {
	Op     string // what is being attempted, for faults
	Method string // GET when empty
	Path   string // below /api/v2, escaped
	V1     bool   // below /api/v1 instead: logins are not served elsewhere
	Query  url.Values
	Body   []byte // JSON; nil for none
	// Once makes the request one that is carried out once however often it is sent (Idempotency-Key):
	// it is sent again when the connection breaks.
	Once bool
	// Match is the version that the object must still have (If-Match); empty for any.
	Match string
}

// Answer is what came back with success.
type Answer struct {
	Status  int
	Request string // id
	Body    []byte
}

// Do makes a request. Faults: those of the server with the request's id in their words; Unavailable when
// it does not answer; Cancelled when the context ends.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	id, once := newID("cli-"), ""
	if r.Once {
		once = newID("")
	}
	again := r.Once || r.Method == "" || r.Method == http.MethodGet
	for attempt := 1; ; attempt++ {
		a, broken, err := c.once(ctx, r, id, once)
		if err == nil || !again || !broken || attempt == attempts {
			return a, fault.Wrap(err, fault.Internal, r.Op)
		}
		if err := pause(ctx, retryPause<<attempt); err != nil {
			return nil, fault.Wrap(err, fault.Cancelled, r.Op)
		}
	}
}

// once sends a request one time. broken tells that the connection ended after it had begun: the request
// may or may not have arrived.
func (c *Client) once(ctx context.Context, r Request, id, once string) (a *Answer, broken bool, err error) {
	resp, broken, err := c.send(ctx, r, id, once)
	if err != nil {
		return nil, broken, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		broken, err = c.unreachable(ctx, id, err)
		return nil, broken, err
	}
	if len(body) > maxAnswer {
		return nil, false, fault.New(fault.Internal, "the answer is larger than 64 MiB (request %s)", id)
	}
	if given := resp.Header.Get("X-Request-Id"); given != "" {
		id = given
	}
	if resp.StatusCode/100 != 2 {
		return nil, false, c.refused(resp, body, id)
	}
	return &Answer{Status: resp.StatusCode, Request: id, Body: body}, false, nil
}

func (c *Client) send(ctx context.Context, r Request, id, once string) (resp *http.Response, broken bool, err error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	version := "/api/v2"
	if r.V1 {
		version = "/api/v1"
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+version+r.Path, body)
	if err != nil {
		return nil, false, &fault.Error{Code: fault.Internal, Err: err}
	}
	req.URL.RawQuery = r.Query.Encode()
	req.Header.Set("X-Request-Id", id)
	req.Header.Set("User-Agent", agentName())
	switch {
	case c.key != "":
		req.Header.Set("X-API-Key", c.key)
	case c.session != "":
		req.Header.Set("Authorization", "Bearer "+c.session)
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Match != "" {
		req.Header.Set("If-Match", strconv.Quote(r.Match))
	}
	if once != "" {
		req.Header.Set("Idempotency-Key", once)
	}
	if resp, err = c.http.Do(req); err != nil {
		broken, err = c.unreachable(ctx, id, err)
	}
	return resp, broken, err
}

// Items reads a whole list, page by page; a "limit" in the query is how many items are wanted in all.
func (c *Client) Items(ctx context.Context, op, path string, query url.Values) ([]json.RawMessage, error) {
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	most, _ := strconv.Atoi(q.Get("limit")) // absent or zero: all
	items := []json.RawMessage{}
	for {
		size := pageSize
		if most > 0 {
			size = min(size, most-len(items))
		}
		q.Set("limit", strconv.Itoa(size))
		a, err := c.Do(ctx, Request{Op: op, Path: path, Query: q})
		if err != nil {
			return nil, err
		}
		var page struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next"`
		}
		if err := a.Decode(op, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" || page.Next == q.Get("cursor") || most > 0 && len(items) >= most {
			return items, nil
		}
		q.Set("cursor", page.Next)
	}
}

// Decode reads the answer's JSON.
func (a *Answer) Decode(op string, to any) error {
	if err := json.Unmarshal(a.Body, to); err != nil {
		return &fault.Error{Code: fault.Internal, Op: op, Message: fmt.Sprintf("the answer cannot be understood; is this program older than the server? (request %s)", a.Request), Err: err}
	}
	return nil
}

// unreachable explains why no answer came, in our words: those of net/http repeat address and request.
func (c *Client) unreachable(ctx context.Context, id string, err error) (broken bool, _ error) {
	if ctx.Err() != nil {
		return false, fault.From(context.Cause(ctx))
	}
	where := c.base.String()
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
		return false, unavailable("%s shows a certificate of an unknown CA; name the certificate of its local CA with --ca FILE (Kahuna keeps it as DIR/tls/ca.pem)", where)
	case errors.As(err, &name):
		return false, unavailable("%s shows a certificate for another name; use a name it was made for as the url in %s", where, c.from)
	case errors.As(err, &dns):
		return false, unavailable("the name %s is not known to DNS; check the url in %s", dns.Name, c.from)
	case errors.Is(err, syscall.EACCES):
		return false, fault.New(fault.Denied, "%s may not be used by you; run this as root, or use --credentials", where)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return false, unavailable("nobody listens at %s; is Kahuna running?", where)
	case errors.As(err, &op) && op.Op == "dial":
		return false, unavailable("%s cannot be reached: %v", where, op.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return true, unavailable("%s did not answer in time (request %s)", where, id)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return true, unavailable("the connection to %s broke: %v (request %s)", where, err, id)
}

// refused turns an error answer into a fault.
func (c *Client) refused(resp *http.Response, body []byte, id string) error {
	var p struct {
		Detail string     `json:"detail"`
		Reason string     `json:"reason"` // in API v1
		Code   fault.Code `json:"code"`
		Field  string     `json:"field"`
	}
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	kind := resp.Header.Get("Content-Type")
	ours := strings.HasPrefix(kind, "application/problem+json") || strings.HasPrefix(kind, "application/json")
	if !ours || json.Unmarshal(body, &p) != nil || p.Detail == "" && p.Reason == "" {
		return fault.New(codeOf(resp.StatusCode), "%s answered %s, which is not Kahuna's way to answer; check the url in %s (request %s)", c.base, status, c.from, id)
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
	return f
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

func newID(prefix string) string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// pause waits, or ends early with the context's cause.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fault.From(context.Cause(ctx))
	}
}
