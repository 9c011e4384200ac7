// Package fault is the one error type of Kowabunga.
//
// A fault carries a code that machines act on, the operation that was attempted, a sentence for the
// person who has to do something about it, and, for bad input, the field that was wrong. The same value
// becomes an HTTP status, an API v1 error object, an RFC 9457 problem and a JSON-RPC error, so that
// nobody ever has to match the text of an error.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure it was; callers branch on it and on nothing else.
type Code string

// The codes, each with the HTTP status it maps to (RFC 9110 and, for 507, RFC 4918 section 11.5).
const (
	Malformed       Code = "malformed"       // 400: the request cannot be read
	Unauthenticated Code = "unauthenticated" // 401: no valid credentials
	Denied          Code = "denied"          // 403: the caller may see it but not do this
	NotFound        Code = "not_found"       // 404: it does not exist, or the caller may not know that it does
	Conflict        Code = "conflict"        // 409: the present state forbids it
	Invalid         Code = "invalid"         // 422: readable, but a value is wrong
	Throttled       Code = "throttled"       // 429: too many requests
	Internal        Code = "internal"        // 500: a defect of ours
	Unavailable     Code = "unavailable"     // 503: try again later
	Fenced          Code = "fenced"          // 503: the command came from an older epoch
	Cancelled       Code = "cancelled"       // 499 in logs, 503 on the wire: the work was called off
	Exhausted       Code = "exhausted"       // 507: quota, capacity or address space is used up
	Unknown         Code = "unknown"         // 503: whether it was done is not known; look before asking for it again
)

// Error is what every package of this project returns when something goes wrong.
type Error struct {
	Code    Code   `json:"code"`
	Op      string `json:"op,omitempty"`      // what was being attempted, e.g. "create subnet"
	Message string `json:"message,omitempty"` // what is wrong and what the person can do
	Field   string `json:"field,omitempty"`   // JSON path of the offending input, e.g. "reserved[0].first"
	Err     error  `json:"-"`                 // the cause, for logs; never sent to a client
}

// Error joins operation, field, message and cause into one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Public())
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Public is the text a client may see: the message, or the code when there is none. Causes stay inside.
func (e *Error) Public() string {
	if e.Message != "" {
		return e.Message
	}
	return strings.ReplaceAll(string(e.Code), "_", " ")
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a fault with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Bad reports a wrong value of one input field (422).
func Bad(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Wrap adds what was being attempted. A fault keeps its code, field and message; any other error
// becomes a fault of the given code with the error as its cause. A nil error stays nil.
func Wrap(err error, code Code, op string) error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		wrapped := *f
		if wrapped.Op == "" {
			wrapped.Op = op
		} else {
			wrapped.Op = op + ": " + wrapped.Op
		}
		return &wrapped
	}
	return &Error{Code: code, Op: op, Err: err}
}

// From turns any error into a fault: a fault stays itself, a cancelled context becomes Cancelled, a
// missed deadline Unavailable, everything else Internal. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Code: Cancelled, Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: Unavailable, Message: "the deadline passed", Err: err}
	}
	return &Error{Code: Internal, Err: err}
}

// CodeOf is the code of an error, Internal for an error that is no fault, empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return From(err).Code
}

// Is reports whether err is a fault of the given code.
func Is(err error, code Code) bool { return CodeOf(err) == code }

// HTTPStatus is the status code an HTTP answer carries for this code.
func (c Code) HTTPStatus() int {
	switch c {
	case Malformed:
		return 400
	case Unauthenticated:
		return 401
	case Denied:
		return 403
	case NotFound:
		return 404
	case Conflict:
		return 409
	case Invalid:
		return 422
	case Throttled:
		return 429
	case Unavailable, Fenced, Cancelled, Unknown:
		return 503
	case Exhausted:
		return 507
	}
	return 500
}

// RPCCode is the JSON-RPC 2.0 error code this code travels under between Kahuna and the agents. The
// values -32700 to -32600 are those of the JSON-RPC specification; the others lie in its range for
// implementations (-32099 to -32000).
func (c Code) RPCCode() int64 {
	for i, code := range rpcCodes {
		if code == c {
			return -32000 - int64(i)
		}
	}
	return -32603
}

// FromRPCCode is the inverse of RPCCode; codes of the specification map to Malformed (parse error,
// invalid request, invalid params) and NotFound (unknown method), unknown ones to Internal.
func FromRPCCode(n int64) Code {
	switch n {
	case -32700, -32600, -32602:
		return Malformed
	case -32601:
		return NotFound
	}
	if i := int(-32000 - n); i >= 0 && i < len(rpcCodes) {
		return rpcCodes[i]
	}
	return Internal
}

var rpcCodes = []Code{Internal, Malformed, Unauthenticated, Denied, NotFound, Conflict, Invalid, Throttled, Unavailable, Fenced, Cancelled, Exhausted, Unknown}
