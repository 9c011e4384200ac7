package cli

import (
	"encoding/json"
	"net/url"
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
)

// within finds what lies in an object: in it, in what lies in it, and in what the server gave it.
type within struct {
	c     *call
	root  model.Kind
	id    string
	given map[string]bool // ids that read-only fields of the root name
	known map[model.Kind][]string
}

func newWithin(c *call, root model.Kind, id string) *within {
	return &within{c: c, root: root, id: id, known: map[model.Kind][]string{}}
}

// items lists the objects of a kind that lie there; q narrows them further.
func (w *within) items(k *catalogue.Kind, q url.Values) ([]json.RawMessage, error) {
	query := url.Values{}
	for name, values := range q {
		query[name] = slices.Clone(values)
	}
	direct := slices.ContainsFunc(k.Parents, func(p catalogue.Parent) bool { return p.Kind == w.root })
	parents := map[string]bool{}
	switch {
	case direct:
		query.Set(string(w.root), w.id)
	case k.Name == w.root:
		return nil, nil
	default:
		for i := range k.Parents {
			ids, err := w.ids(catalogue.Of(k.Parents[i].Kind))
			if err != nil {
				return nil, err
			}
			for _, id := range ids {
				parents[id] = true
			}
		}
		if len(parents) == 0 {
			return nil, nil
		}
	}
	items, err := w.c.api.Items(w.c.ctx, "list "+k.Plural, "/"+k.Plural, query)
	if err != nil || direct {
		return items, err
	}
	return slices.DeleteFunc(items, func(item json.RawMessage) bool { return !liesIn(k, item, parents) }), nil
}

func liesIn(k *catalogue.Kind, item json.RawMessage, parents map[string]bool) bool {
	var o map[string]json.RawMessage
	_ = json.Unmarshal(item, &o) // the server answered it as an object
	return slices.ContainsFunc(k.Parents, func(p catalogue.Parent) bool { return parents[text(o[string(p.Kind)+"_id"])] })
}

// ids are those of the objects of a kind that lie there, and of those that the server gave the root.
func (w *within) ids(k *catalogue.Kind) ([]string, error) {
	if ids, read := w.known[k.Name]; read {
		return ids, nil
	}
	w.known[k.Name] = nil // a kind that lies in itself ends here
	items, err := w.items(k, nil)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		if items, err = w.gifts(k); err != nil {
			return nil, err
		}
	}
	var ids []string
	for _, item := range items {
		var o object
		if err := json.Unmarshal(item, &o); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "read a "+string(k.Name))
		}
		ids = append(ids, o.ID)
	}
	w.known[k.Name] = ids
	return ids, nil
}

// gifts are objects of a kind that the root names in what the server set: a project's subnets.
func (w *within) gifts(k *catalogue.Kind) ([]json.RawMessage, error) {
	if w.given == nil {
		root := catalogue.Of(w.root)
		op := "read the " + string(w.root)
		a, err := w.c.api.Do(w.c.ctx, client.Request{Op: op, Path: pathOf(root, w.id)})
		if err != nil {
			return nil, err
		}
		var o map[string]json.RawMessage
		if err := a.Decode(op, &o); err != nil {
			return nil, err
		}
		w.given = map[string]bool{}
		for i := range root.Fields {
			if f := &root.Fields[i]; f.ReadOnly && f.Name != "id" {
				idsIn(form.Decode(o[f.Name]), w.given)
			}
		}
	}
	if len(w.given) == 0 {
		return nil, nil
	}
	items, err := w.c.api.Items(w.c.ctx, "list "+k.Plural, "/"+k.Plural, nil)
	return slices.DeleteFunc(items, func(item json.RawMessage) bool {
		var o object
		return json.Unmarshal(item, &o) != nil || !w.given[o.ID]
	}), err
}

// idsIn gathers the ids anywhere in a value.
func idsIn(v any, into map[string]bool) {
	switch v := v.(type) {
	case string:
		if model.ID(v).Valid() {
			into[v] = true
		}
	case []any:
		for _, one := range v {
			idsIn(one, into)
		}
	case map[string]any:
		for _, one := range v {
			idsIn(one, into)
		}
	}
}
