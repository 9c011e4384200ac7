package tree

import (
	"fmt"
	"iter"

	"kowabunga/core/model"
)

// Problem is something in a set of objects that the tables do not allow.
type Problem struct {
	Kind    model.Kind `json:"kind"`
	ID      model.ID   `json:"id"`
	Message string     `json:"message"`
}

// Build files objects that come in any order as the state of a journal index, and lists what is wrong
// with them together: keys taken twice, references that point nowhere, kinds that have no table. Only a
// state without problems may be served.
func Build(tables []model.Table, index uint64, objects iter.Seq[model.Object]) (*Root, []Problem) {
	r := New(tables)
	r.index = index
	var problems []Problem
	for o := range objects {
		i, ok := r.schema.pos[o.Kind()]
		id := o.Base().ID
		if !ok {
			problems = append(problems, Problem{o.Kind(), id, "this kind has no table"})
			continue
		}
		t := &r.schema.tables[i]
		for n, x := range t.Unique {
			for _, k := range keysOf(x, o) {
				if holder, taken := r.rows[i].unique[n].Get(k); taken {
					problems = append(problems, Problem{t.Kind, id, fmt.Sprintf("has the same key in index %q as %s", x.Name, holder)})
				}
			}
		}
		r.rows[i].set(t, id, nil, o)
	}
	for i := range r.rows {
		t := &r.schema.tables[i]
		for _, ref := range t.Refs {
			for o := range all(r.rows[i].objects) {
				for _, to := range targets(ref, o) {
					if _, there := r.Get(ref.To, to); !there {
						problems = append(problems, Problem{t.Kind, o.Base().ID, fmt.Sprintf("refers (%s) to %s %s, which does not exist", ref.Field, ref.To, to)})
					}
				}
			}
		}
	}
	return r, problems
}
