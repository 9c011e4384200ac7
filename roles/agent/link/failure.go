package link

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sourcegraph/jsonrpc2"

	"kowabunga/core/fault"
)

// ErrLost is inside every error of a call whose connection ended before the answer came: the outcome
// is unknown and the call may be repeated under the same request id.
var ErrLost = errors.New("the connection ended before the answer")

// ErrSuperseded is inside the error of a connection that a newer one of the same agent replaced.
var ErrSuperseded = errors.New("a newer session of this agent took over")

// failure is the data member of a JSON-RPC error: a fault without its cause.
type failure struct {
	Code    fault.Code `json:"code"`
	Op      string     `json:"op,omitempty"`
	Field   string     `json:"field,omitempty"`
	Message string     `json:"message,omitempty"`
}

// toWire makes the JSON-RPC error of a failed call. Causes stay in this process.
func toWire(err error) *jsonrpc2.Error {
	f := fault.From(err)
	e := &jsonrpc2.Error{Code: f.Code.RPCCode(), Message: f.Public()}
	e.SetError(failure{Code: f.Code, Op: f.Op, Field: f.Field, Message: f.Message})
	return e
}

// UnknownMethod is the answer to a method the callee does not have; it travels as -32601.
func UnknownMethod(method string) error {
	e := &jsonrpc2.Error{Code: jsonrpc2.CodeMethodNotFound, Message: fmt.Sprintf("the peer has no method %.100q; it may be of another release", method)}
	e.SetError(failure{Code: fault.NotFound, Op: "call", Message: e.Message})
	return &fault.Error{Code: fault.NotFound, Op: "call", Message: e.Message, Err: e}
}

// BadParams is the answer to parameters that cannot be read; it travels as -32602.
func BadParams(method string, cause error) error {
	e := &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: fmt.Sprintf("the parameters of %.100q cannot be read", method)}
	e.SetError(failure{Code: fault.Malformed, Op: "call", Message: e.Message})
	return &fault.Error{Code: fault.Malformed, Op: "call", Message: e.Message, Err: errors.Join(e, cause)}
}

// wireError prefers the specification's own codes where UnknownMethod or BadParams chose them.
func wireError(err error) *jsonrpc2.Error {
	var e *jsonrpc2.Error
	if errors.As(err, &e) {
		return e
	}
	return toWire(err)
}

// fromWire is the fault a caller gets for the peer's error.
func fromWire(method string, e *jsonrpc2.Error) error {
	f := failure{}
	if e.Data != nil {
		_ = json.Unmarshal(*e.Data, &f) // a peer that sends other data still has its code and message
	}
	if f.Code == "" || f.Code.RPCCode() == jsonrpc2.CodeInternalError {
		f.Code = fault.FromRPCCode(e.Code)
	}
	if f.Message == "" {
		f.Message = e.Message
	}
	if f.Op == "" {
		f.Op = method
	}
	return &fault.Error{Code: f.Code, Op: f.Op, Field: f.Field, Message: f.Message}
}
