package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// eventLimits bounds what an event stream may cost.
type eventLimits struct {
	streams   int64         // at once
	buffer    int           // records held for one client
	slow      time.Duration // how long a full buffer may wait for room before its client is dropped
	write     time.Duration // how long one write may take; longer than slow, so that there is time to say why
	heartbeat time.Duration // between signs of life; proxies give up on silent connections after a minute
}

var defaultEventLimits = eventLimits{streams: 256, buffer: 64, slow: 20 * time.Second, write: 30 * time.Second, heartbeat: 15 * time.Second}

// events streams what happens as server-sent events (HTML Living Standard, section 9.2): one "change"
// event per commit with the changes the caller may know of, the journal index as its id. A client that
// reconnects with Last-Event-ID, or asks with ?from=INDEX, gets what came after that index; others get
// what comes from now on, with ?last=N the last N records before it. Secrets stand empty, whoever listens.
//
// The stream ends with an event that says why: "caughtup" when ?follow=false asked for what there is and
// that is sent, "end" at shutdown, "dropped" for a client too slow,
// "gone" when the journal no longer reaches back far enough, "denied" when the credentials ended.
func (a *API) events(c *call) error {
	from, until, err := a.spanOf(c)
	if err != nil {
		return err
	}
	if a.open.Add(1) > a.streams.streams {
		a.open.Add(-1)
		return fault.New(fault.Unavailable, "%d event streams are open already; try again later", a.streams.streams)
	}
	a.meter.streams.Inc()
	defer func() {
		a.open.Add(-1)
		a.meter.streams.Dec()
	}()

	ctx, cancel := context.WithCancel(c.r.Context())
	s := &stream{api: a, c: c, control: http.NewResponseController(c.ResponseWriter), last: from, until: until,
		records: make(chan Record, a.streams.buffer), ended: make(chan error, 1)}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		s.pump(ctx, from)
	}()
	defer func() {
		cancel()
		<-pumped
	}()

	h := c.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Connection", "close")     // the connection keeps the last deadline for writing
	h.Set("X-Accel-Buffering", "no") // nginx would collect events otherwise
	c.WriteHeader(http.StatusOK)
	s.serve(ctx)
	return nil
}

// endless is where a stream ends that follows what comes.
const endless = math.MaxUint64

// spanOf is the index after which the stream begins and the one it ends with.
func (a *API) spanOf(c *call) (from, until uint64, err error) {
	q, err := values(c.r)
	if err != nil {
		return 0, 0, err
	}
	until = endless
	now := a.Views.View().Index()
	if follow, err := single(q, "follow"); err != nil {
		return 0, 0, err
	} else if follow != "" {
		on, err := strconv.ParseBool(follow)
		if err != nil {
			return 0, 0, bad("follow", "must be true or false")
		}
		if !on {
			until = now
		}
	}
	name, value := "Last-Event-ID", c.r.Header.Get("Last-Event-ID")
	if value == "" {
		name = "from"
		if value, err = single(q, name); err != nil {
			return 0, 0, err
		}
	}
	if value != "" {
		from, err = strconv.ParseUint(value, 10, 64)
		if err != nil || from > now {
			return 0, 0, bad(name, "must be the index of an event, at most %d", now)
		}
		return from, until, nil
	}
	last, err := single(q, "last")
	if err != nil || last == "" {
		return now, until, err
	}
	n, err := strconv.ParseUint(last, 10, 64)
	if err != nil {
		return 0, 0, bad("last", "must be a number of events")
	}
	return now - min(n, now), until, nil
}

// stream is one client's event stream.
type stream struct {
	api     *API
	c       *call
	control *http.ResponseController
	last    uint64 // index up to which the client knows everything
	until   uint64 // index to end with
	records chan Record
	ended   chan error // why the pump stopped
}

// errSlow is why the pump stopped when its client did not keep up.
var errSlow = fault.New(fault.Exhausted, "this client reads too slowly; connect again with the last event's id")

// pump moves records from the journal to the buffer until the context ends. It is the only goroutine of
// a stream besides the request's own.
func (s *stream) pump(ctx context.Context, from uint64) {
	patience := time.NewTimer(s.api.streams.slow)
	defer patience.Stop()
	for record, err := range s.api.Journal.Watch(ctx, from) {
		if err != nil {
			s.ended <- err
			return
		}
		select {
		case s.records <- record:
			continue
		default:
		}
		patience.Reset(s.api.streams.slow)
		select {
		case s.records <- record:
		case <-patience.C:
			s.ended <- errSlow
			return
		case <-ctx.Done():
			return
		}
	}
	s.ended <- fault.New(fault.Unavailable, "the journal is closed")
}

// serve writes events until the client, the server or the journal ends.
func (s *stream) serve(ctx context.Context) {
	beat := time.NewTicker(s.api.streams.heartbeat)
	defer beat.Stop()
	if !s.send([]byte("retry: 3000\n: events of Kowabunga\n\n")) {
		return
	}
	for {
		if s.last >= s.until {
			s.finish("caughtup", fault.New(fault.Cancelled, "this is all there is; ask with follow=true for what comes"))
			return
		}
		select {
		case record := <-s.records:
			if !s.record(record) {
				return
			}
		case <-beat.C:
			if !s.alive() {
				return
			}
		case err := <-s.ended:
			s.end(ctx, err)
			return
		case <-s.api.closing:
			s.finish("end", fault.New(fault.Unavailable, "the server is shutting down; connect again"))
			return
		case <-ctx.Done():
			return
		}
	}
}

// alive writes a heartbeat that also moves the client's position over what was not for it, and ends the
// stream of a caller whose credentials have been revoked.
func (s *stream) alive() bool {
	who, err := s.api.Auth.Authenticate(s.c.r)
	if err != nil || !who.Known() {
		s.finish("denied", fault.New(fault.Unauthenticated, "the credentials are no longer valid"))
		return false
	}
	s.c.who = who // the role may have changed
	return s.send(strconv.AppendUint([]byte(": alive\nid: "), s.last, 10), []byte("\n\n"))
}

// end writes what the pump left and then why it stopped.
func (s *stream) end(ctx context.Context, err error) {
	for {
		select {
		case record := <-s.records:
			if !s.record(record) {
				return
			}
			continue
		default:
		}
		break
	}
	f := fault.From(err)
	switch {
	case ctx.Err() != nil:
	case f == errSlow:
		s.finish("dropped", f)
	case f.Code == fault.NotFound:
		s.finish("gone", f)
	default:
		s.finish("end", f)
	}
}

// finish writes the last event.
func (s *stream) finish(event string, f *fault.Error) {
	b := append(append([]byte("event: "), event...), "\ndata: {\"code\":"...)
	b = catalogue.AppendString(b, string(f.Code))
	b = catalogue.AppendString(append(b, `,"detail":`...), f.Public())
	b = strconv.AppendUint(append(b, `,"last":`...), s.last, 10)
	s.send(b, []byte("}\n\n"))
}

// record writes the changes of a commit that the caller may know of; nothing when there are none.
func (s *stream) record(r Record) bool {
	s.last = r.Index
	b := strconv.AppendUint([]byte("event: change\nid: "), r.Index, 10)
	b = strconv.AppendUint(append(b, "\ndata: {\"index\":"...), r.Index, 10)
	b = appendTime(append(b, `,"time":`...), r.Time)
	b = catalogue.AppendString(append(b, `,"actor":`...), r.Actor)
	b = catalogue.AppendString(append(b, `,"request":`...), r.Request)
	b = catalogue.AppendString(append(b, `,"what":`...), r.What)
	b = append(b, `,"changes":[`...)
	v := s.api.Views.View()
	some := false
	for i := range r.Changes {
		change := &r.Changes[i]
		if !s.concerns(v, change) {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		b = s.api.appendChange(b, v, s.c.who, change)
	}
	if !some {
		return true
	}
	return s.send(b, []byte("]}\n\n"))
}

// concerns tells whether the caller may know of a change: whether he may see the object as it is after
// it, or as it was before it was deleted.
func (s *stream) concerns(v model.View, change *Change) bool {
	o := change.After
	if o == nil {
		o = change.Before
	}
	if o == nil || change.Kind != operation.Kind && change.Kind != model.KindPair && catalogue.Of(change.Kind) == nil {
		return false // sessions and settings have no form outside
	}
	return access.Visible(v, s.c.who, o)
}

func (a *API) appendChange(b []byte, v model.View, who access.Identity, change *Change) []byte {
	verb, o := "update", change.After
	switch {
	case change.Before == nil:
		verb = "create"
	case change.After == nil:
		verb, o = "delete", change.Before
	}
	b = catalogue.AppendString(append(b, `{"kind":`...), string(change.Kind))
	b = catalogue.AppendString(append(b, `,"id":`...), change.ID)
	b = catalogue.AppendString(append(b, `,"verb":`...), verb)
	b = append(b, `,"object":`...)
	switch o := o.(type) {
	case *operation.Operation:
		b = a.appendOperation(b, v, who, o, brief)
	case *model.Pair:
		b = appendPair(b, o)
	default:
		b = catalogue.Of(change.Kind).Append(b, v, o, catalogue.Reader{Version: catalogue.V2})
	}
	return append(b, '}')
}

// send writes within the time a client has, and sees that it goes out at once.
func (s *stream) send(parts ...[]byte) bool {
	s.control.SetWriteDeadline(time.Now().Add(s.api.streams.write)) // test recorders have no deadlines
	for _, p := range parts {
		if _, err := s.c.Write(p); err != nil {
			return false
		}
	}
	return s.control.Flush() == nil
}
