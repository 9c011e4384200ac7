package operation

import (
	"encoding/json"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Apply makes the effects of an operation in a draft, in order.
func (o *Operation) Apply(d model.Draft, effects []Effect) error {
	for _, e := range effects {
		if err := o.apply(d, e); err != nil {
			return fault.Wrap(err, fault.Internal, "end operation "+string(o.ID))
		}
	}
	return nil
}

func (o *Operation) apply(d model.Draft, e Effect) error {
	object, ok := d.Get(e.Kind, e.ID)
	if !ok {
		return nil // removed in the meantime, which is what an ending may find
	}
	switch e.Do {
	case Remove:
		return d.Delete(e.Kind, e.ID)
	case First:
		return first(d, object)
	case Patch:
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(e.Set, &fields); err != nil {
			return fault.Wrap(err, fault.Internal, "read effect")
		}
		return put(d, object, fields)
	case Take:
		fields, err := o.taken(e)
		if err != nil {
			return err
		}
		return put(d, object, fields)
	case Ready:
		return put(d, object, nil)
	}
	return fault.New(fault.Internal, "unknown effect %q", e.Do)
}

// taken picks the fields of a step's result, none when the step has no result.
func (o *Operation) taken(e Effect) (map[string]json.RawMessage, error) {
	if e.Step < 0 || e.Step >= len(o.Steps) || len(o.Steps[e.Step].Result) == 0 {
		return nil, nil
	}
	var result map[string]json.RawMessage
	if err := json.Unmarshal(o.Steps[e.Step].Result, &result); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the result of step "+o.Steps[e.Step].Name)
	}
	fields := map[string]json.RawMessage{}
	for _, name := range e.Take {
		from, to, renamed := strings.Cut(name, "=")
		if !renamed {
			to = from
		}
		if value, ok := result[from]; ok {
			fields[to] = value
		}
	}
	return fields, nil
}

// put sets fields of the stored form and frees the object. Going through the stored form leaves no
// slice shared with the object readers hold; that form masks secrets, so that only kinds without any
// take fields.
func put(d model.Draft, object model.Object, fields map[string]json.RawMessage) error {
	next := object.Clone()
	if len(fields) > 0 {
		if next = blank(object); next == nil {
			return fault.New(fault.Internal, "%s cannot be patched", object.Kind())
		}
		raw, err := json.Marshal(object)
		if err != nil {
			return err
		}
		var form map[string]json.RawMessage
		if err := json.Unmarshal(raw, &form); err != nil {
			return err
		}
		for name, value := range fields {
			form[name] = value
		}
		if raw, err = json.Marshal(form); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, next); err != nil {
			return err
		}
	}
	next.Base().Phase, next.Base().Operation = model.Ready, ""
	return d.Put(next)
}

// first makes a template the default of its pool when that has none.
func first(d model.Draft, object model.Object) error {
	t, ok := object.(*model.Template)
	if !ok {
		return fault.New(fault.Internal, "%s has no default", object.Kind())
	}
	pool, ok := model.Find[*model.Pool](d, t.Pool)
	if !ok || pool.DefaultTemplate != "" {
		return nil
	}
	pool = model.Edit(pool)
	pool.DefaultTemplate = t.ID
	return d.Put(pool)
}

// blank makes an empty object of the kinds that operations patch, nil of others. None of them has secrets.
func blank(o model.Object) model.Object {
	switch o.(type) {
	case *model.Template:
		return new(model.Template)
	case *model.Volume:
		return new(model.Volume)
	case *model.Adapter:
		return new(model.Adapter)
	case *model.Instance:
		return new(model.Instance)
	case *model.Kompute:
		return new(model.Kompute)
	case *model.NFS:
		return new(model.NFS)
	case *model.Kylo:
		return new(model.Kylo)
	}
	return nil
}
