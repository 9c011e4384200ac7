package holding

import (
	"iter"
	"slices"

	"kowabunga/core/model"
)

// look is a state to look things up in. where yields the objects for which is holds, found through an index.
type look interface {
	Get(kind model.Kind, id model.ID) (model.Object, bool)
	where(kind model.Kind, index string, key model.ID, is func(model.Object) bool) iter.Seq[model.Object]
}

func get[O model.Object](l look, id model.ID) (found O, ok bool) {
	o, ok := l.Get(found.Kind(), id)
	if !ok {
		return found, false
	}
	return o.(O), true
}

func anyOf(l look, kind model.Kind, index string, key model.ID, is func(model.Object) bool) bool {
	for range l.where(kind, index, key, is) {
		return true
	}
	return false
}

func nodesOf(l look, owner model.ID) []*model.Node {
	var out []*model.Node
	for o := range l.where(model.KindNode, "owner", owner, func(o model.Object) bool { return o.(*model.Node).Owner == owner }) {
		out = append(out, o.(*model.Node))
	}
	return out
}

// machinesWith yields the hosts of the machines that have a card.
func machinesWith(l look, adapter model.ID) iter.Seq[model.ID] {
	return func(yield func(model.ID) bool) {
		for o := range l.where(model.KindInstance, "adapter", adapter, func(o model.Object) bool { return slices.Contains(o.(*model.Instance).Adapters, adapter) }) {
			if !yield(o.(*model.Instance).Kaktus) {
				return
			}
		}
	}
}

// now is a state as it is.
type now struct{ model.View }

func (n now) where(kind model.Kind, index string, key model.ID, _ func(model.Object) bool) iter.Seq[model.Object] {
	return n.View.By(kind, index, string(key))
}

// before is a state without the changes of a draft.
type before struct {
	model.View
	changed map[ref]model.Object // as it was; nil for what there was not
}

type ref struct {
	kind model.Kind
	id   model.ID
}

func past(d model.Draft, changes []model.Change) before {
	b := before{View: d, changed: map[ref]model.Object{}}
	for _, c := range changes {
		b.changed[ref{c.Kind, c.ID}] = c.Before
	}
	return b
}

func (b before) Get(kind model.Kind, id model.ID) (model.Object, bool) {
	if o, changed := b.changed[ref{kind, id}]; changed {
		return o, o != nil
	}
	return b.View.Get(kind, id)
}

func (b before) where(kind model.Kind, index string, key model.ID, is func(model.Object) bool) iter.Seq[model.Object] {
	return func(yield func(model.Object) bool) {
		for o := range b.View.By(kind, index, string(key)) {
			if _, changed := b.changed[ref{kind, o.Base().ID}]; !changed && !yield(o) {
				return
			}
		}
		for r, o := range b.changed {
			if r.kind == kind && o != nil && is(o) && !yield(o) {
				return
			}
		}
	}
}
