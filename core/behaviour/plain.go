package behaviour

import (
	"encoding/json"
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// What every kind's behaviour is made of.

// begin gives a new object its id and its parents.
func begin(r *Request) model.Object {
	o := r.Object
	o.Base().ID = r.Draw.ID()
	for _, p := range catalogue.Of(o.Kind()).Parents {
		if id := r.Path[p.Param]; id != "" {
			p.Set(o, id)
		}
	}
	return o
}

// insert is the whole creation of a kind that touches nothing but the store. check may be nil.
func insert(check func(d model.Draft, r *Request, o model.Object) error) Func {
	return func(d model.Draft, r *Request) (Outcome, error) {
		o := begin(r)
		if check != nil {
			if err := check(d, r, o); err != nil {
				return Outcome{}, err
			}
		}
		return Outcome{Object: o.Base().ID}, d.Put(o)
	}
}

// replace is the whole update of a kind that touches nothing but the store. check may be nil.
func replace(check func(d model.Draft, r *Request, o model.Object) error) Func {
	return func(d model.Draft, r *Request) (Outcome, error) {
		if err := idle(r.Target); err != nil {
			return Outcome{}, err
		}
		if check != nil {
			if err := check(d, r, r.Object); err != nil {
				return Outcome{}, err
			}
		}
		return Outcome{Object: r.Target.Base().ID}, d.Put(r.Object)
	}
}

// remove is the whole deletion of a kind that touches nothing but the store. check may be nil.
func remove(check func(d model.Draft, r *Request, o model.Object) error) Func {
	return func(d model.Draft, r *Request) (Outcome, error) {
		if err := idle(r.Target); err != nil {
			return Outcome{}, err
		}
		if check != nil {
			if err := check(d, r, r.Target); err != nil {
				return Outcome{}, err
			}
		}
		return Outcome{}, d.Delete(r.Target.Kind(), r.Target.Base().ID)
	}
}

// idle refuses an object that an operation is working on.
func idle(o model.Object) error {
	m := o.Base()
	if m.Phase == model.Ready {
		return nil
	}
	if m.Phase == model.Deleting {
		return fault.New(fault.Conflict, "%s %q is being deleted by operation %s; should that have failed, delete it again", o.Kind(), m.Name, m.Operation)
	}
	return fault.New(fault.Conflict, "%s %q is %s (operation %s); wait for it or cancel it", o.Kind(), m.Name, m.Phase, m.Operation)
}

// usable refuses a referenced object that is not there yet or on its way out.
func usable(field string, o model.Object) error {
	if m := o.Base(); m.Phase == model.Creating || m.Phase == model.Deleting {
		return fault.Bad(field, "%s %q is %s; wait for operation %s", o.Kind(), m.Name, m.Phase, m.Operation)
	}
	return nil
}

// distinct refuses a list that names something twice.
func distinct(field string, ids []model.ID) error {
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return fault.Bad(field, "names %s twice", id)
		}
	}
	return nil
}

// start makes the operation of a request and marks the objects it works on with phase.
func start(d model.Draft, r *Request, what string, project model.ID, target model.Object, phase model.Phase, steps []operation.Step, objects ...model.Object) (*operation.Operation, error) {
	m := target.Base()
	op := &operation.Operation{
		What: string(target.Kind()) + "." + what, State: operation.Running, Steps: steps, Project: project,
		Target: operation.Target{Kind: target.Kind(), ID: m.ID, Name: m.Name},
	}
	op.ID = r.Draw.ID()
	op.Name = what + " " + string(target.Kind()) + " " + m.Name
	if raw, err := json.Marshal(r.Trace); err == nil {
		op.Trace = raw
	}
	for _, o := range append([]model.Object{target}, objects...) {
		o = o.Clone()
		o.Base().Phase, o.Base().Operation = phase, op.ID
		if err := d.Put(o); err != nil {
			return nil, err
		}
	}
	return op, nil
}

func ready(objects ...model.Object) []operation.Effect {
	var out []operation.Effect
	for _, o := range objects {
		out = append(out, operation.Effect{Do: operation.Ready, Kind: o.Kind(), ID: o.Base().ID})
	}
	return out
}

func gone(objects ...model.Object) []operation.Effect {
	var out []operation.Effect
	for _, o := range objects {
		out = append(out, operation.Effect{Do: operation.Remove, Kind: o.Kind(), ID: o.Base().ID})
	}
	return out
}

// patch sets fields of the stored form of an object.
func patch(o model.Object, fields map[string]any) operation.Effect {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err) // only plain values come here
	}
	return operation.Effect{Do: operation.Patch, Kind: o.Kind(), ID: o.Base().ID, Set: raw}
}

// cancelOr answers a deletion of an object that is still being created by calling the creation off, and
// one that is being deleted by joining that. A deletion that failed is begun anew.
func cancelOr(v model.View, o model.Object, otherwise func() (Outcome, error)) (Outcome, error) {
	switch m := o.Base(); m.Phase {
	case model.Creating:
		return Outcome{Cancel: m.Operation}, nil
	case model.Deleting:
		if op, ok := model.Find[*operation.Operation](v, m.Operation); ok && !op.State.Final() {
			return Outcome{Join: op.ID}, nil
		}
	case model.Updating:
		return Outcome{}, idle(o)
	}
	return otherwise()
}
