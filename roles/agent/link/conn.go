package link

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/release"
)

// Peer is what a Conn asks for what the other side sends.
type Peer interface {
	// Call answers one call, in a goroutine of its own. The context ends with the connection.
	Call(ctx context.Context, method string, params json.RawMessage) (any, error)
	// Notify takes a notification. It runs on the reader, in order of arrival, and must not wait.
	Notify(method string, params json.RawMessage)
}

// Bounds of one connection, each way.
const (
	maxInflight = 1024            // calls being answered, and calls waiting for an answer
	linger      = 1 * time.Second // for flushing and the closing handshake, each
	paramsSlack = 1024            // bytes of a message around its params: method, id, punctuation
)

// Conn is one authenticated connection. Its methods are safe for concurrent use.
type Conn struct {
	sock    *socket
	out     *outbox
	log     *slog.Logger
	beats   time.Duration // between pings
	silence time.Duration // without a sign of the peer until it is given up

	ctx        context.Context // ends when the connection is over, with the reason as its cause
	cancel     context.CancelCauseFunc
	started    chan struct{}
	readerDone chan struct{}
	gone       chan struct{}
	work       sync.WaitGroup // handlers and heartbeats
	endOnce    sync.Once

	rpc     *jsonrpc2.Conn
	peer    Peer
	slots   chan struct{} // calls being answered
	pending chan struct{} // calls awaiting their answer, given up ones included
	nextID  atomic.Uint64

	mu       sync.Mutex
	awaiting map[uint64]struct{}
	beat     *time.Timer

	sendMu sync.Mutex // held while a message is encoded and queued, never while it is written
	cost   int64      // of the message that is being sent
}

func newConn(sock *socket, log *slog.Logger, beats, silence time.Duration) *Conn {
	c := &Conn{
		sock: sock, log: log, beats: beats, silence: silence,
		started: make(chan struct{}), readerDone: make(chan struct{}), gone: make(chan struct{}),
		slots: make(chan struct{}, maxInflight), pending: make(chan struct{}, maxInflight),
		awaiting: map[uint64]struct{}{},
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.out = newOutbox(
		func(data []byte) error { return sock.write(context.Background(), data, silence) },
		func(err error) {
			c.end(&fault.Error{Code: fault.Unavailable, Message: "the peer takes no data", Err: err}, closeGoing, "cannot write", false)
		})
	sock.established()
	return c
}

// start begins to read and to send pings.
func (c *Conn) start(peer Peer) {
	c.peer = peer
	c.sendMu.Lock() // the reader may have something to answer before the library's connection is known here
	c.rpc = jsonrpc2.NewConn(c.ctx, stream{c}, handler{c}, jsonrpc2.SetLogger(quiet{}), jsonrpc2.OnRecv(c.received))
	c.sendMu.Unlock()
	close(c.started)
	c.schedule()
}

// Done is closed when the connection is over: no call is made or answered any more.
func (c *Conn) Done() <-chan struct{} { return c.ctx.Done() }

// Gone is closed when the socket and every goroutine of the connection ended, soon after Done.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Err is why the connection is over, nil while it is not.
func (c *Conn) Err() error {
	if c.ctx.Err() == nil {
		return nil
	}
	return context.Cause(c.ctx)
}

// LastSeen is when the peer last gave a sign of life.
func (c *Conn) LastSeen() time.Time { return c.sock.lastSeen() }

// Remote is the peer's address; empty at the dialling end.
func (c *Conn) Remote() string { return c.sock.remote }

// Call makes one call and waits for the answer. An error of the peer comes back with its code; when
// the connection ends first the error is Unavailable with ErrLost inside; when ctx ends first it is
// the context's, and a late answer is dropped. Params and result are bounded by MaxMessage.
func (c *Conn) Call(ctx context.Context, method string, params, result any) error {
	raw, err := encode(params)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "call "+method)
	}
	select {
	case <-c.started:
	case <-c.ctx.Done():
		return c.lost(method)
	case <-ctx.Done():
		return ended(ctx, method)
	}
	select {
	case c.pending <- struct{}{}:
	case <-c.ctx.Done():
		return c.lost(method)
	case <-ctx.Done():
		return ended(ctx, method)
	}
	cost, err := c.out.reserve(ctx, len(raw))
	if err != nil {
		<-c.pending
		if errors.Is(err, ErrLost) {
			return c.lost(method)
		}
		return ended(ctx, method)
	}
	id := c.nextID.Add(1)
	c.mu.Lock()
	c.awaiting[id] = struct{}{}
	c.mu.Unlock()
	var waiter jsonrpc2.Waiter
	err = c.send(cost, func() error {
		waiter, err = c.rpc.DispatchCall(ctx, method, raw, jsonrpc2.PickID(jsonrpc2.ID{Num: id}))
		return err
	})
	if err != nil {
		c.answered(id)
		return c.failed(ctx, method, err)
	}
	// The end of the connection ends the waiting here, and not by closing the library's connection: that
	// panics when an answer is just being delivered.
	wait, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(c.ctx, stop)()
	var answer json.RawMessage
	if err := waiter.Wait(wait, &answer); err != nil {
		if ctx.Err() == nil && c.ctx.Err() != nil {
			return c.lost(method)
		}
		return c.failed(ctx, method, err)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return &fault.Error{Code: fault.Internal, Op: "call " + method, Message: "the peer's result does not fit; it may be of another release", Err: err}
	}
	return nil
}

// Notify sends a notification, waiting for room in the queue as long as ctx allows.
func (c *Conn) Notify(ctx context.Context, method string, params any) error {
	return c.notify(method, params, func(size int) (int64, error) { return c.out.reserve(ctx, size) })
}

// TryNotify sends a notification if there is room for it at once.
func (c *Conn) TryNotify(method string, params any) error {
	return c.notify(method, params, func(size int) (int64, error) {
		if cost, ok := c.out.tryReserve(size); ok {
			return cost, nil
		}
		return 0, fault.New(fault.Throttled, "the queue to the peer is full")
	})
}

func (c *Conn) notify(method string, params any, reserve func(int) (int64, error)) error {
	raw, err := encode(params)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "notify "+method)
	}
	select {
	case <-c.started:
	default:
		return c.lost(method)
	}
	cost, err := reserve(len(raw))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "notify "+method)
	}
	err = c.send(cost, func() error { return c.rpc.Notify(c.ctx, method, raw) })
	if err != nil {
		return c.failed(c.ctx, method, err)
	}
	return nil
}

// send runs one sending call of the library; the stream takes the cost of its message from c.cost.
func (c *Conn) send(cost int64, do func() error) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	c.cost = cost
	err := do()
	if c.cost != 0 { // it never reached the queue
		c.out.release(c.cost)
		c.cost = 0
	}
	return err
}

// received runs on the reader for every message; an answer frees the place of its call.
func (c *Conn) received(_ *jsonrpc2.Request, resp *jsonrpc2.Response) {
	if resp != nil && !resp.ID.IsString {
		c.answered(resp.ID.Num)
	}
}

func (c *Conn) answered(id uint64) {
	c.mu.Lock()
	_, ok := c.awaiting[id]
	delete(c.awaiting, id)
	c.mu.Unlock()
	if ok {
		<-c.pending
	}
}

// failed explains an error of the library.
func (c *Conn) failed(ctx context.Context, method string, err error) error {
	var wire *jsonrpc2.Error
	switch {
	case errors.As(err, &wire):
		return fromWire(method, wire)
	case errors.Is(err, jsonrpc2.ErrClosed) || errors.Is(err, ErrLost):
		return c.lost(method)
	case ctx.Err() != nil:
		return ended(ctx, method)
	}
	return fault.Wrap(err, fault.Internal, "call "+method)
}

func (c *Conn) lost(method string) error {
	return &fault.Error{Code: fault.Unavailable, Op: "call " + method, Message: "the connection to the peer ended before the answer", Err: errors.Join(ErrLost, c.Err())}
}

func ended(ctx context.Context, method string) error {
	return fault.Wrap(fault.From(context.Cause(ctx)), fault.Cancelled, "call "+method)
}

func encode(params any) (json.RawMessage, error) {
	raw, err := json.Marshal(release.More(params))
	if err != nil {
		return nil, err
	}
	if len(raw) > agentproto.MaxMessage-paramsSlack {
		return nil, fault.New(fault.Exhausted, "the message has %d bytes, at most %d can be sent; bulk data has its own socket", len(raw), agentproto.MaxMessage-paramsSlack)
	}
	return raw, nil
}
