package client

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/fault"
)

// maxLine bounds one line of a stream; an event is one commit with whole objects.
const maxLine = 16 << 20

// Event is one event of a stream (HTML Living Standard, section 9.2.6).
type Event struct {
	Name string // "message" when the stream names none
	Data []byte
}

// Stream reads server-sent events.
type Stream struct {
	lines *bufio.Scanner
	close func() error
	// Last is the id of the last event, which heartbeats move too: where to go on after a break.
	Last string
}

// NewStream reads events from r.
func NewStream(r io.Reader) *Stream {
	s := &Stream{lines: bufio.NewScanner(r), close: func() error { return nil }}
	s.lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	s.lines.Split(splitLine)
	return s
}

// Close ends the stream.
func (s *Stream) Close() error { return s.close() }

// Next waits for an event. io.EOF means that the stream ended; an event that was cut short is dropped.
func (s *Stream) Next() (Event, error) {
	e := Event{Name: "message"}
	some := false
	for s.lines.Scan() {
		line := s.lines.Bytes()
		if len(line) == 0 {
			if some {
				return e, nil
			}
			e.Name = "message"
			continue
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			e.Name = value
		case "data":
			if some {
				e.Data = append(e.Data, '\n')
			}
			some = true
			e.Data = append(e.Data, value...)
		case "id":
			if !strings.ContainsRune(value, 0) {
				s.Last = value
			}
		}
	}
	if err := s.lines.Err(); err != nil {
		return Event{}, err
	}
	return Event{}, io.EOF
}

// splitLine ends lines at LF, CR LF or CR. An unfinished last line is not a line.
func splitLine(data []byte, atEOF bool) (int, []byte, error) {
	for i, b := range data {
		switch b {
		case '\n':
			return i + 1, data[:i], nil
		case '\r':
			if i+1 < len(data) {
				if data[i+1] == '\n' {
					return i + 2, data[:i], nil
				}
				return i + 1, data[:i], nil
			}
			if atEOF {
				return i + 1, data[:i], nil
			}
			return 0, nil, nil // the LF may be on its way
		}
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// Change is one commit, as the event "change" carries it.
type Change struct {
	Index   uint64    `json:"index"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`
	Request string    `json:"request"`
	What    string    `json:"what"`
	Changes []struct {
		Kind   string          `json:"kind"`
		ID     string          `json:"id"`
		Verb   string          `json:"verb"` // create, update or delete
		Object json.RawMessage `json:"object"`
	} `json:"changes"`
	Raw json.RawMessage `json:"-"`
}

// last is the data of the event that ends a stream.
type last struct {
	Code   fault.Code `json:"code"`
	Detail string     `json:"detail"`
}

// silence is how long a stream may say nothing: the server gives a sign of life every 15 s, and one that
// stands still, or is cut off, never ends the connection.
const silence = 40 * time.Second

// lively is a body that is closed when nothing comes for too long.
type lively struct {
	body  io.ReadCloser
	timer *time.Timer
	most  time.Duration
}

func (l *lively) Read(b []byte) (int, error) {
	n, err := l.body.Read(b)
	l.timer.Reset(l.most)
	return n, err
}

func (l *lively) Close() error {
	l.timer.Stop()
	return l.body.Close()
}

// Pauses before a broken stream is opened again.
const (
	reopenFirst = 500 * time.Millisecond
	reopenLast  = 10 * time.Second
)

// Watching says what to watch.
type Watching struct {
	From   string // journal index after which to begin
	Last   uint64 // without From: begin with the last so many records of the journal
	Follow bool   // go on with what comes; otherwise end with what there is
	// Opened is told each time the stream has been opened; may be nil.
	Opened func()
	// Broken is told when the stream is opened again after a break; may be nil.
	Broken func(err error)
}

// Watch hands every commit the caller may know of to seen, in order, each once. When it follows, a
// stream that breaks is taken up again where it stopped. It ends with the error of seen, when the
// context ends (no error), or with the fault that the server ended the stream for.
func (c *Client) Watch(ctx context.Context, w Watching, seen func(*Change) error) error {
	const op = "read the events"
	from, wait := w.From, reopenFirst
	for opened := false; ; {
		s, err := c.events(ctx, op, from, w)
		if err == nil {
			opened, wait = true, reopenFirst
			if w.Opened != nil {
				w.Opened()
			}
			err = c.drain(s, op, seen)
			_ = s.Close()
			if s.Last != "" {
				from = s.Last
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && !w.Follow:
			return nil
		case err != nil && (!w.Follow || !opened || !fault.Is(err, fault.Unavailable)):
			return err
		}
		if w.Broken != nil {
			w.Broken(err)
		}
		if pause(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, reopenLast)
	}
}

// events opens the stream.
func (c *Client) events(ctx context.Context, op, from string, w Watching) (*Stream, error) {
	q := url.Values{"follow": {strconv.FormatBool(w.Follow)}}
	if from != "" {
		q.Set("from", from)
	} else {
		q.Set("last", strconv.FormatUint(w.Last, 10))
	}
	id := newID("cli-")
	var s *Stream
	err := c.try(ctx, true, func(base string, patience time.Duration) (fate, error) {
		resp, became, err := c.send(ctx, base, patience, Request{Path: "/events", Query: q}, id, "")
		if err != nil {
			return became, err
		}
		if resp.StatusCode/100 != 2 {
			defer resp.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(resp.Body, maxLine)) // an answer cut short has no detail
			return c.refused(base, resp, body, id)
		}
		live := &lively{body: resp.Body, most: c.silence}
		live.timer = time.AfterFunc(c.silence, func() { _ = resp.Body.Close() })
		s = NewStream(live)
		s.close = live.Close
		return fate{answered: true}, nil
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	return s, nil
}

// drain reads a stream to its end: nil at a clean end of what there is, Unavailable when it may be
// opened again.
func (c *Client) drain(s *Stream, op string, seen func(*Change) error) error {
	for {
		e, err := s.Next()
		if err != nil {
			return &fault.Error{Code: fault.Unavailable, Op: op, Message: "the stream of events broke", Err: err}
		}
		switch e.Name {
		case "change":
			change := &Change{Raw: e.Data}
			if err := json.Unmarshal(e.Data, change); err != nil {
				return &fault.Error{Code: fault.Internal, Op: op, Message: "an event cannot be understood; is this program older than the server?", Err: err}
			}
			if err := seen(change); err != nil {
				return err
			}
		case "caughtup":
			return nil
		case "end", "dropped", "gone", "denied":
			return endOf(op, e)
		}
	}
}

// endOf is why the server ended a stream. It may be opened again after "end" and "dropped".
func endOf(op string, e Event) error {
	var why last
	if json.Unmarshal(e.Data, &why) != nil || why.Detail == "" {
		why.Detail = "the server ended the stream"
	}
	switch e.Name {
	case "gone":
		why.Code = fault.NotFound
	case "denied":
		why.Code = fault.Unauthenticated
	default:
		why.Code = fault.Unavailable
	}
	return &fault.Error{Code: why.Code, Op: op, Message: why.Detail}
}
