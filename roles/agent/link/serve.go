package link

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/sourcegraph/jsonrpc2"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// stream is the JSON-RPC library's view of the socket: it reads from it directly and writes to the
// outbox, so that nobody waits for the network inside the library's locks.
type stream struct{ c *Conn }

func (s stream) ReadObject(v any) error {
	data, err := s.c.sock.read(context.Background())
	if err == nil {
		if err = json.Unmarshal(data, v); err == nil {
			return nil
		}
		err = &fault.Error{Code: fault.Malformed, Message: "the peer sent something that is no JSON-RPC 2.0 message", Err: err}
	}
	close(s.c.readerDone)
	s.c.end(err, closePolicy, fault.From(err).Public(), false)
	return err
}

func (s stream) WriteObject(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > agentproto.MaxMessage {
		return fault.New(fault.Exhausted, "the message has %d bytes, at most %d can be sent", len(data), agentproto.MaxMessage)
	}
	cost := s.c.cost
	s.c.cost = 0
	if !s.c.out.push(data, cost) {
		return ErrLost
	}
	return nil
}

// Close does nothing: the connection closes its socket itself.
func (stream) Close() error { return nil }

// quiet drops the library's log lines; everything in them is told by the connection's own errors.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// handler takes requests from the reader.
type handler struct{ c *Conn }

func (h handler) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	c := h.c
	if c.ctx.Err() != nil {
		return
	}
	var params json.RawMessage
	if req.Params != nil {
		params = *req.Params
	}
	if req.Notif {
		defer func() {
			if p := recover(); p != nil {
				c.log.Error("a notification's handler panicked", "method", req.Method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		c.peer.Notify(req.Method, params)
		return
	}
	select {
	case c.slots <- struct{}{}:
	default:
		// The reader itself answers, so whoever floods without reading stops being read.
		c.reply(req.ID, nil, fault.New(fault.Throttled, "%d calls are running already; wait for some to finish", maxInflight))
		return
	}
	c.work.Add(1)
	go c.answer(req.ID, req.Method, params)
}

// answer calls the peer's handler and replies, even if the handler panics or ends its goroutine.
func (c *Conn) answer(id jsonrpc2.ID, method string, params json.RawMessage) {
	defer c.work.Done()
	defer func() { <-c.slots }()
	var result any
	var err error
	returned := false
	defer func() {
		if !returned {
			p := recover()
			c.log.Error("a call's handler panicked", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result, err = nil, fault.New(fault.Internal, "the handler of %s crashed; its log has the details", method)
		}
		c.reply(id, result, err)
	}()
	result, err = c.peer.Call(c.ctx, method, params)
	returned = true
}

// reply sends the one answer of a call.
func (c *Conn) reply(id jsonrpc2.ID, result any, err error) {
	resp := &jsonrpc2.Response{ID: id}
	if err == nil {
		var raw json.RawMessage
		if raw, err = encode(result); err == nil {
			resp.Result = &raw
		}
	}
	size := 0
	if err != nil {
		resp.Error = wireError(err)
	} else {
		size = len(*resp.Result)
	}
	cost, err := c.out.reserve(c.ctx, size)
	if err != nil {
		return // the connection ended; whoever waits asks again with the same request id
	}
	if err := c.send(cost, func() error { return c.rpc.SendResponse(c.ctx, resp) }); err != nil && c.ctx.Err() == nil {
		c.log.Warn("an answer could not be sent", "error", err)
	}
}
