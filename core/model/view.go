package model

import "iter"

// View is one consistent state of everything, as of a journal index. Reading it costs no lock, it
// never changes, and it may be kept.
type View interface {
	// Index is the journal index of the last commit in this view.
	Index() uint64
	// Get returns the object of this kind and id.
	Get(kind Kind, id ID) (Object, bool)
	// All yields every object of a kind in order of id.
	All(kind Kind) iter.Seq[Object]
	// By yields the objects whose key in the named secondary index equals key, in order of id.
	By(kind Kind, index, key string) iter.Seq[Object]
	// One returns the object whose key in the named unique index equals key.
	One(kind Kind, index, key string) (Object, bool)
	// Len is the number of objects of a kind.
	Len(kind Kind) int
}

// Draft is a view that takes changes: they are visible in it at once, to others when the commit it
// belongs to is published, to nobody when that fails.
type Draft interface {
	View
	// Put inserts or replaces an object. Faults: Conflict when a unique key is taken, Invalid when a
	// reference points nowhere.
	Put(o Object) error
	// Delete removes an object and, where a reference to it says so, what refers to it. Faults:
	// NotFound; Conflict when a restricting reference points to it, naming the first referrer.
	Delete(kind Kind, id ID) error
}

// Change is what a draft did to one object: Before is nil for a new one, After for a deleted one.
type Change struct {
	Kind          Kind
	ID            ID
	Before, After Object
}

// Changes lists what a draft did so far, each object once, in the order they were first touched; none
// for a draft that does not tell.
func Changes(d Draft) []Change {
	if tells, ok := d.(interface{ Changes() []Change }); ok {
		return tells.Changes()
	}
	return nil
}

// Fork is a draft that begins where another one is now and leaves that one alone; false for a draft
// that cannot be forked.
func Fork(d Draft) (Draft, bool) {
	if forks, ok := d.(interface{ Fork() Draft }); ok {
		return forks.Fork(), true
	}
	return nil, false
}

// Find returns the object of O's kind with this id.
func Find[O Object](v View, id ID) (O, bool) {
	var zero O
	o, ok := v.Get(zero.Kind(), id)
	if !ok {
		return zero, false
	}
	return o.(O), true
}

// All yields every object of O's kind in order of id.
func All[O Object](v View) iter.Seq[O] {
	var zero O
	return cast[O](v.All(zero.Kind()))
}

// By yields the objects of O's kind whose key in the secondary index equals key, in order of id.
func By[O Object, K ~string](v View, index string, key K) iter.Seq[O] {
	var zero O
	return cast[O](v.By(zero.Kind(), index, string(key)))
}

// One returns the object of O's kind whose key in the unique index equals key.
func One[O Object, K ~string](v View, index string, key K) (O, bool) {
	var zero O
	o, ok := v.One(zero.Kind(), index, string(key))
	if !ok {
		return zero, false
	}
	return o.(O), true
}

// Edit returns a clone of o to change and Put.
func Edit[O Object](o O) O { return o.Clone().(O) }

func cast[O Object](seq iter.Seq[Object]) iter.Seq[O] {
	return func(yield func(O) bool) {
		for o := range seq {
			if !yield(o.(O)) {
				return
			}
		}
	}
}
