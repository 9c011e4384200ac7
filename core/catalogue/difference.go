package catalogue

import (
	"encoding/json"
	"slices"
	"strconv"

	"kowabunga/core/model"
)

// Difference is what a change did to one field. Before and After are JSON as API v2 shows the field, nil
// where there was no object. Secrets stand as model.SecretMask.
type Difference struct {
	Field         string
	Before, After json.RawMessage
	Inner         bool // shown with no object otherwise, so that it may name what the caller must not know of
}

// Differences lists the fields in which two states of an object differ, in the order of its declaration:
// the fields of the wire, labels, parents, and those inner ones that mean something to people, such as
// the host of a machine. before is nil for a new object, after for a deleted one. Computed fields are
// left out, and so are versions, times and phases, which every change has.
func Differences(kind model.Kind, before, after model.Object) []Difference {
	var out []Difference
	add := func(name string, inner, same bool, write func(model.Object) json.RawMessage) {
		if same {
			return
		}
		d := Difference{Field: name, Inner: inner}
		if before != nil {
			d.Before = write(before)
		}
		if after != nil {
			d.After = write(after)
		}
		out = append(out, d)
	}
	fields := func(fields []Field, inner bool) {
		for i := range fields {
			f := &fields[i]
			if f.address == nil {
				continue // an id, or computed
			}
			same := before != nil && after != nil && f.same(before, after) ||
				(before == nil || after == nil) && f.empty(nil, present(before, after))
			add(f.Name, inner, same, func(o model.Object) json.RawMessage {
				if f.Secret {
					return masked(f, o)
				}
				return f.write(nil, nil, o)
			})
			if f.Name == "description" {
				add(labelsField, false, sameLabels(before, after), func(o model.Object) json.RawMessage { return appendLabels(nil, o.Base().Labels) })
			}
		}
	}
	if k := Of(kind); k != nil {
		fields(k.Fields, false)
		for i := range k.Parents {
			p := &k.Parents[i]
			add(string(p.Kind)+"_id", false, sameBy(before, after, func(o model.Object) string { return string(p.Of(o)) }),
				func(o model.Object) json.RawMessage { return appendString(nil, string(p.Of(o))) })
		}
	}
	shown := func(f Field) bool {
		return slices.ContainsFunc(out, func(d Difference) bool { return d.Field == f.Name })
	}
	fields(slices.DeleteFunc(slices.Clone(inside[kind]), shown), true)
	return out
}

func present(a, b model.Object) model.Object {
	if a != nil {
		return a
	}
	return b
}

func masked(f *Field, o model.Object) json.RawMessage {
	if f.empty(nil, o) {
		return json.RawMessage(`""`)
	}
	return json.RawMessage(strconv.Quote(model.SecretMask))
}

func sameLabels(before, after model.Object) bool {
	return sameBy(before, after, func(o model.Object) string {
		if len(o.Base().Labels) == 0 {
			return ""
		}
		return string(appendLabels(nil, o.Base().Labels))
	})
}

// sameBy tells whether two states agree in something; where there is but one, whether it lacks it.
func sameBy(before, after model.Object, of func(model.Object) string) bool {
	text := func(o model.Object) string {
		if o == nil {
			return ""
		}
		return of(o)
	}
	return text(before) == text(after)
}
