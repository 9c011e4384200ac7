package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kowabunga/core/fault"
)

// Bounds of one exchange. The server answers at once and leaves the work to an operation; only hashing a
// password and asking a host take a moment.
const (
	dialTimeout   = 10 * time.Second
	dialOfSeveral = 4 * time.Second // where another node may answer
	answerTimeout = 60 * time.Second
	maxAnswer     = 64 << 20
	pageSize      = 1000 // the most the server gives at once
)

// Client talks to one server, or to the two that serve one cloud: to whichever answers.
type Client struct {
	// Waiting is told once when a request cannot be carried out at present and is tried again for a while;
	// may be nil.
	Waiting func(err error)

	nodes   *addresses
	key     string
	session string
	from    string
	// socket tells that the server is reached by its local socket.
	socket bool
	http   *http.Client

	// The bounds of trying and of a stream, as below and in events.go.
	retry, takeover, slow, still, silence time.Duration
}

// New makes a client. It does not connect yet.
func New(c Credentials) (*Client, error) {
	for _, address := range c.addresses() {
		if _, err := url.Parse(address); err != nil {
			return nil, fault.Bad("url", "cannot be understood")
		}
	}
	known := &addresses{given: c.URL, known: slices.Clone(c.addresses())}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			timeout := dialTimeout
			if known.several() {
				timeout = dialOfSeveral
			}
			return (&net.Dialer{Timeout: timeout}).DialContext(ctx, network, address)
		},
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
	return &Client{nodes: known, key: c.Key, session: c.Session, from: c.From, socket: c.Socket != "",
		retry: retryFirst, takeover: takeover, slow: slow, still: still, silence: silence, http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Nodes are the addresses of the server by now, the one that answered last first.
func (c *Client) Nodes() []string { return c.nodes.all() }

// Request is one call of API v2.
type Request struct {
	Op     string // what is being attempted, for faults
	Method string // GET when empty
	Path   string // below /api/v2, escaped
	V1     bool   // below /api/v1 instead: logins are not served elsewhere
	Query  url.Values
	Body   []byte // JSON; nil for none
	At     string // ask the Kahuna at this address alone; empty for whichever answers
	// Once makes the request one that is carried out once however often it is sent (Idempotency-Key):
	// it is sent again, to another node too, when it may not have arrived. What API v1 takes and what is
	// answered about accounts cannot be so.
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

// Do makes a request. Reads, and writes that are carried out once, are sent again when the connection
// breaks; all others only when nothing was begun. Faults: those of the server with the request's id in
// their words; Unavailable when none answers; Cancelled when the context ends.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	id, once := newID("cli-"), ""
	if r.Once {
		once = newID("")
	}
	if r.At != "" {
		return c.at(ctx, r, id)
	}
	var a *Answer
	err := c.try(ctx, r.repeatable(), func(base string, patience time.Duration) (became fate, err error) {
		a, became, err = c.once(ctx, base, patience, r, id, once)
		return became, err
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, r.Op)
	}
	return a, nil
}

// at makes a request to one Kahuna, which has to be a known one: others do not get the key.
func (c *Client) at(ctx context.Context, r Request, id string) (*Answer, error) {
	known := c.nodes.all()
	if !slices.Contains(known, r.At) {
		return nil, &fault.Error{Code: fault.NotFound, Op: r.Op, Message: fmt.Sprintf("%s is none of the Kahunas here, which are %s", r.At, strings.Join(known, ", "))}
	}
	a, _, err := c.once(ctx, r.At, answerTimeout, r, id, "")
	return a, fault.Wrap(err, fault.Internal, r.Op)
}

// repeatable tells whether a request that may have been carried out may be sent again.
func (r *Request) repeatable() bool { return r.Once || r.Method == "" || r.Method == http.MethodGet }

// once sends a request to a node one time.
func (c *Client) once(ctx context.Context, base string, patience time.Duration, r Request, id, once string) (*Answer, fate, error) {
	resp, became, err := c.send(ctx, base, patience, r, id, once)
	if err != nil {
		return nil, became, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		_, err = c.unreachable(ctx, base, id, err)
		return nil, fate{begun: true}, err
	}
	if given := resp.Header.Get("X-Request-Id"); given != "" {
		id = given
	}
	if len(body) > maxAnswer {
		return nil, fate{answered: true}, fault.New(fault.Internal, "the answer is larger than 64 MiB (request %s)", id)
	}
	if resp.StatusCode/100 != 2 {
		became, err := c.refused(base, resp, body, id)
		return nil, became, err
	}
	return &Answer{Status: resp.StatusCode, Request: id, Body: body}, fate{answered: true}, nil
}

// send sends a request to a node and takes the head of the answer, for which it waits no longer than
// patience.
func (c *Client) send(ctx context.Context, base string, patience time.Duration, r Request, id, once string) (*http.Response, fate, error) {
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
	var begun atomic.Bool // a connection carried it, perhaps
	within, end := context.WithCancelCause(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { begun.Store(true) }}))
	req, err := http.NewRequestWithContext(within, method, base+version+r.Path, body)
	if err != nil {
		end(nil)
		return nil, fate{answered: true}, &fault.Error{Code: fault.Internal, Err: err}
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
	timer := time.AfterFunc(patience, func() { end(errSlow) })
	resp, err := c.http.Do(req)
	timer.Stop()
	if err != nil {
		late := context.Cause(within) == errSlow
		if late {
			err = errSlow
		}
		end(nil)
		hopeless, err := c.unreachable(ctx, base, id, err)
		return nil, fate{begun: begun.Load(), silent: late, hopeless: hopeless}, err
	}
	if !c.socket {
		c.nodes.learn(base, resp.Header)
	}
	resp.Body = &ending{resp.Body, end}
	return resp, fate{}, nil
}

// ending is a body whose end frees what watched over the request.
type ending struct {
	io.ReadCloser
	end context.CancelCauseFunc
}

func (b *ending) Close() error {
	defer b.end(nil)
	return b.ReadCloser.Close()
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
