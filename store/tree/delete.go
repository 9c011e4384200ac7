package tree

import (
	"fmt"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Delete removes an object with everything that refers to it in a cascading way, and takes its id out
// of what refers to it in a detaching way. It does all of that or nothing. Faults: NotFound; Conflict
// when something that would stay refers to it in a restricting way, naming the first such referrer and
// counting the others.
func (e *Edit) Delete(kind model.Kind, id model.ID) error {
	i, ok := e.schema.pos[kind]
	if !ok {
		return fault.New(fault.Internal, "objects of kind %q cannot be deleted: the kind has no table", kind)
	}
	if _, exists := e.rows[i].objects.Get(string(id)); !exists {
		return fault.New(fault.NotFound, "%s %q does not exist", kind, id)
	}
	gone := e.fall(name{kind, id})
	if err := e.restricted(gone); err != nil {
		return err
	}
	undo, err := e.detach(gone)
	if err != nil {
		for _, u := range slices.Backward(undo) {
			e.apply(u.table, u.id, u.new, u.old)
		}
		return err
	}
	for _, n := range gone {
		t := e.schema.pos[n.kind]
		o, _ := e.rows[t].objects.Get(string(n.id))
		e.apply(t, n.id, o, nil)
	}
	return nil
}

// fall lists what goes when an object goes, itself first.
func (e *Edit) fall(first name) []name {
	gone := []name{first}
	seen := map[name]bool{first: true}
	for at := 0; at < len(gone); at++ {
		for from, r := range e.referrers(gone[at], model.Cascade) {
			if n := (name{e.schema.tables[r.table].Kind, from}); !seen[n] {
				seen[n] = true
				gone = append(gone, n)
			}
		}
	}
	return gone
}

// restricted refuses when an object that stays holds on to one that goes.
func (e *Edit) restricted(gone []name) error {
	going := make(map[name]bool, len(gone))
	for _, n := range gone {
		going[n] = true
	}
	for _, n := range gone {
		var first model.Object
		others := map[name]bool{}
		for from, r := range e.referrers(n, model.Restrict) {
			holder := name{e.schema.tables[r.table].Kind, from}
			if going[holder] {
				continue
			}
			if others[holder] = true; first == nil {
				first, _ = e.Get(holder.kind, from)
			}
		}
		if first == nil {
			continue
		}
		target, _ := e.Get(n.kind, n.id)
		text := fmt.Sprintf("%s still has %s", label(target), label(first))
		if more := len(others) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return fault.New(fault.Conflict, "%s", text)
	}
	return nil
}

// replaced is a step that can be taken back.
type replaced struct {
	table    int
	id       model.ID
	old, new model.Object
}

// detach takes the ids that go out of the objects that stay. With the error come the steps done.
func (e *Edit) detach(gone []name) (done []replaced, err error) {
	going := make(map[name]bool, len(gone))
	for _, n := range gone {
		going[n] = true
	}
	for _, n := range gone {
		type holder struct {
			id model.ID
			inbound
		}
		var holders []holder // listed first: detaching changes the index they are found by
		for from, r := range e.referrers(n, model.Detach) {
			if !going[name{e.schema.tables[r.table].Kind, from}] {
				holders = append(holders, holder{from, r})
			}
		}
		for _, h := range holders {
			ref := e.schema.tables[h.table].Refs[h.ref]
			old, _ := e.rows[h.table].objects.Get(string(h.id))
			next := old.Clone()
			ref.Drop(next, n.id)
			if slices.Contains(targets(ref, next), n.id) {
				return done, fault.New(fault.Internal, "%s could not be detached from %s %q: it still refers to it", label(old), n.kind, n.id)
			}
			meta := next.Base()
			meta.Version = e.version
			if !e.now.IsZero() {
				meta.Updated = e.now
			}
			if err := e.check(h.table, h.id, old, next); err != nil {
				return done, err
			}
			e.apply(h.table, h.id, old, next)
			done = append(done, replaced{h.table, h.id, old, next})
		}
	}
	return done, nil
}

// referrers yields the objects that refer to one in the given way, with the reference they do it by.
func (e *Edit) referrers(to name, how model.OnDelete) func(yield func(model.ID, inbound) bool) {
	return func(yield func(model.ID, inbound) bool) {
		for _, in := range e.schema.inbound[e.schema.pos[to.kind]] {
			if e.schema.tables[in.table].Refs[in.ref].OnDelete != how {
				continue
			}
			for id := range ids(e.rows[in.table].refs[in.ref], string(to.id)) {
				if !yield(id, in) {
					return
				}
			}
		}
	}
}

// label names an object to a person: its kind and name, or its id when it has no name.
func label(o model.Object) string {
	if n := o.Base().Name; n != "" {
		return fmt.Sprintf("%s %q", o.Kind(), n)
	}
	return fmt.Sprintf("%s %q", o.Kind(), o.Base().ID)
}

// occupied is the refusal of a second holder of a unique key. It does not name the first one, which may
// belong to somebody whose names the caller must not learn.
func occupied(x model.Index, o model.Object) error {
	field := x.Field
	if field == "" {
		field = x.Name
	}
	f := &fault.Error{Code: fault.Conflict, Field: field}
	if field == "name" {
		f.Message = fmt.Sprintf("%s named %q exists already", article(o.Kind()), o.Base().Name)
	} else {
		f.Message = fmt.Sprintf("another %s has this %s already", o.Kind(), field)
	}
	return f
}

func article(kind model.Kind) string {
	if kind != "" && slices.Contains([]byte("aeio"), kind[0]) {
		return "an " + string(kind)
	}
	return "a " + string(kind)
}
