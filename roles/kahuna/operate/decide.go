package operate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// decision is what a request comes to in a draft.
type decision struct {
	request Request // with its operation and path, which a request by name has only now
	out     behaviour.Outcome
	joined  *operation.Operation // of an earlier request that this one repeats
	busy    model.ID             // operation to wait for before the request can be decided
	trace   *trace.Trace
	draw    *model.Draw
}

// moment is what a decision takes from outside the state.
type moment struct {
	key   string // under which the request is known again
	now   time.Time
	seed  [32]byte     // of its chance
	board *place.Board // for decisions in the committer; nil elsewhere
}

func (e *Engine) moment(r Request, board *place.Board) moment {
	return moment{key: joinKey(r), now: e.Now(), seed: e.Seed(), board: board}
}

// decide authorises, decodes and decides a request in a draft. Writes and plans go through it alike.
func (e *Engine) decide(d model.Draft, r Request, at moment) (made decision, err error) {
	policy := e.Policy()
	authorize := policy.Authorize
	if r.V1 {
		authorize = policy.AuthorizeV1
	}
	creates := false
	if r.Named != nil {
		if creates, err = r.Named.resolve(d, &r); err != nil {
			return made, err
		}
	}
	made.request = r
	target, err := authorize(d, r.Who, r.Op, r.Path)
	if err != nil {
		// The object of a repeated deletion may be gone already. Nothing else is answered to somebody who
		// may not ask (any more), and a deletion's answer says nothing.
		if r.Op.Verb == catalogue.Delete && fault.Is(err, fault.NotFound) {
			if made.joined = e.joinable(d, r, at.key, at.now); made.joined != nil {
				return made, nil
			}
		}
		return made, err
	}
	if made.joined = e.joinable(d, r, at.key, at.now); made.joined != nil {
		return made, nil
	}
	if err := r.Match.check(target); err != nil {
		return made, err
	}
	if made.busy = waitsFor(d, r, target); made.busy != "" {
		return made, nil
	}
	object, err := decode(d, r, policy, target)
	if err != nil {
		return made, err
	}
	if creates && object.Base().Name != r.Named.Name {
		return made, fault.Bad("name", "%q is not what the path says; there is no %s %q to give another name", object.Base().Name, r.Op.Kind, r.Named.Name)
	}
	req := &behaviour.Request{Op: r.Op, Who: r.Who, Now: at.now, Draw: model.NewDraw(at.seed, at.now), Live: e.Agents.Online, V1: r.V1, Hash: r.Hash,
		Config: e.Rules(), Path: r.Path, Query: r.Query, Target: target, Object: object, Trace: &trace.Trace{}, Board: at.board}
	made.trace, made.draw = req.Trace, req.Draw
	if made.out, err = behaviour.Decide(d, req); err != nil {
		return made, err
	}
	if s := e.shown.Load(); s != nil && made.out.Operation != nil {
		made.out.Operation.Epoch = s.epoch
	}
	return made, note(d, r, req, &made.out, at.key, at.now)
}

// note puts the operation of a decision into the draft or, where none is needed, what a repeat of the
// request under the same key is known by.
func note(d model.Draft, r Request, req *behaviour.Request, out *behaviour.Outcome, key string, now time.Time) error {
	if op := out.Operation; op != nil {
		op.Actor, op.ActorID, op.Request, op.From, op.Key = r.Who.Name, r.Who.User, r.ID, r.From, key
		op.Answered = !r.Wait // its id is the answer
		return d.Put(op)
	}
	// A key is shown once: who repeats the request gets another.
	repeatable := r.Key != "" && out.Key == "" && r.Hash == ""
	if !repeatable && !out.Explain || out.Cancel != "" || out.Join != "" {
		return nil
	}
	about := *out
	if r.Op.Verb == catalogue.Delete {
		about.Object = req.Target.Base().ID
	}
	if about.Object == "" {
		return nil
	}
	return d.Put(receipt(d, req, r, about, key, now))
}

// decode reads the body into a new object or the target with the changes applied, and checks what it
// refers to.
func decode(d model.Draft, r Request, policy gate.Policy, target model.Object) (model.Object, error) {
	kind := catalogue.Of(r.Op.Kind)
	version := catalogue.V2
	if r.V1 {
		version = catalogue.V1
	}
	var object, old model.Object
	body, err := r.Body, error(nil)
	if !r.V1 && len(body) > 0 {
		if body, err = kind.WithIDs(body, names(d, r)); err != nil {
			return nil, err
		}
	}
	switch r.Op.Verb {
	case catalogue.Create:
		object, err = kind.Decode(version, nil, body)
	case catalogue.Update:
		old = target
		object, err = kind.Decode(version, old, body)
	}
	if err != nil {
		return nil, err
	}
	return object, policy.Check(d, r.Who, r.Op, r.Path, gate.Sent{Query: r.Query, Old: old, New: object})
}

// joinKey identifies a request: its caller, path, query and body, or the key the caller chose.
func joinKey(r Request) string {
	h := sha256.New()
	part := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	part(string(r.Who.User))
	part(r.Who.Name)
	part(r.Op.ID)
	if r.Named != nil {
		part(r.Named.Name)
		for _, kind := range slices.Sorted(maps.Keys(r.Named.Within)) {
			part(string(r.Named.Within[kind]))
		}
	}
	if r.Key != "" && r.Ref != "" {
		part(r.Ref) // the object may be gone by the time of the repeat, and its id with it
	} else {
		for _, p := range r.Op.Params {
			part(string(r.Path[p.Name]))
		}
	}
	part(r.Key)
	if r.Key == "" {
		for _, q := range r.Op.Query {
			part(r.Query[q.Name])
		}
		h.Write(r.Body)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// joinable finds the operation of an earlier request that this one repeats.
func (e *Engine) joinable(v model.View, r Request, key string, now time.Time) *operation.Operation {
	for op := range model.By[*operation.Operation](v, "key", key) {
		since := now.Sub(op.Finished)
		switch {
		case !op.State.Final():
			return op
		case op.State != operation.Succeeded:
		case r.Key != "" && since < keyed:
			return op
		case r.Op.Verb == catalogue.Create && !op.Answered && since < unanswered:
			if _, ok := v.Get(op.Target.Kind, op.Target.ID); ok {
				return op
			}
		}
	}
	return nil
}

// receipt records a request that needed no operation: for the repeat that carries the same key, and for
// whoever asks why it was decided so.
func receipt(v model.View, req *behaviour.Request, r Request, out behaviour.Outcome, key string, now time.Time) *operation.Operation {
	verb := string(r.Op.Verb)
	if r.Op.Verb == catalogue.Action {
		verb = r.Op.Action
	}
	op := &operation.Operation{What: string(r.Op.Kind) + "." + verb, State: operation.Succeeded, Finished: now,
		Actor: r.Who.Name, ActorID: r.Who.User, Request: r.ID, Key: key, Answered: true,
		Target: operation.Target{Kind: r.Op.Kind, ID: out.Object}}
	op.ID = req.Draw.ID()
	op.Name = verb + " " + string(r.Op.Kind) + " " + string(out.Object)
	if o, ok := v.Get(shown(r.Op), out.Object); ok {
		op.Target.Name = o.Base().Name
		op.Name = verb + " " + string(r.Op.Kind) + " " + o.Base().Name
		op.Project = access.ProjectOf(v, o)
	}
	if raw, err := json.Marshal(req.Trace); err == nil && out.Explain {
		op.Trace = raw
	}
	return op
}
