package tree

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Edit is a draft on top of a Root: it sees its own changes, nobody else does. One goroutine uses it.
// Loops over it go through the state the draft had when the loop began, so their bodies may change it.
type Edit struct {
	schema  *schema
	rows    []*rows
	own     []bool // rows[i] is a private copy
	index   uint64
	version uint64
	now     time.Time
	changes []Change
	touched map[name]int // position in changes
}

type name struct {
	kind model.Kind
	id   model.ID
}

// Change is what an Edit did to one object: Before is nil for a new one, After for a deleted one.
type Change = model.Change

var _ model.Draft = (*Edit)(nil)

// Index is the journal index of the state the draft began from.
func (e *Edit) Index() uint64 { return e.index }

// Get returns the object of this kind and id.
func (e *Edit) Get(kind model.Kind, id model.ID) (model.Object, bool) {
	i, ok := e.schema.pos[kind]
	if !ok {
		return nil, false
	}
	return e.rows[i].objects.Get(string(id))
}

// All yields every object of a kind in order of id.
func (e *Edit) All(kind model.Kind) iter.Seq[model.Object] {
	i, ok := e.schema.pos[kind]
	if !ok {
		return none
	}
	return func(yield func(model.Object) bool) { all(e.still(i).objects)(yield) }
}

// By yields the objects filed under key in a secondary index, in order of id.
func (e *Edit) By(kind model.Kind, index, key string) iter.Seq[model.Object] {
	i := e.schema.table(kind)
	n := position(e.schema.indexes[i], kind, index)
	return func(yield func(model.Object) bool) {
		r := e.rows[i]
		filed, of := r.indexes[n], r.objects
		if e.own[i] {
			filed, of = filed.Copy(), of.Copy()
		}
		by(filed, of, key)(yield)
	}
}

// One returns the object that holds key in a unique index.
func (e *Edit) One(kind model.Kind, index, key string) (model.Object, bool) {
	i := e.schema.table(kind)
	return one(e.rows[i], position(e.schema.unique[i], kind, index), key)
}

// Len is the number of objects of a kind.
func (e *Edit) Len(kind model.Kind) int {
	i, ok := e.schema.pos[kind]
	if !ok {
		return 0
	}
	return e.rows[i].objects.Len()
}

// still gives the objects of a table in a form that later writes of this draft do not reach.
func (e *Edit) still(i int) *rows {
	if !e.own[i] {
		return e.rows[i] // published: a write of ours goes to a copy
	}
	return &rows{objects: e.rows[i].objects.Copy()}
}

// Changes lists what the draft did, each object once, in the order they were first touched. What was
// made and deleted again, or taken back, is not among them.
func (e *Edit) Changes() []Change {
	return slices.DeleteFunc(slices.Clone(e.changes), func(c Change) bool { return c.Before == c.After })
}

// Touched lists the objects that the draft put or deleted, each once; some may be as they were again.
func (e *Edit) Touched() iter.Seq2[model.Kind, model.ID] {
	return func(yield func(model.Kind, model.ID) bool) {
		for i := range e.changes {
			if !yield(e.changes[i].Kind, e.changes[i].ID) {
				return
			}
		}
	}
}

// Fork begins another draft where this one is now, with the changes made so far; neither sees what the
// other does from now on.
func (e *Edit) Fork() model.Draft {
	f := *e
	f.rows, f.changes, f.touched = slices.Clone(e.rows), slices.Clone(e.changes), maps.Clone(e.touched)
	// What this draft had for its own is shared from now on: whoever writes first copies it.
	clear(e.own)
	f.own = make([]bool, len(e.own))
	return &f
}

// Restore puts an object back as it was, version and times included; nil removes it. Nothing is checked:
// it is for going back to a state that stood before, through ones that never did. Who restores several
// objects removes all of them first, as keys may have gone from one to another.
func (e *Edit) Restore(kind model.Kind, id model.ID, was model.Object) {
	i, ok := e.schema.pos[kind]
	if !ok {
		return // a kind of another release: nobody can see it anyway
	}
	if old, exists := e.rows[i].objects.Get(string(id)); exists {
		e.apply(i, id, old, was)
	} else if was != nil {
		e.apply(i, id, nil, was)
	}
}

// Publish makes the draft the state as of a journal index. The draft must not be used afterwards.
func (e *Edit) Publish(index uint64) *Root {
	r := &Root{schema: e.schema, rows: e.rows, index: index}
	e.rows, e.own = nil, nil
	return r
}

// Put inserts or replaces an object; the draft keeps a shallow copy with the version and times set. An
// object equal to what is there already changes nothing. Faults: Conflict with Field when a unique key
// is taken or a new reference goes to what is being deleted, Invalid with Field when a reference
// points nowhere.
func (e *Edit) Put(o model.Object) error {
	if o == nil || reflect.ValueOf(o).IsNil() {
		return fault.New(fault.Internal, "there is no object to put")
	}
	i, ok := e.schema.pos[o.Kind()]
	if !ok {
		return fault.New(fault.Internal, "objects of kind %q cannot be kept: the kind has no table", o.Kind())
	}
	id := o.Base().ID
	if id == "" {
		return fault.New(fault.Internal, "%s %q cannot be kept: it has no id", o.Kind(), o.Base().Name)
	}
	old, exists := e.rows[i].objects.Get(string(id))
	next := o.Clone()
	meta := next.Base()
	if exists {
		was := old.Base()
		meta.Version, meta.Created, meta.Updated = was.Version, was.Created, was.Updated
		if reflect.DeepEqual(old, next) {
			return nil
		}
	}
	meta.Version = e.version
	if e.now.IsZero() {
		meta.Updated = o.Base().Updated
		meta.Created = o.Base().Created
	} else {
		meta.Updated = e.now
		if !exists {
			meta.Created = e.now
		}
	}
	if err := e.check(i, id, old, next); err != nil {
		return err
	}
	e.apply(i, id, old, next)
	return nil
}

// check tells whether next may stand in the place of old (nil for none).
func (e *Edit) check(i int, id model.ID, old, next model.Object) error {
	t := &e.schema.tables[i]
	for n, x := range t.Unique {
		for _, k := range keysOf(x, next) {
			if holder, taken := e.rows[i].unique[n].Get(k); taken && holder != id {
				return occupied(x, next)
			}
		}
	}
	for _, r := range t.Refs {
		had := targets(r, old)
		for _, to := range targets(r, next) {
			if slices.Contains(had, to) || r.To == t.Kind && to == id {
				continue
			}
			target, there := e.Get(r.To, to)
			if !there {
				return fault.Bad(r.Field, "%s %q does not exist", r.To, to)
			}
			if target.Base().Phase == model.Deleting && next.Base().Phase != model.Deleting {
				return &fault.Error{Code: fault.Conflict, Field: r.Field, Message: label(target) + " is being deleted"}
			}
		}
	}
	return nil
}

// apply replaces old by new (nil for none) in the draft's own trees and notes the change.
func (e *Edit) apply(i int, id model.ID, old, new model.Object) {
	if !e.own[i] {
		e.rows[i], e.own[i] = e.rows[i].copy(), true
	}
	t := &e.schema.tables[i]
	e.rows[i].set(t, id, old, new)
	key := name{t.Kind, id}
	if n, ok := e.touched[key]; ok {
		e.changes[n].After = new
		return
	}
	if e.touched == nil {
		e.touched = map[name]int{}
	}
	e.touched[key] = len(e.changes)
	e.changes = append(e.changes, Change{Kind: t.Kind, ID: id, Before: old, After: new})
}
