package tree

import (
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Replay makes the state of a journal index that changes lead to which were made elsewhere: objects are
// taken as they are, versions and times included, and Before of each change is set to what was here. What
// the tables declare is verified for the state as a whole, not after each change. Fault: Conflict when a
// key would be taken twice, a reference would lead nowhere, an object is named twice, or has no table.
func (r *Root) Replay(index uint64, changes []Change) (*Root, error) {
	e := r.Edit()
	seen := make(map[name]bool, len(changes))
	moves := make([]bool, len(changes)) // its keys change hands
	for n := range changes {
		c := &changes[n]
		i, ok := e.schema.pos[c.Kind]
		if !ok || seen[name{c.Kind, c.ID}] {
			return nil, fault.New(fault.Conflict, "%s %q cannot be changed: it is named twice, or its kind has no table", c.Kind, c.ID)
		}
		seen[name{c.Kind, c.ID}] = true
		c.Before, _ = e.rows[i].objects.Get(string(c.ID))
		if moves[n] = c.Before != nil && !sameKeys(&e.schema.tables[i], c.Before, c.After); moves[n] {
			e.replace(i, c.ID, c.Before, nil) // all first: a key may go from one to another
		}
	}
	for n, c := range changes {
		i := e.schema.pos[c.Kind]
		was := c.Before
		if moves[n] {
			was = nil
		}
		if c.After == nil {
			continue
		}
		if was == nil {
			if err := e.unoccupied(i, c.ID, c.After); err != nil {
				return nil, err
			}
		}
		e.replace(i, c.ID, was, c.After)
	}
	for _, c := range changes {
		if err := e.connected(c); err != nil {
			return nil, err
		}
	}
	return e.Publish(index), nil
}

// sameKeys tells whether next has the unique keys of old; nothing has none.
func sameKeys(t *model.Table, old, next model.Object) bool {
	if next == nil {
		return false
	}
	for _, x := range t.Unique {
		if !slices.Equal(keysOf(x, old), keysOf(x, next)) {
			return false
		}
	}
	return true
}

func (e *Edit) unoccupied(i int, id model.ID, next model.Object) error {
	for n, x := range e.schema.tables[i].Unique {
		for _, k := range keysOf(x, next) {
			if holder, taken := e.rows[i].unique[n].Get(k); taken && holder != id {
				return occupied(x, next)
			}
		}
	}
	return nil
}

// connected verifies the references of what a change left, or to what it removed.
func (e *Edit) connected(c Change) error {
	i := e.schema.pos[c.Kind]
	if c.After != nil {
		for _, r := range e.schema.tables[i].Refs {
			for _, to := range targets(r, c.After) {
				if _, there := e.Get(r.To, to); !there {
					return fault.New(fault.Conflict, "%s refers (%s) to %s %q, which does not exist", label(c.After), r.Field, r.To, to)
				}
			}
		}
		return nil
	}
	for _, in := range e.schema.inbound[i] {
		for from := range ids(e.rows[in.table].refs[in.ref], string(c.ID)) {
			return fault.New(fault.Conflict, "%s %q is removed though %s %q refers to it", c.Kind, c.ID, e.schema.tables[in.table].Kind, from)
		}
	}
	return nil
}

// replace is apply without a note of the change.
func (e *Edit) replace(i int, id model.ID, old, new model.Object) {
	if !e.own[i] {
		e.rows[i], e.own[i] = e.rows[i].copy(), true
	}
	e.rows[i].set(&e.schema.tables[i], id, old, new)
}
