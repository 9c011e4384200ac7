// Package operation is the shape of work that touches the world: steps as data, each with a way to do
// and to undo it, written to the journal before they run. Package operate in roles runs them.
package operation

import (
	"encoding/json"
	"slices"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Kind is the kind of operations in the store.
const Kind model.Kind = "operation"

// Operation is one piece of work on one object. While it runs the objects it concerns carry its id
// and a phase, and no other write touches them.
type Operation struct {
	model.Meta                  // Name says what it does, for people: "create kompute web-1"
	What       string           `json:"what"` // kind and verb: "kompute.create"
	Target     Target           `json:"target"`
	Project    model.ID         `json:"project,omitempty"` // whose members may see it
	Actor      string           `json:"actor"`             // who asked
	ActorID    model.ID         `json:"actorId,omitempty"`
	Request    string           `json:"request,omitempty"` // request id of the call that asked
	From       string           `json:"from,omitempty"`    // address that call came from
	Key        string           `json:"key,omitempty"`     // caller, path and body; a repeat joins this operation
	State      State            `json:"state"`
	Steps      []Step           `json:"steps"`
	Forward    bool             `json:"forward,omitempty"` // cannot be undone: after a failure asking again goes on
	Cancel     bool             `json:"cancel,omitempty"`  // somebody asked to call it off
	Done       []Effect         `json:"done,omitempty"`    // what succeeding does to the store
	Undone     []Effect         `json:"undone,omitempty"`  // what failing or cancelling does, after the undoing
	Fault      *fault.Error     `json:"fault,omitempty"`
	Finished   time.Time        `json:"finished,omitzero"`
	Epoch      agentproto.Epoch `json:"epoch,omitzero"`     // it was begun in, so that no order of it is older
	Answered   bool             `json:"answered,omitempty"` // the caller got its answer
	Trace      json.RawMessage  `json:"trace,omitempty"`    // the decision behind it, for explain
}

// Target is the object an operation is about.
type Target struct {
	Kind model.Kind `json:"kind"`
	ID   model.ID   `json:"id"`
	Name string     `json:"name,omitempty"`
}

// State says how far an operation is.
type State string

// The states. Running and Unwinding are worked on; the others are final.
const (
	Running   State = "running"
	Unwinding State = "unwinding"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Final tells whether nothing more happens to an operation in this state.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Step is one thing to do at one agent. A step without Do is done at once; one without Undo has
// nothing to undo.
type Step struct {
	Name    string           `json:"name"`
	Do      *Call            `json:"do,omitempty"`
	Undo    *Call            `json:"undo,omitempty"`
	State   StepState        `json:"state,omitempty"`
	Attempt int              `json:"attempt,omitempty"` // counts from 1; part of the request id
	Agent   model.ID         `json:"agent,omitempty"`   // the last order went to, or goes; empty in steps that an earlier release began
	Epoch   agentproto.Epoch `json:"epoch,omitzero"`    // the last order is of
	Result  json.RawMessage  `json:"result,omitempty"`  // of what was done or, later, undone
	Halts   string           `json:"halts,omitempty"`   // what that runs stands still because of it, for people: "machine web-1 is shut down"
}

// StepState says how far a step is.
type StepState string

// The states of a step. Started and Undoing are journalled before the agent is called, the others
// after it answered.
const (
	Pending StepState = ""
	Started StepState = "started"
	Did     StepState = "done"
	Undoing StepState = "undoing"
	Undid   StepState = "undone"
)

// Call is one call of an agent's method. Its arguments are absolute, so that calling twice is calling
// once.
type Call struct {
	Agents  []model.ID   `json:"agents"`         // any one of them can do it
	Host    model.ID     `json:"host,omitempty"` // kaktus whose present agents are asked instead, should it still have some
	Pool    model.ID     `json:"pool,omitempty"` // pool whose present agents are asked; with Host, those of both
	Method  string       `json:"method"`
	Args    model.Secret `json:"args,omitempty"`      // JSON; sealed, for configuration disks hold password hashes
	Timeout int64        `json:"timeoutMs,omitempty"` // milliseconds for one attempt; 0 means the engine's own
}

// Effect is a change of one object, applied in the commit that ends the operation.
type Effect struct {
	Do   EffectKind      `json:"do"`
	Kind model.Kind      `json:"kind"`
	ID   model.ID        `json:"id"`
	Set  json.RawMessage `json:"set,omitempty"`  // for Patch: fields of the stored form and their values
	Step int             `json:"step,omitempty"` // for Take: the step whose result is taken
	Take []string        `json:"take,omitempty"` // for Take: "field" or "field of the result=field of the stored form"
}

// EffectKind is what an effect does.
type EffectKind string

// The effects. Ready clears phase and operation; Patch sets fields, then does Ready; Take sets fields
// from a step's result if it has one, then does Ready; Remove deletes the object, if it is still there;
// First see there.
// Several effects may name the same object.
const (
	Ready  EffectKind = "ready"
	Patch  EffectKind = "patch"
	Take   EffectKind = "take"
	Remove EffectKind = "remove"
	First  EffectKind = "first" // make a template its pool's default when that has none
)

func (*Operation) Kind() model.Kind { return Kind }

// Clone copies the steps and their calls as well, because sealing replaces the arguments in place.
func (o *Operation) Clone() model.Object {
	c := *o
	c.Steps = slices.Clone(o.Steps)
	for i := range c.Steps {
		for _, call := range []**Call{&c.Steps[i].Do, &c.Steps[i].Undo} {
			if *call != nil {
				own := **call
				*call = &own
			}
		}
	}
	return &c
}

func secrets(o model.Object) []*model.Secret {
	var out []*model.Secret
	for _, s := range o.(*Operation).Steps {
		for _, call := range []*Call{s.Do, s.Undo} {
			if call != nil {
				out = append(out, &call.Args)
			}
		}
	}
	return out
}

// Table tells the store how to keep operations.
var Table = model.Table{
	Kind:    Kind,
	New:     func() model.Object { return new(Operation) },
	Secrets: secrets,
	Indexes: []model.Index{
		{Name: "state", Keys: func(o model.Object) []string { return []string{string(o.(*Operation).State)} }},
		{Name: "target", Keys: func(o model.Object) []string { return []string{string(o.(*Operation).Target.ID)} }},
		{Name: "project", Keys: func(o model.Object) []string { return []string{string(o.(*Operation).Project)} }},
		{Name: "key", Keys: func(o model.Object) []string { return []string{o.(*Operation).Key} }},
	},
}
