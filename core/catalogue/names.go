package catalogue

import (
	"slices"
	"strconv"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// OneByName tells whether the names of the kind's objects are unique by themselves, so that the unique
// index "name" finds them.
func (k *Kind) OneByName() bool {
	probe := k.Table.New()
	probe.Base().Name = "probe"
	return slices.ContainsFunc(k.Table.Unique, func(x model.Index) bool {
		return x.Name == "name" && slices.Equal(x.Keys(probe), []string{"probe"})
	})
}

// WithIDs puts ids in the place of names in a request body of API v2, wherever a field refers to other
// objects. What is no id is a name, and resolve finds its id; its fault is returned with the field. A body
// that cannot be read stays as it is, for Decode to refuse.
func (k *Kind) WithIDs(body []byte, resolve func(kind model.Kind, name string) (model.ID, error)) ([]byte, error) {
	if checkJSON(body) != nil {
		return body, nil
	}
	start := skipSpace(append(body[:len(body):len(body)], 0), 0)
	out, err := withIDs(k.Fields, body[start:], "", resolve)
	if err != nil || out == nil {
		return body, err
	}
	return out, nil
}

type resolver = func(kind model.Kind, name string) (model.ID, error)

// withIDs is WithIDs of an object with these fields; nil when there is nothing to replace.
func withIDs(fields []Field, raw []byte, path string, resolve resolver) ([]byte, error) {
	sent, err := splitObject(raw, path)
	if err != nil {
		return nil, nil
	}
	changed := false
	for i := range sent {
		m := &sent[i]
		at := slices.IndexFunc(fields, func(f Field) bool { return f.Name == m.key && !f.ReadOnly })
		if at < 0 {
			continue
		}
		value, err := valueWithIDs(&fields[at], m.value, join(path, m.key), resolve)
		if err != nil {
			return nil, err
		}
		if value != nil {
			m.value, changed = value, true
		}
	}
	if !changed {
		return nil, nil
	}
	out := []byte{'{'}
	for _, m := range sent {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(appendString(out, m.key), ':'), m.value...)
	}
	return append(out, '}'), nil
}

func valueWithIDs(f *Field, raw []byte, path string, resolve resolver) ([]byte, error) {
	switch {
	case f.Type == Object:
		return withIDs(f.Fields, raw, path, resolve)
	case f.Type != Array && f.Ref != "":
		return idOf(f.Ref, raw, path, resolve)
	case f.Type != Array || f.Ref == "" && f.Items != Object:
		return nil, nil
	}
	items, err := splitArray(raw, path)
	if err != nil {
		return nil, nil
	}
	changed := false
	for i := range items {
		at := path + "[" + strconv.Itoa(i) + "]"
		var item []byte
		if f.Ref != "" {
			item, err = idOf(f.Ref, items[i], at, resolve)
		} else {
			item, err = withIDs(f.Fields, items[i], at, resolve)
		}
		if err != nil {
			return nil, err
		}
		if item != nil {
			items[i], changed = item, true
		}
	}
	if !changed {
		return nil, nil
	}
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']'), nil
}

// idOf is the id that a name stands for, as JSON; nil for what is an id, empty or no text.
func idOf(kind model.Kind, raw []byte, path string, resolve resolver) ([]byte, error) {
	name, err := unquote(raw)
	if err != nil || name == "" || model.ID(name).Valid() {
		return nil, nil
	}
	id, err := resolve(kind, name)
	if err != nil {
		f := *fault.From(err)
		f.Field = path
		return nil, &f
	}
	return appendString(nil, string(id)), nil
}
