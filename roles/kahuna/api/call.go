package api

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// call is one request while it is served. It stands in for the response writer, so that the status and
// size are known afterwards, and is used again for later requests.
type call struct {
	http.ResponseWriter
	r       *http.Request
	id      string // request id
	who     access.Identity
	method  *method // nil until routed
	version catalogue.Version
	native  bool // below /api/v2
	status  int
	size    int
	buffer  []byte
	ids     []string // request ids for this and later reads

	name, value string // of the one parameter of a path that was found without http.ServeMux

	password string       // drawn for this request, shown in its answer
	hash     model.Secret // its stored form
}

// WriteHeader notes the status.
func (c *call) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write notes the size.
func (c *call) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	c.size += n
	return n, err
}

// path is the parameter of this name in the request's path, empty when it has none.
func (c *call) path(name string) string {
	if c.name == name {
		return c.value
	}
	return c.r.PathValue(name)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Header values that many answers share. They are never changed in place.
var (
	typeJSON    = []string{"application/json"}
	typeProblem = []string{"application/problem+json"}
	noSniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	lengthZero  = []string{"0"}
)

// json answers with a JSON body, which may be empty.
func (c *call) json(status int, body []byte) { c.answer(status, typeJSON, body) }

func (c *call) answer(status int, contentType []string, body []byte) {
	h := c.ResponseWriter.Header()
	h["Content-Type"] = contentType
	switch {
	case len(body) == 0:
		h["Content-Length"] = lengthZero
	case len(body) >= counted || c.r.Method != http.MethodGet:
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.WriteHeader(status)
	if len(body) > 0 {
		c.Write(body)
	}
}

// counted is from which length on an answer must tell it: net/http counts what fits in its buffer of 2048
// bytes and is not flushed, as no answer to a GET is, and spares the work for a header here.
const counted = 2048

// maxBuffer bounds the buffers that are kept for later requests.
const maxBuffer = 256 << 10

func drawPrefix() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:]) + "-"
}

// requestID is the client's own id if it is sane, else a new one, in the form of a header's values. Reads,
// which are many and remembered nowhere, take theirs from a handful made at once.
func (a *API) requestID(r *http.Request, ready *[]string) []string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && sane(given[0]) {
		return given
	}
	if r.Method != http.MethodGet {
		return a.newIDs(1)
	}
	if len(*ready) == 0 {
		*ready = a.newIDs(handful)
	}
	id := (*ready)[:1:1]
	*ready = (*ready)[1:]
	return id
}

const handful = 16

// newIDs makes n request ids; they share their memory.
func (a *API) newIDs(n int) []string {
	out, ends := make([]string, n), [handful]int{}
	last := a.serial.Add(uint64(n))
	var b [handful * 40]byte
	text := b[:0]
	for i := range out {
		text = strconv.AppendUint(append(text, a.prefix...), last-uint64(n-1-i), 10)
		ends[i] = len(text)
	}
	all, from := string(text), 0
	for i := range out {
		out[i], from = all[from:ends[i]], ends[i]
	}
	return out
}

func sane(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}

// statusGone stands in logs and metrics for a client that went away before its answer.
const statusGone = 499

// ServeHTTP serves one request: it gives it an id, routes it, turns a panic into an error object, and
// counts and logs what came of it.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	c := a.calls.Get().(*call)
	ids := c.ids
	given := a.requestID(r, &ids)
	*c = call{ResponseWriter: w, r: r, id: given[0], buffer: c.buffer[:0], ids: ids}
	h := w.Header()
	h["X-Request-Id"] = given
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			a.Log.Error("a request failed in the program", "request", c.id, "method", r.Method, "path", short(r.URL.Path), "panic", p, "stack", string(debug.Stack()))
			if c.status == 0 {
				a.fail(c, fault.New(fault.Internal, "the program failed at this request; its log says more under request id %s", c.id))
			}
		}
		took := time.Since(began)
		a.meter.observe(c, took)
		a.log(c, took)
		if cap(c.buffer) > maxBuffer {
			c.buffer = nil
		}
		*c = call{buffer: c.buffer, ids: c.ids}
		a.calls.Put(c)
	}()
	a.route(c)
}

// log writes the access log: successful reads at level debug, so that polling clients do not fill it.
func (a *API) log(c *call, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case c.status >= 500:
		level = slog.LevelWarn
	case c.status < 400 && (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead):
		level = slog.LevelDebug
	}
	ctx := c.r.Context()
	if !a.Log.Enabled(ctx, level) {
		return
	}
	a.Log.LogAttrs(ctx, level, "request", slog.String("request", c.id), slog.String("method", short(c.r.Method)),
		slog.String("path", short(c.r.URL.Path)), slog.String("operation", c.method.label()), slog.Int("status", c.status),
		slog.Int("bytes", c.size), slog.Duration("took", took), slog.String("from", address(c.r)), slog.String("who", c.who.Name))
}

// short bounds what outsiders can write into a log line.
func short(s string) string {
	if len(s) > 256 {
		return s[:256] + "..."
	}
	return s
}

// address is the client's address without its port, "local socket" for who came through that.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		if r.RemoteAddr == "" || r.RemoteAddr[0] == '@' || r.RemoteAddr[0] == '/' {
			return "local socket"
		}
		return r.RemoteAddr
	}
	return host
}
