package link

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"nhooyr.io/websocket"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// socket is one WebSocket; this file is the only one that knows the library.
type socket struct {
	ws     *websocket.Conn
	raw    net.Conn // below TLS; closing it is the one way to end the library's polite close early
	remote string
	seen   atomic.Int64          // when the last byte of a message, or a pong, came: nanoseconds after birth
	buf    bytes.Buffer          // the reader's, kept between small messages
	kind   websocket.MessageType // of its messages
}

// Sizes of the pieces a message travels in. Between two pieces a pong can pass, so that a large message
// on a slow line does not look like silence.
const (
	pieceSize  = 16 << 10
	keepBuffer = 32 << 10
)

// Close codes of RFC 6455 section 7.4.1, and one of the private range for a session that a newer one
// of the same agent replaced.
const (
	closeNormal     = int(websocket.StatusNormalClosure)
	closeGoing      = int(websocket.StatusGoingAway)
	closePolicy     = int(websocket.StatusPolicyViolation)
	closeSuperseded = 4001
)

func dialSocket(ctx context.Context, url, protocol string, transport *http.Transport) (*socket, error) {
	defer transport.CloseIdleConnections()
	var raw net.Conn
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		raw = conn
		return conn, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{protocol}})
	if err != nil {
		return nil, explainDial(resp, err)
	}
	if ws.Subprotocol() != protocol {
		ws.CloseNow()
		return nil, fault.New(fault.Unavailable, "the server does not speak %s; check that the URL is Kahuna's", protocol)
	}
	return newSocket(ws, raw, ""), nil
}

// explainDial turns a refused upgrade into a fault with the server's own words.
func explainDial(resp *http.Response, err error) error {
	if resp == nil {
		return &fault.Error{Code: fault.Unavailable, Message: "cannot reach Kahuna; check the URL, the network and the certificate", Err: err}
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	code := fault.Unavailable
	switch resp.StatusCode {
	case http.StatusForbidden, http.StatusUpgradeRequired:
		code = fault.Denied
	case http.StatusTooManyRequests:
		code = fault.Throttled
	}
	return fault.New(code, "Kahuna answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
}

func acceptSocket(w http.ResponseWriter, r *http.Request, protocol string) (*socket, error) {
	// Whoever sends an Origin was refused before, so the library's own check has nothing left to do.
	hijacker := &hijacked{ResponseWriter: w}
	ws, err := websocket.Accept(hijacker, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}, InsecureSkipVerify: true})
	if err != nil {
		return nil, fault.Wrap(err, fault.Malformed, "accept a WebSocket")
	}
	return newSocket(ws, hijacker.raw, r.RemoteAddr), nil
}

// hijacked keeps the network connection that the library takes over.
type hijacked struct {
	http.ResponseWriter
	raw net.Conn
}

// connBuffer is the size of either buffer of an agent's connection. The HTTP server's own are of 4 KiB;
// agents say little and there are thousands of them, and larger messages pass by the buffers.
const connBuffer = 512

// Hijack implements http.Hijacker. The buffers are replaced by smaller ones; what the client has sent
// already stays in front.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.raw = conn
	if secure, ok := conn.(*tls.Conn); ok {
		h.raw = secure.NetConn()
	}
	if err != nil {
		return conn, rw, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), conn), max(connBuffer, len(early)))
	// The library looks at what is buffered and then resets the reader, so it has to be in the buffer.
	if _, err := reader.Peek(len(early)); err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReadWriter(reader, bufio.NewWriterSize(conn, connBuffer)), nil
}

func newSocket(ws *websocket.Conn, raw net.Conn, remote string) *socket {
	ws.SetReadLimit(agentproto.MaxHandshake)
	s := &socket{ws: ws, raw: raw, remote: remote, kind: websocket.MessageText}
	s.touch()
	return s
}

// binary makes the messages to come binary, each of at most so many bytes.
func (s *socket) binary(most int64) {
	s.kind = websocket.MessageBinary
	s.ws.SetReadLimit(most)
}

// established lifts the limit of the handshake to that of calls.
func (s *socket) established() { s.ws.SetReadLimit(agentproto.MaxMessage) }

// birth makes the times of sockets monotonic: setting the clock must not look like silence.
var birth = time.Now()

func (s *socket) touch()              { s.seen.Store(int64(time.Since(birth))) }
func (s *socket) lastSeen() time.Time { return birth.Add(time.Duration(s.seen.Load())) }

// read returns the next message; it is valid until the next read.
func (s *socket) read(ctx context.Context) ([]byte, error) {
	typ, r, err := s.ws.Reader(ctx)
	if err != nil {
		return nil, explainClose(err)
	}
	if typ != s.kind {
		return nil, fault.New(fault.Malformed, "the peer sent a message of the wrong kind: calls are text, the two Kahunas speak binary")
	}
	if s.buf.Cap() > keepBuffer {
		s.buf = bytes.Buffer{}
	}
	s.buf.Reset()
	for {
		s.buf.Grow(min(max(512, s.buf.Len()), pieceSize))
		room := s.buf.AvailableBuffer()
		n, err := r.Read(room[:cap(room)])
		s.touch()
		s.buf.Write(room[:n])
		if err == io.EOF {
			return s.buf.Bytes(), nil
		}
		if err != nil {
			return nil, explainClose(err)
		}
	}
}

// write sends one message; each piece of it has the stall bound for itself.
func (s *socket) write(ctx context.Context, data []byte, stall time.Duration) error {
	if len(data) <= 2*pieceSize {
		ctx, cancel := context.WithTimeout(ctx, stall)
		defer cancel()
		return s.ws.Write(ctx, s.kind, data)
	}
	// The library binds a writer to one context, so progress moves a timer that ends it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(stall, cancel)
	defer timer.Stop()
	w, err := s.ws.Writer(ctx, s.kind)
	if err != nil {
		return err
	}
	for len(data) > 0 {
		n := min(len(data), pieceSize)
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
		timer.Reset(stall)
	}
	return w.Close()
}

// ping returns when the pong came.
func (s *socket) ping(ctx context.Context) error {
	err := s.ws.Ping(ctx)
	if err == nil {
		s.touch()
	}
	return err
}

// close says goodbye and waits for the peer's answer, up to 10 s; cut ends the wait.
func (s *socket) close(code int, reason string) {
	if len(reason) > 120 { // a control frame carries at most 123 bytes of reason
		reason = strings.ToValidUTF8(reason[:120], "")
	}
	s.ws.Close(websocket.StatusCode(code), reason)
}

// cut ends the connection at once; every read, write and close that waits returns.
func (s *socket) cut() { s.raw.Close() }

// drop ends the connection at once and lets go of everything.
func (s *socket) drop() {
	s.cut()
	s.ws.CloseNow()
}

// explainClose makes a fault of whatever ended a read.
func explainClose(err error) error {
	var ce websocket.CloseError
	switch {
	case errors.As(err, &ce) && int(ce.Code) == closeSuperseded:
		return &fault.Error{Code: fault.Conflict, Message: "the peer closed: " + ce.Reason, Err: ErrSuperseded}
	case errors.As(err, &ce) && int(ce.Code) == closePolicy:
		return fault.New(fault.Denied, "the peer closed: %s", ce.Reason)
	case errors.As(err, &ce):
		return fault.New(fault.Unavailable, "the peer closed: %s", strings.TrimSpace(ce.Reason+" "+ce.Code.String()))
	case strings.Contains(err.Error(), "read limited at"): // the library has no typed error for its own limit
		return &fault.Error{Code: fault.Exhausted, Message: "the peer sent a message above the size limit", Err: err}
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return &fault.Error{Code: fault.Unavailable, Message: "the connection ended", Err: err}
	}
	return &fault.Error{Code: fault.Unavailable, Message: "the connection broke", Err: err}
}
