package api

import (
	"context"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/access"
	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/nodes"
	"kowabunga/core/operation"
	"kowabunga/core/plan"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/operate"
)

// Authenticator tells who makes a request by its credentials: X-API-Key, or Authorization: Bearer.
// Faults: Unauthenticated, Throttled.
type Authenticator interface {
	Authenticate(r *http.Request) (access.Identity, error)
}

// Sessions begins and ends logins, sets passwords and follows the links of letters. from is always the
// client's address.
type Sessions interface {
	// Login checks a password and begins a session; agent is what the client says it is. Faults:
	// Unauthenticated, the same for every reason; Throttled.
	Login(ctx context.Context, email, password, from, agent string) (jwt string, err error)
	// Logout ends the session the caller used; callers with an API key have none to end.
	Logout(ctx context.Context, who access.Identity) error
	// SetPassword gives a user a password and ends his sessions. Faults: NotFound for a user the caller
	// may not know of or change, Denied where passwords are only drawn, Invalid for one that is too easy
	// to guess.
	SetPassword(ctx context.Context, who access.Identity, user model.ID, value string) error
	// NewPassword draws a password and gives its stored form besides.
	NewPassword(ctx context.Context) (password string, stored model.Secret, err error)
	// RequestReset asks for a letter with a link that draws a new password, and tells nothing. Faults:
	// Throttled.
	RequestReset(email, from string) error
	// Link tells what a link is for and changes nothing. Faults: Denied, the same for every reason;
	// Throttled.
	Link(user model.ID, secret, from string, purposes ...string) (identity.Link, error)
	// Follow follows a link that confirms an account or an address. Faults: those of Link; Conflict.
	Follow(ctx context.Context, user model.ID, secret, from string) (identity.Link, error)
	// DrawPassword follows a link that draws a new password. Faults: those of Link.
	DrawPassword(ctx context.Context, user model.ID, secret, from string) (string, identity.Link, error)
	// BeginDevice, DecideDevice and AskDevice let programs in (RFC 8628).
	BeginDevice(from, agent string) (identity.Device, error)
	DecideDevice(ctx context.Context, email, password, code, from string, grant bool) (asked string, err error)
	AskDevice(ctx context.Context, code, from string) (state identity.DeviceState, jwt string, err error)
}

// Engine carries out writes. Its requests are authenticated, their ids well formed and their query
// checked against the declared types; everything else is its own to check.
type Engine interface {
	// Do carries out a request. When the context ends first it returns, and the work goes on.
	Do(ctx context.Context, r operate.Request) (operate.Answer, error)
	// Plan is what a request would do, with the state that would be afterwards; nothing changes.
	Plan(r operate.Request) (*plan.Plan, model.View, error)
	// PlanCancel is the same for calling an operation off.
	PlanCancel(by operate.By, id model.ID) (*plan.Plan, model.View, error)
	// Answered records that the answer about an operation reached its caller.
	Answered(ctx context.Context, id model.ID)
	// Wait returns the operation once it is final.
	Wait(ctx context.Context, id model.ID) (*operation.Operation, error)
	// Cancel asks for an operation to be called off. Faults: Denied; Conflict when it is final.
	Cancel(ctx context.Context, by operate.By, id model.ID) error
	// Online tells whether an agent is connected.
	Online(agent model.ID) bool
	// Progress is how far the running step of an operation is, false when nothing is known.
	Progress(id model.ID) (agentproto.Progress, bool)
}

// Views gives the present state.
type Views interface{ View() model.View }

// Journal gives what happened.
type Journal interface {
	// Watch yields the records after an index, as they come, until the context ends or the loop does.
	// It ends with a NotFound fault when records after that index are no longer kept.
	Watch(ctx context.Context, after uint64) iter.Seq2[Record, error]
}

// Past gives what happened from the newest on, and what was.
type Past interface {
	// Back returns up to max records from an index downwards, the newest first; none once the beginning of
	// what is kept is reached.
	Back(from uint64, max int) ([]PastRecord, error)
	// IndexAt is the index of the last record that is not later than a moment; NotFound when what is kept
	// does not reach back so far.
	IndexAt(at time.Time) (uint64, error)
	// At is the state as it was after a record, secrets masked; NotFound as with IndexAt.
	At(ctx context.Context, index uint64) (model.View, error)
}

// PastRecord is one commit, with its changes still to be decoded.
type PastRecord struct {
	Index                               uint64
	Time                                time.Time
	Actor, ActorID, Request, From, What string
	Changes                             []PastChange
}

// PastChange is what a commit did to one object.
type PastChange struct {
	Kind model.Kind
	ID   model.ID
	// Decode gives the object before and after, nil for none, with their secrets, so that a change of
	// those is noticed; they are shown to nobody.
	Decode func() (before, after model.Object, err error)
}

// Record is one commit.
type Record struct {
	Index   uint64
	Time    time.Time
	Actor   string // name of who asked
	Request string // request id
	What    string // "create kompute"
	Changes []Change
}

// Change is what a commit did to one object: Before is nil for a new one, After for a deleted one.
type Change struct {
	Kind          model.Kind
	ID            model.ID
	Before, After model.Object
}

// Live asks agents for figures that are not stored.
type Live interface {
	// State is the state of an instance in the words of API v1 ("Running", "Shutoff", ...) and the
	// reason for it, possibly empty. Faults: Unavailable when its host cannot be asked.
	State(ctx context.Context, instance model.ID) (state, reason string, err error)
	// Screen makes a ticket for the screen of an instance: a URL that lets one client in, for a short time.
	// Faults: Conflict when the machine is off; Unavailable when its host cannot be asked or cannot do it.
	Screen(ctx context.Context, instance model.ID) (url string, err error)
}

// Limiter bounds how often an address may try to log in.
type Limiter interface {
	// Allow tells whether another attempt may be made, and otherwise when.
	Allow(address string) (wait time.Duration, ok bool)
}

// Config is what the interface is made of. Limit, Docs, Metrics and Log may be nil.
type Config struct {
	Auth     Authenticator
	Sessions Sessions
	Engine   Engine
	Views    Views
	Journal  Journal
	Past     Past
	Live     Live
	Standing func(model.Object) agentproto.Standing // how agents stand to what is wanted of them for an object
	Pair     func() *nodes.Status                   // how this Kahuna stands as a node; nil where that is not known
	Limit    Limiter
	Docs     fs.FS // user documentation, TOPIC.md
	Version  string
	URL      string // public URL for the documents, may be empty
	Metrics  prometheus.Registerer
	Log      *slog.Logger
}

// API serves /api/v1, /api/v2 and /docs; every other path is answered 404.
type API struct {
	Config
	mux       *http.ServeMux
	direct    direct
	meter     *meter
	calls     sync.Pool
	prefix    string // of request ids, new with every start
	serial    atomic.Uint64
	streams   eventLimits
	open      atomic.Int64 // event streams being served
	resources map[model.Kind]*resource
	looks     looks
	auditMost int // records that one page of the audit looks at
	closing   chan struct{}
	closed    sync.Once
}

// New makes the interface. It fails when a required part is missing.
func New(c Config) (*API, error) {
	switch {
	case c.Auth == nil, c.Sessions == nil, c.Engine == nil, c.Views == nil, c.Journal == nil, c.Past == nil, c.Live == nil:
		return nil, fault.New(fault.Internal, "the API needs all of Auth, Sessions, Engine, Views, Journal, Past and Live")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	a := &API{Config: c, mux: http.NewServeMux(), direct: direct{}, prefix: drawPrefix(), streams: defaultEventLimits, auditMost: auditMost, closing: make(chan struct{})}
	a.calls.New = func() any { return new(call) }
	var err error
	if a.meter, err = newMeter(c.Metrics); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "register the metrics of the API")
	}
	t := newTable(a)
	a.routeV1(t)
	a.routeV2(t)
	a.routeDevice(t)
	a.routePages(t)
	if err := a.routeDocuments(t); err != nil {
		return nil, err
	}
	t.install()
	return a, nil
}

// Close ends the event streams, which would otherwise outlive a graceful shutdown.
func (a *API) Close() { a.closed.Do(func() { close(a.closing) }) }

// Server is an HTTP server for the interface mounted in handler, with the limits that suit it: there is
// no write timeout, as creating a machine may take long and events never end; slow readers of events
// are dropped by deadlines of their own.
func (a *API) Server(handler http.Handler) *http.Server {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(a.Close)
	return s
}
