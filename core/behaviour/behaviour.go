// Package behaviour says what creating, changing, deleting and acting on each kind of resource means.
// Every behaviour is a pure function from a draft of the state and a request to changes in the draft
// and, where the world must be touched, an operation. One file per kind; no kind's file calls
// another's, what several need lives in packages of its own (ipam, place, quota, cloudinit).
package behaviour

import (
	"strconv"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// Request is an authorised and decoded request.
type Request struct {
	Op     *catalogue.Op
	Who    access.Identity
	Now    time.Time
	Draw   *model.Draw
	Live   func(agent model.ID) bool // whether the agent is connected
	Config Config
	V1     bool                // the answer has no place for secrets: they are mailed
	Hash   model.Secret        // stored form of a password that was drawn for this request and is shown in its answer
	Path   map[string]model.ID // path parameters by name
	Query  Query
	Target model.Object // what is updated, deleted or acted on
	Object model.Object // what was sent: the new object, or the target with the PUT applied
	Trace  *trace.Trace
	Board  *place.Board // knows the room on the hosts; nil: it is counted in the draft
}

// Config is what an installation sets for everybody.
type Config struct {
	BootstrapUser   string
	BootstrapPubkey string
	StopGrace       time.Duration // how long a guest may take to shut down before it is forced
	Metadata        metadata.Service
	Accounts        account.Terms
}

// account is what changes of accounts are made with.
func (r *Request) account() account.Cause {
	return account.Cause{Now: r.Now, Draw: r.Draw, Terms: r.Config.Accounts}
}

// Query holds the query parameters that were sent, checked against their declared types.
type Query map[string]string

// Bool is a boolean parameter, false when absent.
func (q Query) Bool(name string) bool { return q[name] == "true" }

// Int is a whole-number parameter and whether it was sent.
func (q Query) Int(name string) (int64, bool) {
	n, err := strconv.ParseInt(q[name], 10, 64)
	return n, err == nil
}

// ID is a parameter that names an object, empty when absent.
func (q Query) ID(name string) model.ID { return model.ID(q[name]) }

// Outcome is what a behaviour decided.
type Outcome struct {
	Object    model.ID             // the object the answer shows
	Operation *operation.Operation // work to do before the request is done; the engine stores it
	Cancel    model.ID             // an operation to call off instead; the request is done when it has ended
	Join      model.ID             // an operation that does already what was asked; the request is done when it has ended
	Key       string               // a key to show once (API keys), never stored
	Explain   bool                 // without operation: keep the trace all the same, for who asks why
}

// Func is one behaviour.
type Func func(d model.Draft, r *Request) (Outcome, error)

type slot struct {
	kind   model.Kind
	verb   catalogue.Verb
	action string
}

var table = map[slot]Func{}

// register is called by each kind's file once, from its init.
func register(kind model.Kind, verb catalogue.Verb, action string, f Func) {
	s := slot{kind, verb, action}
	if table[s] != nil {
		panic("two behaviours for " + string(kind) + " " + string(verb) + " " + action)
	}
	table[s] = f
}

// Decide runs the behaviour of the request's operation.
func Decide(d model.Draft, r *Request) (Outcome, error) {
	f := table[slot{r.Op.Kind, r.Op.Verb, r.Op.Action}]
	if f == nil {
		return Outcome{}, fault.New(fault.NotFound, "%s is not part of this release", r.Op.ID)
	}
	return f(d, r)
}
