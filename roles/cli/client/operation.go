package client

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
)

// Operation is a piece of work on the server, as API v2 shows it.
type Operation struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	What     string           `json:"what"` // kind and verb: "kompute.create"
	State    operation.State  `json:"state"`
	Target   operation.Target `json:"target"`
	Project  string           `json:"project_id"`
	Actor    string           `json:"actor"`
	Request  string           `json:"request"`
	Created  time.Time        `json:"created"`
	Finished time.Time        `json:"finished"`
	Cancel   bool             `json:"cancel"` // somebody asked to call it off
	Steps    []Step           `json:"steps"`
	Progress *Progress        `json:"progress"`
	Fault    *fault.Error     `json:"fault"`
	Trace    *Trace           `json:"trace"`
	Raw      json.RawMessage  `json:"-"` // as it was answered
}

// Step is one step of an operation. Its state is one of pending, started, done, undoing, undone.
type Step struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Attempt int    `json:"attempt"`
}

// Progress is how far the running step is; Total is 0 while that is unknown.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Unit  string `json:"unit"` // "bytes" or empty
	Note  string `json:"note"`
}

// Trace is the decision behind an operation. Hidden counts the facts about things that the caller may
// not know of.
type Trace struct {
	Facts  []trace.Fact `json:"facts"`
	Hidden int          `json:"hidden"`
}

// ReadOperation reads one from an answer's body.
func ReadOperation(op string, a *Answer) (*Operation, error) {
	o := &Operation{Raw: a.Body}
	if err := a.Decode(op, o); err != nil {
		return nil, err
	}
	return o, nil
}

// Failure is why an operation that is final did not succeed, nil when it did.
func (o *Operation) Failure() error {
	if o.State == operation.Succeeded {
		return nil
	}
	if o.Fault != nil {
		f := *o.Fault
		f.Op = o.Name
		f.Message = f.Public() + " (operation " + o.ID + ")"
		return &f
	}
	return &fault.Error{Code: fault.Cancelled, Op: o.Name, Message: "it was called off and nothing is left of it (operation " + o.ID + ")"}
}

// Patience for following an operation: how often it is looked at, and how long the server may be away,
// for operations resume when it comes back.
const (
	lookFirst = 80 * time.Millisecond
	lookLast  = time.Second
	awayMost  = 2 * time.Minute
)

// Follow looks at an operation until it is final, and hands every look to seen. While the server is away
// it keeps trying for two minutes. Faults: those of Do; the operation's own outcome is for the caller
// to ask (Failure).
func (c *Client) Follow(ctx context.Context, id string, seen func(*Operation)) (*Operation, error) {
	const op = "follow the operation"
	var away time.Time
	for wait := lookFirst; ; wait = min(wait*8/5, lookLast) {
		a, err := c.Do(ctx, Request{Op: op, Path: "/operations/" + url.PathEscape(id)})
		switch {
		case err == nil:
			away = time.Time{}
			o, err := ReadOperation(op, a)
			if err != nil {
				return nil, err
			}
			seen(o)
			if o.State.Final() {
				return o, nil
			}
		case ctx.Err() != nil || !fault.Is(err, fault.Unavailable):
			return nil, err
		case away.IsZero():
			away = time.Now()
		case time.Since(away) > awayMost:
			return nil, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, fault.Wrap(err, fault.Cancelled, op)
		}
	}
}
